"""Futures and options: when they expire, what they are called and what they are worth. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from producers.simulator.noise import Floats
from schemas.calendar import calendar_of

RATE = 0.065
VOLATILITY = 0.13  # that options are priced with: the indices' own
TUESDAYS_FROM = date(2025, 9, 1)  # NSE moved its expiries from Thursday to Tuesday
FUTURE, CALL, PUT = 1, 2, 3
MONTHS_LISTED = 3


@dataclass(frozen=True, slots=True)
class Month:
    """A contract month."""

    year: int
    month: int

    @property
    def number(self) -> int:
        """Months since 2000."""
        return (self.year - 2000) * 12 + self.month - 1

    @property
    def code(self) -> str:
        """As in ``NIFTY25JUNFUT``."""
        return f"{self.year % 100:02d}{date(self.year, self.month, 1):%b}".upper()

    @property
    def expiry(self) -> date:
        """The last Thursday (from September 2025: Tuesday) of the month, or the trading day before it."""
        following = self.after(1)
        day = date(following.year, following.month, 1) - timedelta(days=1)
        weekday = 1 if day >= TUESDAYS_FROM else 3
        day -= timedelta(days=(day.weekday() - weekday) % 7)
        while calendar_of("NSE").session(day) is None:
            day -= timedelta(days=1)
        return day

    @property
    def listed_from(self) -> date:
        """The first day of the contract, the day after the expiry three months earlier."""
        return self.after(-MONTHS_LISTED).expiry + timedelta(days=1)

    def after(self, months: int) -> Month:
        """The month this many months later."""
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(year, month + 1)


def months_listed(day: date) -> Iterator[Month]:
    """The contract months that trade on a day, nearest first."""
    month = Month(day.year, day.month)
    if month.expiry < day:
        month = month.after(1)
    for n in range(MONTHS_LISTED):
        yield month.after(n)


def _normal_cdf(x: NDArray[Any]) -> Floats:
    # Abramowitz and Stegun 26.2.17, error below 1e-7
    t = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    poly = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = np.exp(-0.5 * x * x) * 0.3989422804014327 * poly
    made: Floats = np.where(x >= 0, 1.0 - tail, tail)
    return made


def value(kind: NDArray[Any], spot: Floats, strike: Floats, years: Floats) -> Floats:
    """What contracts are worth: cost of carry for futures, Black and Scholes for options. Arrays broadcast."""
    years = np.maximum(years, 1e-6)
    forward = spot * np.exp(RATE * years)
    root = VOLATILITY * np.sqrt(years)
    d1 = np.log(forward / np.maximum(strike, 1e-9)) / root + 0.5 * root
    discount = np.exp(-RATE * years)
    call = discount * (forward * _normal_cdf(d1) - strike * _normal_cdf(d1 - root))
    put = call - discount * (forward - strike)
    made: Floats = np.where(kind == FUTURE, forward, np.where(kind == CALL, call, put))
    return made
