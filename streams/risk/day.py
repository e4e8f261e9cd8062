"""A scope's trading day: the most that was at risk on it, the peaks of profit and loss, the orders. Pure.

The day is NSE's, in market time: the local date, and on a day without a session the last one that had one. So a
weekend still belongs to Friday, and a new day begins at midnight before a session.

Profit and loss is ``realised + open - charges``. All three are kept as totals since the first order; what they were
when the day began is taken off to have those of the day. Peaks begin at 0: who only loses has his whole loss as
drawdown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from schemas.calendar import calendar_of

EXCHANGE = "NSE"


class Totals(NamedTuple):
    """What a scope has made since the first order and has at risk now, in rupees."""

    money_at_risk: float = 0.0
    realised: float = 0.0  # before charges
    open: float = 0.0
    charges: float = 0.0

    @property
    def profit(self) -> float:
        """After charges."""
        return self.realised + self.open - self.charges


@dataclass(frozen=True, slots=True)
class Day:
    """What is kept of a scope's trading day. Money in rupees.

    ``orders`` is counted where verdicts are folded (:func:`count_order`), everything else where prices are looked at
    (:func:`take_mark`).
    """

    scope: str
    day: str  # ISO date, the exchange's
    at_us: int = 0  # of the last mark
    day_max: float = 0.0  # the largest money at risk
    day_max_us: int = 0
    previous_day: str = ""  # the last trading day before on which the scope was looked at
    previous_max: float = 0.0
    realised: float = 0.0  # totals at the last mark
    open: float = 0.0
    charges: float = 0.0
    realised_before: float = 0.0  # totals when the day began
    open_before: float = 0.0
    charges_before: float = 0.0
    peak: float = 0.0  # the day's highest profit
    all_time_peak: float = 0.0  # the highest that the total profit ever was
    drawdown_max: float = 0.0  # the day's largest distance from its peak
    orders: int = 0  # approved today
    price: float = 0.0  # of an instrument's scope: the last that was seen, so that a restart knows one

    @property
    def total_profit(self) -> float:
        """Since the first order."""
        return self.realised + self.open - self.charges

    @property
    def profit(self) -> float:
        """The day's, after charges."""
        return self.total_profit - (self.realised_before + self.open_before - self.charges_before)

    @property
    def drawdown(self) -> float:
        """From the day's peak, never negative."""
        return max(0.0, self.peak - self.profit)

    @property
    def drawdown_all_time(self) -> float:
        """From the highest ever, never negative."""
        return max(0.0, self.all_time_peak - self.total_profit)


def trading_day(at_us: int) -> str:
    """The trading day of an instant, as ISO date."""
    return _session_day(calendar_of(EXCHANGE).day_of(at_us))


@lru_cache(maxsize=1024)
def _session_day(day: date) -> str:
    calendar = calendar_of(EXCHANGE)
    with_session = (back for n in range(30) if calendar.session(back := day - timedelta(n)))
    return next(with_session, day).isoformat()


def first_day(scope: str, today: str) -> Day:
    """The day of a scope that nothing is known of."""
    return Day(scope, today)


def roll(day: Day, today: str) -> Day:
    """The same scope's day ``today``: the totals of the last mark are those it begins with. Days never go back."""
    if today <= day.day:
        return day
    return Day(
        day.scope, today, at_us=day.at_us, previous_day=day.day, previous_max=day.day_max,
        realised=day.realised, open=day.open, charges=day.charges,
        realised_before=day.realised, open_before=day.open, charges_before=day.charges,
        all_time_peak=day.all_time_peak, price=day.price,
    )  # fmt: skip


def count_order(day: Day, today: str) -> Day:
    """One more order was approved on the trading day ``today``; one of a day that is over changes nothing."""
    rolled = roll(day, today)
    return replace(rolled, orders=rolled.orders + 1) if rolled.day == today else rolled


def take_mark(day: Day, totals: Totals, at_us: int) -> Day:
    """The day (already rolled) after a look at the market; the same object when nothing has changed.

    The maxima and peaks are those of all marks, however many there were and however they were spread.
    """
    higher = totals.money_at_risk > day.day_max
    seen = (totals.realised, totals.open, totals.charges)
    if not higher and seen == (day.realised, day.open, day.charges):
        return day
    before = day.realised_before + day.open_before - day.charges_before
    profit = totals.profit - before
    peak = max(day.peak, profit)
    return replace(
        day, at_us=at_us,
        day_max=totals.money_at_risk if higher else day.day_max, day_max_us=at_us if higher else day.day_max_us,
        realised=totals.realised, open=totals.open, charges=totals.charges,
        peak=peak, all_time_peak=max(day.all_time_peak, totals.profit),
        drawdown_max=max(day.drawdown_max, peak - profit),
    )  # fmt: skip
