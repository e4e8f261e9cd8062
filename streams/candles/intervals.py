"""Longer intervals: folds of the minute, aligned to the session's opening (``schemas.calendar``). Pure.

A 60-minute candle of NSE starts at 09:15, 10:15, ...; ``1d`` is one candle at the opening of the local day. Trades
before the opening fall into intervals counted backwards from it, except in ``1d``, which has all of its day.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from schemas.calendar import INTERVALS, MINUTE_US, Calendar, calendar_of
from schemas.market import Candle

DAY_US = 1440 * MINUTE_US


def fold_intervals(minutes: Iterable[Candle], interval: str, *, known_until_us: int = 0) -> list[Candle]:
    """The candles of ``interval`` of one instrument's minute candles, in order of time.

    ``known_until_us``: market time until which the minutes are known. A longer candle is complete when all its
    minutes are and its end is known to have passed: by this time, or because a later minute exists.
    ValueError for an interval that there is none of; KeyError for an exchange without a calendar.
    """
    if interval not in INTERVALS:
        raise ValueError(f"there is no interval {interval!r}; there are {', '.join(INTERVALS)}")
    ordered = sorted(minutes, key=lambda candle: candle.start_us)
    if interval == "1m" or not ordered:
        return ordered
    here = calendar_of(ordered[0].instrument.partition(":")[0])
    known = max(known_until_us, ordered[-1].start_us + (MINUTE_US if ordered[-1].complete else 0))
    groups = groupby(ordered, key=lambda candle: here.candle_start(candle.start_us, interval))
    return [_folded(list(group), start, interval, _end(here, start, interval) <= known) for start, group in groups]


def _end(here: Calendar, start_us: int, interval: str) -> int:
    """When a candle can get no more trades: at its end, or at the close of the session that cuts it short."""
    session = here.session(here.day_of(start_us))
    end = start_us + (INTERVALS[interval] * MINUTE_US or DAY_US)
    if session is None or start_us >= session.close_us:
        return end
    return min(end, session.close_us)


def _folded(minutes: list[Candle], start_us: int, interval: str, ended: bool) -> Candle:
    first, last = minutes[0], minutes[-1]
    return Candle(
        instrument=first.instrument,
        interval=interval,
        start_us=start_us,
        open=first.open,
        high=max(candle.high for candle in minutes),
        low=min(candle.low for candle in minutes),
        close=last.close,
        volume=sum(candle.volume for candle in minutes),
        oi=last.oi,
        first=first.first,
        last=last.last,
        volume_from=first.volume_from,
        volume_to=max(candle.volume_to for candle in minutes),
        complete=ended and all(candle.complete for candle in minutes),
        gap=any(candle.gap for candle in minutes),
        revision=max(candle.revision for candle in minutes),
        source="ticks" if all(candle.source == "ticks" for candle in minutes) else "history",
    )
