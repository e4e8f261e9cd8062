"""Candles for the API: what a person asks for, turned into whole days, read from the archive, folded and cut."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cassandra import DriverException, OperationTimedOut, RequestExecutionException
from cassandra.cluster import NoHostAvailable

from schemas.calendar import Calendar, calendar_of
from schemas.market import Candle
from streams.archive.reader import CandleReader
from streams.candles.intervals import fold_intervals
from streams.console import models
from streams.console.errors import ApiError, UnavailableError
from streams.console.state import Console
from streams.prices.instruments import UnknownInstrumentError

_EARLIEST, _LATEST = date(1970, 1, 2), date(2199, 12, 31)
_CHUNK = 8  # days read at a time, the latest first
_AWAY = (DriverException, NoHostAvailable, OperationTimedOut, RequestExecutionException)


def read_candles(console: Console, query: models.CandleQuery) -> models.Candles:
    """GET /api/candles. ApiError for a range that is none, UnavailableError while Cassandra does not answer."""
    reader = console.archive
    if reader is None:
        raise UnavailableError("Cassandra does not answer, and the candles are there; see `./portfolio status`.")
    try:
        instrument = _instrument(console, reader, query.instrument)
        candles = _read(reader, instrument, query)
    except _AWAY as error:
        raise UnavailableError(
            f"Cassandra does not answer ({type(error).__name__}); see `./portfolio status`."
        ) from error
    zone = _calendar(instrument).zone
    return models.Candles(
        instrument=instrument, interval=query.interval, candles=[_row(candle, zone) for candle in candles]
    )


def _instrument(console: Console, reader: CandleReader, text: str) -> str:
    """The instrument that is meant; one that is not traded any more is known by its candles."""
    try:
        with console.follower.lock:
            return console.feed.book.find(text).instrument
    except UnknownInstrumentError:
        name = text.upper()
        if reader.latest_days(name, 1):
            return name
        raise


def _calendar(instrument: str) -> Calendar:
    try:
        return calendar_of(instrument.partition(":")[0])
    except KeyError:
        return calendar_of("NSE")


def _read(reader: CandleReader, instrument: str, query: models.CandleQuery) -> list[Candle]:
    """Whole days are read, so that a longer candle at the edge of the range is a whole one."""
    calendar = _calendar(instrument)
    zone = calendar.zone
    until = instant("to", query.to, zone, end=True)
    since = instant("from", query.from_, zone, end=False)
    if since is not None and until is not None and since > until:
        raise ApiError("from lies after to.")
    if since is None:
        latest = until if until is not None else _latest(reader, instrument, zone)
        if latest is None:
            return []
        since = _midnight(calendar.day_of(latest), zone)
    until = _midnight(_LATEST, zone) if until is None else until
    days = reader.days(instrument, calendar.day_of(since), calendar.day_of(until))
    found: list[Candle] = []
    while days and len(found) < query.limit:
        days, chunk = days[:-_CHUNK], days[-_CHUNK:]
        minutes = reader.candles(instrument, _midnight(chunk[0], zone), _midnight(chunk[-1] + timedelta(1), zone) - 1)
        folded = fold_intervals(minutes, query.interval)
        found = [candle for candle in folded if since <= candle.start_us <= until] + found
    return found[-query.limit :]


def _latest(reader: CandleReader, instrument: str, zone: ZoneInfo) -> int | None:
    days = reader.latest_days(instrument, 1)
    return _midnight(days[-1], zone) if days else None


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp()) * 1_000_000


def instant(name: str, text: str, zone: ZoneInfo, *, end: bool) -> int | None:
    """Microseconds of what a person wrote: a date (its start, or its ``end``), a time, or microseconds.

    A time without an offset is the exchange's. None when it is empty; ApiError when it cannot be understood.
    """
    if not text.strip():
        return None
    text = re.sub(r"^(.*T.*) (\d\d:\d\d)$", r"\1+\2", text.strip())  # a + in an address means a blank
    try:
        at = int(text) if re.fullmatch(r"\d{14,17}", text) else _parsed(text, zone, end=end)
        if not _EARLIEST <= datetime.fromtimestamp(at / 1e6, UTC).date() < _LATEST:
            raise ValueError(text)
    except (ValueError, OverflowError, OSError) as error:
        raise ApiError(
            f"{name}: {text!r} is no time; write 2026-11-20, 2026-11-20T10:15 (with +05:30 or without) or microseconds."
        ) from error
    return at


def _parsed(text: str, zone: ZoneInfo, *, end: bool) -> int:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        day = date.fromisoformat(text)
        return _midnight(day + timedelta(1), zone) - 1 if end else _midnight(day, zone)
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=zone)
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _row(candle: Candle, zone: ZoneInfo) -> models.CandleRow:
    names = ("start_us", "open", "high", "low", "close", "volume", "complete", "gap", "revision", "source")
    at = datetime.fromtimestamp(candle.start_us // 1_000_000, UTC).astimezone(zone)
    values = {name: getattr(candle, name) for name in names}
    return models.CandleRow(**values, start=at.isoformat(), oi=candle.oi if candle.oi >= 0 else None)
