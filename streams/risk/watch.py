"""What is at risk now, as points for people and algos, and which limits are broken.

:meth:`Watch.mark` looks at everything about twice a second. Values and sums are numpy columns, and only scopes whose
sums have changed since are gone into, so 1,000 algos with 100 instruments each take some tens of milliseconds.

A price that is not fresh, or not known any more, goes on being used, and its instruments are named; where none was
ever known what was paid counts. So nothing that is held is ever left out of a sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from schemas.orders import ACCOUNTS
from schemas.risk import Breach, RiskPoint, TradingState
from streams.risk import breaches
from streams.risk.book import Book
from streams.risk.day import trading_day
from streams.risk.days import Days
from streams.risk.market import Market
from streams.risk.points import LEAST_US, MOST_LINES, TOLD, Points
from streams.risk.uses import Uses


class Marked(NamedTuple):
    """What a look at everything has shown."""

    points: list[RiskPoint]
    breaches: list[Breach]  # new ones (``broken``), and those that are ``over``
    stale: tuple[str, ...]  # instruments held or pending whose price is not fresh


def mark(book: Book, market: Market, now_us: int, holds: Mapping[str, TradingState]) -> Marked:
    """One look at everything by itself; who looks again and again keeps a :class:`Watch`."""
    return Watch(book, market).mark(now_us, holds)


class Watch:
    """Looks at a book again and again. ``speed``: market seconds in a second of the wall, which paces the points."""

    def __init__(self, book: Book, market: Market, speed: float = 1.0, most_lines: int = MOST_LINES) -> None:
        self._book, self._market = book, market
        self._keep_every_us = int(LEAST_US * speed)
        self._uses = Uses(book)
        self._days = Days(book)
        self._points = Points(book, self._days, self._uses, speed, most_lines)
        self._version = -1
        self._kept_us = 0
        for account in ACCOUNTS:
            book.sums.levels["account"].number(account)

    def mark(self, now_us: int, holds: Mapping[str, TradingState]) -> Marked:
        """What is at risk now. The book's days and breaches are kept up to date; ``holds`` is what the brake holds."""
        book, days, today = self._book, self._days, trading_day(now_us)
        if today > days.today:
            days.begin(today)
            self._version = -1
        book.sums.reprice(self._market)
        days.meet_instruments()
        book.sums.revalue()
        if self._uses.refresh():
            self._version = -1  # other scopes may have to be watched now
        self._take_days(now_us)
        stale = self._stale()
        found = breaches.look(book, self._uses, days.today, now_us, stale)
        for breach in found:
            days.keep(breach.scope)
            self._points.changed.add(breach.scope)
        if now_us - self._kept_us >= self._keep_every_us:
            self._kept_us = now_us
            days.keep_instruments(now_us)
        return Marked(self._points.due(now_us, holds, frozenset(stale)), found, stale)

    def _take_days(self, now_us: int) -> None:
        sums = self._book.sums
        if self._version == sums.version:
            return
        self._version = sums.version
        for kind, level in sums.levels.items():
            if kind in TOLD or self._uses.has_losses(kind):
                for number, day in self._days.take(level, now_us):
                    self._uses.take_day(kind, number, day)
                    if kind in TOLD:
                        self._points.changed.add(day.scope)

    def _stale(self) -> tuple[str, ...]:
        level = self._book.sums.levels["instrument"]
        named = (level.names[number] for number in np.flatnonzero(level.instruments[: len(level)]))
        quotes = ((name, self._market.quote(name)) for name in named)
        return tuple(sorted(name for name, quote in quotes if quote is None or not quote.fresh))
