"""A scope's trading day: the most that was at risk on it, the peaks of profit and loss, the orders. Pure.

The day is NSE's, in market time: the local date, and on a day without a session the last one that had one. So a
weekend still belongs to Friday, and a new day begins at midnight before a session.

Profit and loss is ``realised + open - charges``. That of the day counts what was carried into it at the last price of
the day before. Peaks begin at 0: who only loses has his whole loss as drawdown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from schemas.calendar import calendar_of

EXCHANGE = "NSE"


class Totals(NamedTuple):
    """What a scope has at risk now and what it has made, in rupees."""

    money_at_risk: float = 0.0
    realised: float = 0.0  # today, before charges
    open: float = 0.0  # today
    charges: float = 0.0  # today
    total: float = 0.0  # profit since the first order, after charges

    @property
    def profit(self) -> float:
        """The day's, after charges."""
        return self.realised + self.open - self.charges


@dataclass(frozen=True, slots=True)
class Day:
    """What is kept of a scope's trading day. Money in rupees.

    ``orders`` is counted where verdicts are folded (:func:`count_order`), everything else where prices are looked at
    (:func:`take_mark`). Instruments (``instrument:…``) have days too, for their prices.
    """

    scope: str
    day: str  # ISO date, the exchange's
    at_us: int = 0  # of the last mark that changed something
    day_max: float = 0.0  # the largest money at risk
    day_max_us: int = 0
    previous_day: str = ""  # the last trading day before on which the scope was looked at
    previous_max: float = 0.0
    realised: float = 0.0  # the day's, at the last mark
    open: float = 0.0
    charges: float = 0.0
    total: float = 0.0  # profit since the first order
    peak: float = 0.0  # the day's highest profit
    all_time_peak: float = 0.0  # the highest that ``total`` ever was
    drawdown_max: float = 0.0  # the day's largest distance from its peak
    orders: int = 0  # approved today
    price: float = 0.0  # of an instrument: the last that was seen
    price_before: float = 0.0  # of an instrument: the last of the day before, else the first of the day

    @property
    def profit(self) -> float:
        """The day's, after charges."""
        return self.realised + self.open - self.charges

    @property
    def drawdown(self) -> float:
        """From the day's peak, never negative."""
        return max(0.0, self.peak - self.profit)

    @property
    def drawdown_all_time(self) -> float:
        """From the highest ever, never negative."""
        return max(0.0, self.all_time_peak - self.total)


def trading_day(at_us: int) -> str:
    """The trading day of an instant, as ISO date."""
    return _session_day(calendar_of(EXCHANGE).day_of(at_us))


@lru_cache(maxsize=1024)
def _session_day(day: date) -> str:
    calendar = calendar_of(EXCHANGE)
    with_session = (back for n in range(30) if calendar.session(back := day - timedelta(n)))
    return next(with_session, day).isoformat()


def day_start_us(day: str) -> int:
    """The midnight, in market time, with which a day begins."""
    return int(datetime.combine(date.fromisoformat(day), time(), calendar_of(EXCHANGE).zone).timestamp()) * 1_000_000


def roll(day: Day, today: str) -> Day:
    """The same scope's day ``today``; its peaks of all time and its price are carried over. Days never go back."""
    if today <= day.day:
        return day
    return Day(
        day.scope, today, at_us=day.at_us, previous_day=day.day, previous_max=day.day_max, total=day.total,
        all_time_peak=day.all_time_peak, price=day.price, price_before=day.price,
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
    seen = (totals.realised, totals.open, totals.charges, totals.total)
    if not higher and seen == (day.realised, day.open, day.charges, day.total):
        return day
    peak = max(day.peak, totals.profit)
    return Day(  # quicker than dataclasses.replace, and this is done for a thousand algos at a time
        day.scope, day.day, at_us,
        totals.money_at_risk if higher else day.day_max, at_us if higher else day.day_max_us,
        day.previous_day, day.previous_max, *seen, peak, max(day.all_time_peak, totals.total),
        max(day.drawdown_max, peak - totals.profit), day.orders, day.price, day.price_before,
    )  # fmt: skip


def take_price(day: Day, price: float, at_us: int) -> Day:
    """An instrument's day after its price was seen."""
    if price == day.price and day.price_before:
        return day
    return replace(day, at_us=at_us, price=price, price_before=day.price_before or price)
