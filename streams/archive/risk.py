"""Risk by trading day in Cassandra: what a scope had at risk and made on each day, and minute by minute.

Blocks: call it in a thread where that matters. The driver's exceptions go to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from cassandra.cluster import Session
from cassandra.query import Statement

from schemas.calendar import MINUTE_US
from schemas.risk import RiskPoint
from streams.archive.queries import Queries

LAST_DAY = date(2999, 1, 1)
MOST_KNOWN = 100_000  # scope-days whose largest drawdown the writer remembers


@dataclass(frozen=True, slots=True)
class RiskDay:
    """A scope's trading day as its last point left it. Money in rupees; profit and loss is of the day."""

    scope: str
    day: str  # ISO date
    at_us: int  # of the last point
    state: str
    day_max: float  # the largest money at risk
    day_max_us: int
    previous_max: float  # of the trading day before
    realised: float  # before charges
    open: float
    charges: float
    drawdown: float  # at the last point, from the day's peak
    drawdown_all_time: float
    drawdown_max: float  # the day's largest
    drawdown_max_us: int
    notional: float
    open_positions: int
    orders: int

    @property
    def profit(self) -> float:
        """After charges."""
        return self.realised + self.open - self.charges

    @property
    def peak(self) -> float:
        """The day's highest profit."""
        return self.profit + self.drawdown

    @property
    def change(self) -> float:
        """How much larger the largest money at risk was than the day before."""
        return self.day_max - self.previous_max


@dataclass(frozen=True, slots=True)
class RiskMinute:
    """The last point of a minute."""

    at_us: int
    state: str
    money_at_risk: float
    realised: float
    open: float
    charges: float
    drawdown: float
    drawdown_all_time: float
    notional: float
    open_positions: int
    orders: int

    @property
    def profit(self) -> float:
        """After charges."""
        return self.realised + self.open - self.charges


class RiskWriter:
    """Stores risk points: of each minute the last, and what the day comes to. Any order, any repetition."""

    def __init__(self, session: Session) -> None:
        self._queries = Queries(session)
        self._drawdowns: dict[tuple[str, str], float] = {}

    def write(self, points: Iterable[RiskPoint]) -> None:
        """Stores these; returns when all is durable. May be called again with the same after an error."""
        ordered = sorted(points, key=_at)
        days = {(point.scope, point.day): point for point in ordered}
        minutes = {(point.scope, point.day, point.at_us // MINUTE_US): point for point in ordered}
        worst = self._worst(ordered)
        self._queries.run_all(self._rows(days.values(), minutes.values(), worst.values()))
        self._drawdowns |= {where: point.drawdown for where, point in worst.items()}
        if len(self._drawdowns) > MOST_KNOWN:
            self._drawdowns.clear()  # to write one again does no harm

    def _worst(self, points: Iterable[RiskPoint]) -> dict[tuple[str, str], RiskPoint]:
        """The points with the largest drawdown of each scope and day, where it is larger than what was stored."""
        worst: dict[tuple[str, str], RiskPoint] = {}
        for point in points:
            where = point.scope, point.day
            known = worst[where].drawdown if where in worst else self._drawdowns.get(where, -1.0)
            if point.drawdown > known:
                worst[where] = point
        return worst

    def _rows(
        self, days: Iterable[RiskPoint], minutes: Iterable[RiskPoint], worst: Iterable[RiskPoint]
    ) -> Iterator[Statement]:
        put_day, put_minute = self._queries["put_risk_day"], self._queries["put_risk_minute"]
        put_drawdown = self._queries["put_risk_drawdown"]
        for p in days:
            yield put_day.bind(
                (p.scope, p.day, p.at_us, p.state, p.day_max, p.day_max_us, p.previous_max, p.realised, p.open,
                 p.charges, p.drawdown, p.drawdown_all_time, p.notional, p.open_positions, p.orders, p.at_us)
            )  # fmt: skip
        for p in minutes:
            minute_us = p.at_us // MINUTE_US * MINUTE_US
            yield put_minute.bind(
                (p.scope, p.day, minute_us, p.at_us, p.state, p.money_at_risk, p.realised, p.open, p.charges,
                 p.drawdown, p.drawdown_all_time, p.notional, p.open_positions, p.orders, p.at_us)
            )  # fmt: skip
        for p in worst:
            yield put_drawdown.bind((p.scope, p.day, p.drawdown, p.at_us, round(p.drawdown * 100)))


class RiskReader:
    """Reads what was stored."""

    def __init__(self, session: Session) -> None:
        self._queries = Queries(session)

    def days(self, scope: str, count: int, until: date = LAST_DAY) -> list[RiskDay]:
        """The last trading days of a scope, up to one; in order."""
        found = self._queries.run("risk_days", scope, until, count)
        return [_day(scope, row) for row in found if row[1] is not None][::-1]

    def points(self, scope: str, day: date) -> list[RiskMinute]:
        """The minutes of a trading day, in order."""
        return [RiskMinute(*row) for row in self._queries.run("risk_minutes", scope, day)]

    def scopes(self) -> list[str]:
        """All scopes of which there are days."""
        return sorted(scope for (scope,) in self._queries.run("risk_scopes"))


def _day(scope: str, row: tuple[Any, ...]) -> RiskDay:
    values: list[Any] = [0 if value is None else value for value in row[1:]]
    return RiskDay(scope, row[0].date().isoformat(), *values)


def _at(point: RiskPoint) -> int:
    return point.at_us
