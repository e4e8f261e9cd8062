"""The trading days of all scopes, as the sums change; and the prices with which instruments begin them.

Newer than the book's: that gets a day whenever a point of it is told (:meth:`Days.keep`), so that its tables do not
change with every tick. After a kill the days go on from what was told last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streams.risk.book import Book
from streams.risk.day import Day, Totals, day_start_us, roll, take_mark, take_price
from streams.risk.levels import Column, Level
from streams.risk.scopes import Kind, parse_scope
from streams.risk.sums import PAISE

IN_DAY = ("money", "realised", "open", "charges", "total")
INSTRUMENT = "instrument:"


class Days:
    """The days of a book's scopes."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.today = ""
        self._days: dict[str, Day] = {}
        self._seen: dict[Kind, Column] = {}  # the sums that the days were made of

    def begin(self, today: str) -> None:
        """A new trading day, or the first look: what is carried into a day counts at the last price before it."""
        book, sums, is_first = self._book, self._book.sums, not self.today
        numbers = sums.levels["instrument"].number_of
        for scope in {scope for scope in (*book.days, *self._days) if scope.startswith(INSTRUMENT)}:
            day = self._days.get(scope) or book.days[scope]
            number = numbers.get(parse_scope(scope).instrument)
            if number is not None and not is_first and sums.prices[number] > 0:
                day = replace(day, price=float(sums.prices[number]))
            self._days[scope] = roll(day, today)
            self.keep(scope)
        self.today, self._seen = today, {}
        sums.begin_day(day_start_us(today))

    def of(self, scope: str) -> Day:
        """A scope's day, today's."""
        return roll(self._days.get(scope) or self._book.days.get(scope) or Day(scope, self.today), self.today)

    def meet_instruments(self) -> None:
        """Tells the sums with which prices instruments began the day, as soon as that is known."""
        sums = self._book.sums
        names = sums.levels["instrument"].names
        for number in np.flatnonzero(sums.firsts[: len(names)] == 0):
            day, price = self.of(f"{INSTRUMENT}{names[number]}"), float(sums.prices[number])
            if price > 0:
                day = self._days[day.scope] = take_price(day, price, day.at_us)
            if day.price > 0:
                sums.know_price(names[number], day.price, day.price_before or day.price)

    def take(self, level: Level, now_us: int) -> Iterator[tuple[int, Day]]:
        """The days of those scopes of a kind whose sums have changed, by number."""
        sums = np.stack([level.sum(name) for name in (*IN_DAY, "notional")], 1)
        seen = self._seen.get(level.kind, sums[:0])
        self._seen[level.kind] = sums
        changed = np.flatnonzero((sums[: len(seen)] != seen).any(1)).tolist()
        for number in (*changed, *range(len(seen), len(sums))):
            totals = Totals(*(sums[number, : len(IN_DAY)] / PAISE).tolist())
            scope = level.scopes[number]
            day = self._days[scope] = take_mark(self.of(scope), totals, now_us)
            yield number, day

    def keep(self, scope: str) -> Day:
        """The book has a scope's day as it is here."""
        day = self._days.get(scope) or self.of(scope)
        self._days[scope] = day = replace(day, orders=self._book.orders_on(scope, day.day))
        if day != self._book.days.get(scope):
            self._book.put_day(day)
        return day

    def keep_instruments(self, now_us: int) -> None:
        """The book has the prices of what is held or pending, and the losses of instruments where there are any."""
        sums = self._book.sums
        level = sums.levels["instrument"]
        for number in np.flatnonzero(level.instruments[: len(level)]):
            scope = level.scopes[number]
            if (price := float(sums.prices[number])) > 0:
                self._days[scope] = take_price(self.of(scope), price, now_us)
            self.keep(scope)
