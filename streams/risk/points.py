"""Risk points: what is told of a scope, and when.

A scope is told of once a second while something changes, else once a minute; the platform and the accounts always, an
algo while it holds something or did something today. Each algo's point has its instruments, so points cost more than
all reckoning: one mark tells no more than so many lines, and who had no room comes first with the next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

import numpy as np

from schemas.orders import Product
from schemas.risk import LimitUse, RiskPart, RiskPoint, TradingState
from streams.risk.book import Book
from streams.risk.days import Days
from streams.risk.paces import who
from streams.risk.scopes import PLATFORM, Kind
from streams.risk.sums import PAISE
from streams.risk.uses import Uses

SECOND_US = 1_000_000
EVERY_US = SECOND_US  # of the wall's time, between two points of a scope in which something has changed
LEAST_US = 60 * SECOND_US  # and in which nothing has
MOST_LINES = 2500  # parts and uses in the points of one mark
TOLD: tuple[Kind, ...] = ("platform", "account", "algo")  # kinds of scopes that have points
FIGURES = ("quantity", "average", "money", "realised", "open", "charges")


class Points:
    """What was told of a book's scopes, and what is to be told next."""

    def __init__(self, book: Book, days: Days, uses: Uses, speed: float, most_lines: int) -> None:
        self._book, self._days, self._uses = book, days, uses
        self._every_us, self._least_us, self._most_lines = int(EVERY_US * speed), int(LEAST_US * speed), most_lines
        self._told: dict[str, tuple[int, TradingState, int]] = {}  # when, state and orders then
        self.changed: set[str] = set()  # scopes of which something else has changed since

    def due(self, now_us: int, holds: Mapping[str, TradingState], stale: Collection[str]) -> list[RiskPoint]:
        """The points to be told now."""
        waiting: list[tuple[bool, int, Kind, int, str, TradingState]] = []
        for kind in TOLD:
            level = self._book.sums.levels[kind]
            for number in range(len(level)):
                scope = level.scopes[number]
                state = self._state(kind, level.names[number], scope, holds)
                last_us = self._due_since(kind, number, scope, state, now_us)
                if last_us is not None:
                    waiting.append((kind == "algo", last_us, kind, number, scope, state))
        points: list[RiskPoint] = []
        lines = 0
        for is_algo, _, kind, number, scope, state in sorted(waiting):
            if is_algo and lines >= self._most_lines:
                break
            point = self._point(kind, number, scope, state, now_us, stale)
            lines += 1 + len(point.parts) + len(point.uses)
            points.append(point)
        return points

    def _due_since(self, kind: Kind, number: int, scope: str, state: TradingState, now_us: int) -> int | None:
        """When it was told of last, if it is to be told of now."""
        orders = self._book.orders_on(scope, self._days.today)
        last_us, *before = self._told.get(scope, (0, "", -1))
        is_changed = scope in self.changed or before != [state, orders]
        if now_us - last_us < (self._every_us if is_changed else self._least_us):
            return None
        return last_us if kind != "algo" or orders or is_changed or self._lives(number, scope) else None

    def _lives(self, number: int, scope: str) -> bool:
        """Whether an algo holds something, has made or lost something today, or is held back."""
        level, known = self._book.sums.levels["algo"], self._book.states.get(scope)
        if level.instruments[number] or (known is not None and known.state != "ACTIVE"):
            return True
        return any(level.sum(name)[number] for name in ("realised", "charges", "open"))

    def _state(self, kind: Kind, name: str, scope: str, holds: Mapping[str, TradingState]) -> TradingState:
        scopes = {PLATFORM, scope}
        if kind == "algo":
            scopes.update(*(who(account, name) for account in self._uses.accounts_of(name)))
        return self._book.state_of(scopes, holds)[0]

    def _point(
        self, kind: Kind, number: int, scope: str, state: TradingState, now_us: int, stale: Collection[str]
    ) -> RiskPoint:
        day, level = self._days.keep(scope), self._book.sums.levels[kind]
        self._told[scope] = now_us, state, day.orders
        self.changed.discard(scope)
        money, notional = (float(level.sum(name)[number]) / PAISE for name in ("money", "notional"))
        return RiskPoint(
            scope, now_us, day.day, state, money, day.day_max, day.day_max_us, day.previous_max, day.realised, day.open,
            day.charges, day.drawdown, day.drawdown_all_time, notional, int(level.instruments[number]), day.orders,
            self._parts(number, stale) if kind == "algo" else [], self._uses_in(kind, number, now_us),
        )  # fmt: skip

    def _parts(self, run: int, stale: Collection[str]) -> list[RiskPart]:
        """An algo's instruments that are held or pending, or were today."""
        sums = self._book.sums
        rows = np.flatnonzero(sums.levels["algo"].of_row[: len(sums.keys)] == run)
        told = [sums.columns[name][rows] != 0 for name in ("position", "realised", "charges", "open")]
        return [self._part(row, stale) for row in rows[np.logical_or.reduce(told)].tolist()]

    def _part(self, row: int, stale: Collection[str]) -> RiskPart:
        sums = self._book.sums
        account, run, instrument, product = key = sums.keys[row]
        price = sums.price_of(row)
        quantity, average, *paise = (float(sums.columns[name][row]) for name in FIGURES)
        money, realised, opened, charges = (figure / PAISE for figure in paise)
        covered = buy = sell = 0
        if not sums.plain[row]:
            exposed = self._book.exposure(key, price)
            covered, buy, sell = exposed.covered, exposed.pending_buy, exposed.pending_sell
        return RiskPart(
            account, run, instrument, cast(Product, product), int(quantity), average, price, covered, buy, sell, money,
            realised, opened, charges, instrument not in stale,
        )  # fmt: skip

    def _uses_in(self, kind: Kind, number: int, now_us: int) -> list[LimitUse]:
        """Of its own limits; an algo's point has those of its instruments too, the platform's those of instruments."""
        today, levels = self._days.today, self._book.sums.levels
        uses = self._uses.all_of(kind, number, now_us, today)
        if kind == "algo" and self._uses.names("algo/instrument"):
            level, run = levels["algo/instrument"], levels["algo"].names[number]
            pairs = sorted({(run, key[2]) for key in self._book.keys_of(run=run)})
            inside = [level.number_of[pair] for pair in pairs if pair in level.number_of]
        elif kind == "platform" and self._uses.names("instrument"):
            level = levels["instrument"]
            inside = list(range(len(level)))
        else:
            return uses
        for one in inside:
            if level.instruments[one]:
                uses += self._uses.all_of(level.kind, one, now_us, today)
        return uses
