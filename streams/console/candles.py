"""Candles for the API: what a person asks for, checked, and answered by the archive."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from cassandra import DriverException, OperationTimedOut, RequestExecutionException
from cassandra.cluster import NoHostAvailable

from infra.errors import UserError
from schemas.market import Candle
from streams.archive.ask import Question, answer, local_time, midnight, zone_of
from streams.archive.reader import CandleReader
from streams.console import models
from streams.console.errors import ApiError, UnavailableError
from streams.console.state import Console
from streams.prices.instruments import UnknownInstrumentError

_EARLIEST, _LATEST = date(1970, 1, 2), date(2199, 12, 31)
_AWAY = (DriverException, NoHostAvailable, OperationTimedOut, RequestExecutionException)


def read_candles(console: Console, query: models.CandleQuery) -> models.Candles:
    """GET /api/candles. ApiError for a range that is none, UnavailableError while Cassandra does not answer."""
    reader = console.archive
    if reader is None:
        raise UnavailableError("Cassandra does not answer, and the candles are there; see `./portfolio status`.")
    try:
        instrument = _instrument(console, reader, query.instrument)
        candles = answer(reader, _question(instrument, query), console.clock.now_us())[-query.limit :]
    except _AWAY as error:
        raise UnavailableError(
            f"Cassandra does not answer ({type(error).__name__}); see `./portfolio status`."
        ) from error
    zone = _zone(instrument)
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


def _zone(instrument: str) -> ZoneInfo:
    try:
        return zone_of(instrument)
    except UserError as error:
        raise ApiError(str(error)) from error


def _question(instrument: str, query: models.CandleQuery) -> Question:
    zone = _zone(instrument)
    since = instant("from", query.from_, zone, end=False)
    until = instant("to", query.to, zone, end=True)
    if since is not None and until is not None and since > until:
        raise ApiError("from lies after to.")
    return Question(instrument, query.interval, since, until)


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
        return midnight(day + timedelta(1), zone) - 1 if end else midnight(day, zone)
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=zone)
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _row(candle: Candle, zone: ZoneInfo) -> models.CandleRow:
    names = ("start_us", "open", "high", "low", "close", "volume", "complete", "gap", "revision", "source")
    values = {name: getattr(candle, name) for name in names}
    return models.CandleRow(
        **values, start=local_time(candle.start_us, zone).isoformat(), oi=candle.oi if candle.oi >= 0 else None
    )
