"""Reads stored one-minute candles, in ranges for people and day by day for the stream that merges with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from cassandra.cluster import Session
from cassandra.util import Date

from schemas.market import Candle
from streams.archive.days import day_of
from streams.archive.queries import Queries

PAGE = 8  # candles read of a day at first: those that a restarted worker touches again, and the one before


class CandleReader:
    """Reads. Blocks: call it in a thread where that matters. The driver's exceptions go to the caller."""

    def __init__(self, session: Session) -> None:
        self._queries = Queries(session)

    def days(self, instrument: str, first: date = date.min, last: date = date.max) -> list[date]:
        """The days on which there are candles, in order."""
        low, high = max(first, date(1900, 1, 1)), min(last, date(2999, 1, 1))
        return [_date(day) for (day,) in self._queries.run("days", instrument, low, high)]

    def latest_days(self, instrument: str, count: int) -> list[date]:
        """The last days with candles, in order."""
        return [_date(day) for (day,) in self._queries.run("latest_days", instrument, count)][::-1]

    def candles(self, instrument: str, from_us: int, to_us: int) -> list[Candle]:
        """The candles that start in ``[from_us, to_us]``, in order."""
        days = self.days(instrument, day_of(instrument, from_us), day_of(instrument, to_us))
        read = self._queries["candles"]
        found = self._queries.run_all([read.bind((instrument, day, from_us, to_us)) for day in days])
        return [_candle(instrument, row) for rows in found for row in rows or ()]

    def open_days(self, ticks_partition: int) -> list[tuple[str, date]]:
        """The instrument-days of a ticks partition that may have open candles."""
        return [(name, _date(day)) for name, day in self._queries.run("open_days", ticks_partition)]

    def newest(self, wanted: Sequence[tuple[str, date, int, int]]) -> list[tuple[list[Candle], int]]:
        """The newest candles of instrument-days, for each (instrument, day, at or before, back to).

        Each answer has all candles from some time on, at least from "back to" and the one before it, and that
        time: the start of the first, or 0 when there are none before.
        """
        read = self._queries["newest_candles"]
        pages = self._queries.run_all([read.bind((name, day, until, PAGE)) for name, day, until, _ in wanted])
        answers = []
        for (name, day, _, back_to), rows in zip(wanted, pages, strict=True):
            candles = [_candle(name, row) for row in rows or ()]
            full = len(candles) == PAGE
            if full and candles[-1].start_us >= back_to:
                all_before = self._queries.run("newest_candles", name, day, candles[-1].start_us - 1, 100_000)
                candles += [_candle(name, row) for row in all_before]
                full = False
            answers.append((candles, candles[-1].start_us if full else 0))
        return answers


def _candle(instrument: str, row: Sequence[Any]) -> Candle:
    """A row of the columns that both statements select, in their order."""
    start_us, opened, high, low, close, volume, oi, first, last, *rest = row
    return Candle(instrument, "1m", start_us, opened, high, low, close, volume, oi, tuple(first), tuple(last), *rest)


def _date(day: Date) -> date:
    return day.date()  # type: ignore[no-any-return]
