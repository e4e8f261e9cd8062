"""How much of each limit is used, and which are broken, for all scopes at once.

Bounds are in rupees, shares or counts: percents are turned into rupees of capital. A percentage without a capital
bounds nothing here; the judge refuses what it would have to be reckoned for.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isfinite
from typing import NamedTuple, get_args

import numpy as np

from schemas.risk import Limit, LimitName, LimitUse
from streams.risk.book import Book
from streams.risk.day import Day
from streams.risk.levels import KINDS, Column, name_of, with_room
from streams.risk.scopes import Kind, parse_scope
from streams.risk.sums import PAISE

LOSSES: tuple[LimitName, ...] = ("drawdown", "drawdown-all-time", "daily-loss")  # broken when reached
WATCHED: tuple[LimitName, ...] = (
    "money-at-risk", *LOSSES, "position", "notional", "open-positions", "orders-per-day",
)  # fmt: skip


class Use(NamedTuple):
    """How much of a limit is used in a scope."""

    scope: str
    limit: Limit
    bound: float
    used: float

    @property
    def is_broken(self) -> bool:
        """Whether it is used up: losses when they reach the value, all else when it is above."""
        return self.used >= self.bound if self.limit.limit in LOSSES else self.used > self.bound

    def in_units(self) -> LimitUse:
        """The same in the limit's own unit."""
        limit, used = self.limit, self.used
        if limit.unit == "percent":
            used = used / self.bound * limit.value if isfinite(self.bound) and self.bound > 0 else 0.0
        return LimitUse(self.scope, limit.limit, limit.value, used, limit.unit, limit.action)


class Uses:
    """The uses of a book's limits; its sums are settled before."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._limits: dict[tuple[str, str], Limit] = {}
        self._kinds: dict[Kind, tuple[LimitName, ...]] = {}  # which limits there are at all for scopes of a kind
        self._bounds: dict[tuple[Kind, str], Column] = {}
        self._losses: dict[Kind, Column] = {kind: np.zeros((0, len(LOSSES))) for kind in KINDS}
        self._accounts: dict[str, set[str]] = {}  # by run, those in which it trades
        self._rows = 0

    def refresh(self) -> bool:
        """Looks at new scopes, and whether there are other limits than before."""
        is_other = self._book.limits != self._limits
        if is_other:
            self._limits = dict(self._book.limits)
            self._bounds = {}
            standing = [limit for limit in self._limits.values() if not limit.removed]
            forms = {(parse_scope(limit.scope).kind, limit.limit) for limit in standing}
            self._kinds = {kind: tuple(name for name in get_args(LimitName) if (kind, name) in forms) for kind in KINDS}
        for account, run, _, _ in self._book.sums.keys[self._rows :]:
            known = self._accounts.setdefault(run, set())
            if account not in known:
                known.add(account)
                if len(known) > 1:
                    self._bounds = {}
        self._rows = len(self._book.sums.keys)
        return is_other

    def names(self, kind: Kind) -> tuple[LimitName, ...]:
        """The limits that there are for scopes of a kind."""
        return self._kinds.get(kind, ())

    def accounts_of(self, run: str) -> set[str]:
        """The accounts in which a run trades."""
        return self._accounts.get(run, set())

    def has_losses(self, kind: Kind) -> bool:
        """Whether profit and loss of scopes of a kind has to be watched."""
        return any(name in LOSSES for name in self.names(kind))

    def take_day(self, kind: Kind, number: int, day: Day) -> None:
        """A scope's day is this now."""
        losses = self._losses[kind]
        if number >= len(losses):
            losses = self._losses[kind] = with_room(losses, number)
        losses[number] = day.drawdown, day.drawdown_all_time, max(0.0, -day.profit)

    def broken(self, today: str) -> Iterator[Use]:
        """All that are broken."""
        levels = self._book.sums.levels
        for kind in KINDS:
            for name in self.names(kind):
                if name not in WATCHED or not len(levels[kind]):
                    continue
                used, bounds = self._used_all(kind, name, today), self._bounds_of(kind, name)
                over = used >= bounds if name in LOSSES else used > bounds
                for number in np.flatnonzero(over):
                    if found := self._use(kind, int(number), name, float(used[number])):
                        yield found

    def of(self, scope: str, name: str, today: str) -> Use | None:
        """The use of a limit in a scope; None where there is no such limit."""
        where = parse_scope(scope)
        number = self._book.sums.levels[where.kind].number_of.get(name_of(where))
        if number is None or name not in WATCHED:
            return None
        return self._use(where.kind, number, name, self._used(where.kind, number, name, today))

    def all_of(self, kind: Kind, number: int, now_us: int, today: str) -> list[LimitUse]:
        """The uses of all limits that hold in a scope, in the limits' own units."""
        found = []
        for name in self.names(kind):
            if name == "orders-per-second":
                scope = self._book.sums.levels[kind].scopes[number]
                if limit := self._book.limit(scope, name):
                    found.append(Use(scope, limit, limit.value, self._book.paces.in_second(scope, now_us)).in_units())
            elif name in WATCHED and (use := self._use(kind, number, name, self._used(kind, number, name, today))):
                found.append(use.in_units())
        return found

    def _use(self, kind: Kind, number: int, name: LimitName, used: float) -> Use | None:
        scope = self._book.sums.levels[kind].scopes[number]
        limit = self._book.limit(scope, name)
        return Use(scope, limit, self._bound(scope, limit), used) if limit else None

    def _bounds_of(self, kind: Kind, name: LimitName) -> Column:
        level = self._book.sums.levels[kind]
        known = self._bounds.get((kind, name), np.zeros(0))
        if len(known) < len(level):
            scopes = [level.scopes[number] for number in range(len(known), len(level))]
            limits = [(scope, self._book.limit(scope, name)) for scope in scopes]
            more = [self._bound(scope, limit) if limit else inf for scope, limit in limits]
            known = self._bounds[kind, name] = np.concatenate([known, np.array(more)])
        return known

    def _bound(self, scope: str, limit: Limit) -> float:
        if limit.unit != "percent":
            return limit.value
        capitals = [self._book.capital(scope, account) for account in self._capitals_of(scope)]
        return min((capital * limit.value / 100.0 for capital in capitals if capital), default=inf)

    def _capitals_of(self, scope: str) -> set[str]:
        """The accounts whose capital a percentage is of; where there are two the smaller counts."""
        where = parse_scope(scope)
        if where.account is not None:
            return {where.account}
        return self._accounts.get(where.run, {""}) if where.run is not None else {""}

    def _used_all(self, kind: Kind, name: LimitName, today: str) -> Column:
        sums, count = self._book.sums, len(self._book.sums.levels[kind])
        match name:
            case "money-at-risk":
                return sums.levels[kind].sum("money") / PAISE
            case "notional":
                return sums.levels[kind].sum("notional") / PAISE
            case "open-positions":
                return sums.levels[kind].instruments[:count]
            case "position":
                return sums.most_shares(kind)
            case "orders-per-day":
                return np.array([float(self._used(kind, number, name, today)) for number in range(count)])
        losses = self._losses[kind] = with_room(self._losses[kind], count)
        return losses[:count, LOSSES.index(name)]

    def _used(self, kind: Kind, number: int, name: str, today: str) -> float:
        sums = self._book.sums
        level = sums.levels[kind]
        match name:
            case "money-at-risk" | "notional":
                return float(level.sum("money" if name == "money-at-risk" else "notional")[number]) / PAISE
            case "open-positions":
                return float(level.instruments[number])
            case "position":
                return self._most_shares(kind, number)
            case "orders-per-day":
                return self._book.orders_on(level.scopes[number], today)
        losses = self._losses[kind]
        return float(losses[number, LOSSES.index(name)]) if number < len(losses) else 0.0

    def _most_shares(self, kind: Kind, number: int) -> float:
        sums = self._book.sums
        rows = np.flatnonzero(sums.levels[kind].of_row[: len(sums.keys)] == number)
        if not len(rows):
            return 0.0
        return float(np.bincount(sums.levels["instrument"].of_row[rows], sums.columns["position"][rows]).max())
