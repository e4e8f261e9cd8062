"""Candles of any past day and of the running one, from the same function as the ticks. Pure.

A minute's bar is what its ticks were made from, so open, high, low, close and volume are exactly theirs; open
interest is that of the minute's end. A minute in which nothing traded has no candle. Longer candles are folds of the
minutes, aligned to the session's open. An approximation: ``continuous`` is accepted and ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from producers.simulator.catalogue import Catalogue, Traits
from producers.simulator.derivatives import Month
from producers.simulator.market import Market
from producers.simulator.path import Bars, DayPath, Paths, minutes_of, previous_day, session_of
from schemas.calendar import MINUTE_US, Session, calendar_of

Column = NDArray[Any]
WIDTHS = {  # Kite's names of intervals: minutes (0: the session), and the longest range of one request in days
    "minute": (1, 60), "3minute": (3, 100), "5minute": (5, 100), "10minute": (10, 100), "15minute": (15, 200),
    "30minute": (30, 200), "60minute": (60, 400), "day": (0, 2000),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Candles of one day, columns ``(n,)``: starts in microseconds, prices in rupees, quantities in units."""

    start_us: Column
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    oi: Column

    def rows(self, keep: Column) -> Iterator[tuple[Any, ...]]:
        """Some of them as tuples, in the order of the fields."""
        names = ("start_us", "open", "high", "low", "close", "volume", "oi")
        return zip(*(getattr(self, name)[keep].tolist() for name in names), strict=True)


def listed_days(listed: Catalogue, row: int, first: date, last: date) -> Iterator[date]:
    """The trading days of an instrument in a range of dates."""
    expiry = listed.instruments[row].expiry
    if expiry:
        end = date.fromisoformat(expiry)
        first, last = max(first, Month(end.year, end.month).listed_from), min(last, end)
    while first <= last:
        if calendar_of("NSE").session(first) is not None:
            yield first
        first += timedelta(days=1)


def past_days(seed: int, traits: Traits, days: list[date], width: int) -> list[Candles]:
    """Whole days of the last of the traits, in candles of ``width`` minutes (0: one a day)."""
    made: dict[date, Candles] = {}
    for minutes, some in groupby(sorted(days, key=_minutes), key=_minutes):
        same = list(some)
        ordinals, before = (np.array([day.toordinal() for day in which]) for which in (same, map(previous_day, same)))
        blocks = traits.repeated(len(same))  # one column a day; the last block is the instrument's
        paths = Paths(seed, blocks, minutes, np.tile(ordinals, len(traits)), np.tile(before, len(traits)))
        bars = paths.bars(0, minutes)
        for column, day in enumerate(same, len(blocks) - len(same)):
            made[day] = _fold(paths, session_of(day), column, _rows(bars, column), width)
    return [made[day] for day in days]


def _minutes(day: date) -> int:
    return minutes_of(session_of(day))


def running_day(market: Market, traits: Traits, seed: int, row: int, width: int) -> Candles:
    """The market's day up to the step that it has reached."""
    path = DayPath(seed, traits, market.catalogue.day)
    bars = _rows(path.bars(0, market.moment.minute), -1)
    minute, step = market.minute, market.moment.step
    if minute is not None and (traded := minute.traded[: step + 1, row]).any():
        prices = minute.price[: step + 1, row][traded]
        volume = int(minute.volume[step, row]) - int(minute.volume_before[row])
        last = (minute.number, prices[0], prices.max(), prices.min(), prices[-1], volume)
        bars = np.concatenate((bars, np.array([last], np.int64)))
    return _fold(path, path.session, -1, bars, width)


def _rows(bars: Bars, column: int) -> Column:
    """The active minutes of a column: rows of minute, open, high, low, close, volume, in ticks and lots."""
    minutes = np.flatnonzero(bars.active[:, column])
    columns = (getattr(bars, name)[minutes, column] for name in ("open", "high", "low", "close", "volume"))
    return np.stack((minutes, *columns), axis=1).astype(np.int64)


def _fold(paths: Paths, session: Session, column: int, bars: Column, width: int) -> Candles:
    minutes = bars[:, 0]
    group = minutes // width if width else np.zeros_like(minutes)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    if not len(starts):
        return Candles(*(np.empty(0) for _ in range(7)))
    ends = np.append(starts[1:], len(bars)) - 1
    scale, lot = float(paths.traits.tick[column]) / 100.0, int(paths.traits.lot[column])
    return Candles(
        start_us=session.open_us + group[starts] * max(1, width) * MINUTE_US,
        open=np.round(bars[starts, 1] * scale, 2),
        high=np.round(np.maximum.reduceat(bars[:, 2], starts) * scale, 2),
        low=np.round(np.minimum.reduceat(bars[:, 3], starts) * scale, 2),
        close=np.round(bars[ends, 4] * scale, 2),
        volume=np.add.reduceat(bars[:, 5], starts) * lot,
        oi=paths.oi(minutes[ends], column) * lot,
    )
