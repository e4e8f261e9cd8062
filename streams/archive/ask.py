"""What a person asks of the archive: an instrument, an interval, from when to when. Checked, then read and folded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from infra.errors import UserError
from schemas.calendar import INTERVALS, MINUTE_US, calendar_of
from schemas.market import Candle
from streams.archive.days import day_of
from streams.archive.reader import CandleReader
from streams.candles.intervals import fold_intervals

DAYS_SHOWN = 60  # of daily candles, when no range was asked for


@dataclass(frozen=True, slots=True)
class Question:
    """Candles of ``instrument`` that start in [from, to]; None: no such limit."""

    instrument: str
    interval: str
    from_us: int | None
    to_us: int | None


def zone_of(instrument: str) -> ZoneInfo:
    """The time zone of an instrument's exchange. UserError when the calendar has no such exchange."""
    exchange = instrument.partition(":")[0]
    try:
        return calendar_of(exchange).zone
    except KeyError:
        raise UserError(f"No exchange is called {exchange!r}: add it to schemas/calendar.toml if there is.") from None


def question(instrument: str, interval: str, since: str = "", until: str = "") -> Question:
    """Checks what was asked. UserError says what is wrong with it."""
    if interval not in INTERVALS:
        raise UserError(f"There is no interval {interval!r}; there are {', '.join(INTERVALS)}.")
    zone = zone_of(instrument)
    from_us, to_us = _instant("--from", since, zone, end=False), _instant("--to", until, zone, end=True)
    if from_us is not None and to_us is not None and from_us > to_us:
        raise UserError(f"--from {since} lies after --to {until}: exchange them.")
    return Question(instrument, interval, from_us, to_us)


def _instant(option: str, text: str, zone: ZoneInfo, *, end: bool) -> int | None:
    """Microseconds of an ISO date (its first or, with ``end``, its last instant) or date and time."""
    text = text.strip()
    if not text:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            return midnight(day + timedelta(1), zone) - 1 if end else midnight(day, zone)
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()) * 1_000_000
    except (ValueError, OverflowError):
        raise UserError(
            f"{option} {text!r} is no time; write 2026-11-20 or 2026-11-20T10:15, which is the exchange's own time, "
            "or with an offset 2026-11-20T10:15+05:30."
        ) from None


def midnight(day: date, zone: ZoneInfo) -> int:
    """The first microsecond of a local day."""
    return int(datetime.combine(day, time(), zone).timestamp()) * 1_000_000


def answer(reader: CandleReader, asked: Question, now_us: int) -> list[Candle]:
    """The candles. Without a range: the last day that has any (of ``1d``: the last 60 days).

    Whole days are read, so that a longer candle at the edge of the range is a whole one. ``now_us``: market time.
    """
    zone = zone_of(asked.instrument)
    if asked.from_us is None and asked.to_us is None:
        days = reader.latest_days(asked.instrument, DAYS_SHOWN if asked.interval == "1d" else 1)
    else:
        first = date.min if asked.from_us is None else day_of(asked.instrument, asked.from_us)
        last = date.max if asked.to_us is None else day_of(asked.instrument, asked.to_us)
        days = reader.days(asked.instrument, first, last)
    if not days:
        return []
    minutes = reader.candles(asked.instrument, midnight(days[0], zone), midnight(days[-1] + timedelta(1), zone) - 1)
    folded = fold_intervals(minutes, asked.interval, known_until_us=now_us - MINUTE_US)
    low = asked.from_us if asked.from_us is not None else 0
    high = asked.to_us if asked.to_us is not None else 1 << 62
    return [candle for candle in folded if low <= candle.start_us <= high]


def local_time(us: int, zone: ZoneInfo) -> datetime:
    """An instant as the exchange's clocks show it."""
    return datetime.fromtimestamp(us // 1_000_000, UTC).astimezone(zone)
