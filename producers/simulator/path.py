"""A day's market minute by minute: a pure function of (seed, traits, day).

Prices at the minutes' bounds are a Brownian bridge from the day's opening to its close; the close of any day is
a walk that needs no path (:func:`producers.simulator.noise.wander`). Within its bounds each minute has a bar, made
before its trades: :mod:`producers.simulator.minute` then places trades that give exactly this bar, so history costs
a bar a minute and yet equals what was streamed.

Every instrument trades in the first step of the day (the opening auction's print) and in the last (the close),
so that the day's open and the next day's previous close are those of real trades.
Prices are whole ticks, quantities whole lots.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from producers.simulator.catalogue import DAILY, INDEX_KIND, MARKET_KEY, Traits, closing
from producers.simulator.derivatives import value
from producers.simulator.noise import Floats, bits, keys, normal, part, uniform, wander
from schemas.calendar import MINUTE_US, Session, calendar_of

Column = NDArray[Any]
STEPS = 120  # of half a second, in a minute
STEP_US = MINUTE_US // STEPS
MANY = 4 / STEPS  # from this chance of a trade on, a minute has four trades at least
MINUTES_A_DAY = 2048  # room for the minutes of a day in a counter


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars of minutes, each column of shape ``(minutes, n)``. Only where ``active`` do they mean anything."""

    active: Column
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    turnover: Column  # in ticks times lots
    last_quantity: Column
    first: Column  # steps of the first trade, of the two extremes, of the last trade
    second: Column
    third: Column
    last: Column
    high_first: Column


def previous_day(day: date) -> date:
    """The trading day before."""
    day -= timedelta(days=1)
    while calendar_of("NSE").session(day) is None:
        day -= timedelta(days=1)
    return day


def session_of(day: date) -> Session:
    """The session of a trading day. ValueError for a day without one."""
    session = calendar_of("NSE").session(day)
    if session is None:
        raise ValueError(f"{day} is not a trading day")
    return session


class DayPath:
    """One day of some instruments. Arrays are ``(minutes + 1, n)`` for bounds, ``(n,)`` for what a day has once."""

    def __init__(self, seed: int, traits: Traits, day: date) -> None:
        self._seed = seed
        self.traits = traits
        self.day = day
        self.session = session_of(day)
        self.minutes = (self.session.close_us - self.session.open_us) // MINUTE_US
        self.keys = keys(seed, traits.token)
        self._market_key = keys(seed, MARKET_KEY)
        self._counter = day.toordinal() * MINUTES_A_DAY
        before = previous_day(day)
        self.previous_close = self._ticks(self._values(self._closes(before), before, 0.0))
        self.bounds = self._bounds(before)
        self.oi_start, self.oi_end = self._open_interest(before), self._open_interest(day)
        self._volume_factor = np.exp(0.4 * normal(bits(self.keys, self._counter + MINUTES_A_DAY - 1)))
        self._profile = _volume_profile(self.minutes)

    def oi(self, minute: int | Column) -> Column:
        """Open interest in lots in a minute of the day; it moves evenly from the previous day's to the day's own."""
        made: Column = self.oi_start + (self.oi_end - self.oi_start) * (minute + 1) // self.minutes
        return made

    def _closes(self, day: date) -> Floats:
        """Closing prices of the spot instruments (of derivatives: 1, meaningless)."""
        t = self.traits
        return closing(self._seed, t.token, np.where(t.price > 0, t.price, 1.0), t.beta, t.volatility, day)

    def _values(self, spot: Floats, day: date, left: Column | float) -> Floats:
        """Prices of all instruments from those of the spot ones; ``left`` is the part of the day that is left."""
        t = self.traits
        rows = np.flatnonzero(t.underlying >= 0)
        if len(rows):
            years = (t.expiry[rows] - day.toordinal() + left) / 365.0
            volatility = np.where(t.underlying[rows] < 2, 0.13, 0.25) * np.ones(len(rows))
            spot = spot.copy()
            under = spot[..., t.underlying[rows]]
            spot[..., rows] = value(t.kind[rows], under, t.strike[rows], years, volatility)
        return spot

    def _ticks(self, prices: Floats) -> Column:
        made: Column = np.maximum(1, np.rint(prices * 100.0 / self.traits.tick)).astype(np.int32)
        return made

    def _bounds(self, before: date) -> Column:
        t, m = self.traits, np.arange(self.minutes)[:, None]
        start, end = np.log(self._closes(before)), np.log(self._closes(self.day))
        gap = bits(self.keys, self._counter + MINUTES_A_DAY - 2)
        start = start + 0.3 * DAILY * t.volatility * normal(gap)
        own = t.volatility * normal(bits(self.keys, self._counter + m))
        market = t.beta * normal(bits(self._market_key, self._counter + m))
        walk = np.zeros((self.minutes + 1, len(t)))
        np.cumsum((own + market) * (0.8 * DAILY / self.minutes**0.5), axis=0, out=walk[1:])
        share = np.arange(self.minutes + 1)[:, None] / self.minutes
        walk += start + share * (end - start - walk[-1])
        return self._ticks(self._values(np.exp(walk), self.day, 1.0 - share))

    def _open_interest(self, day: date) -> Column:
        t = self.traits
        made: Column = np.rint(t.open_interest * np.exp(0.03 * wander(bits(self.keys, 5), day.toordinal()))).astype(
            np.int64
        )
        return made

    def bars(self, first: int, stop: int) -> Bars:
        """The bars of the minutes ``[first, stop)``."""
        t, m = self.traits, np.arange(first, stop)[:, None]
        h = bits(bits(self.keys, 1), self._counter + m)
        g = bits(bits(self.keys, 2), self._counter + m)
        opening, closing = m == 0, m == self.minutes - 1
        many = t.trades >= MANY
        expected = t.trades * STEPS
        active = (uniform(h, 0) < 1.0 - (1.0 - t.trades) ** STEPS) | opening | closing
        single = ~many & (uniform(h, 16) < 1.0 / (1.0 + expected))
        left, close = self.bounds[first:stop], self.bounds[first + 1 : stop + 1]
        opened = np.where(single, close, np.maximum(1, left + many * (part(h, 32, 8) % 3 - 1)))
        reach = np.where(many, DAILY * 0.03 * (t.volatility + 0.3) * close, 0.0)
        high = np.maximum(opened, close) + np.rint(-np.log(uniform(g, 0)) * reach).astype(np.int32)
        low = np.minimum(opened, close) - np.rint(-np.log(uniform(g, 16)) * reach).astype(np.int32)
        low = np.maximum(1, low)
        volume = self._volumes(m, g, many, single)
        started, second, third, ended = _moments(h, g, t.trades, many, single, opening, closing)
        share = part(h, 40, 16)
        last_quantity = np.where(single, volume, 1 + share % np.maximum(1, np.where(many, volume // 60, volume - 1)))
        last_quantity = np.where(volume == 0, 0, last_quantity)
        turnover = volume * (opened + high + low + close) / 4.0
        high_first = (part(h, 63, 1) == 1) | np.zeros_like(active)
        return Bars(active, opened, high, low, close, volume, turnover, last_quantity,
                    started, second, third, ended, high_first)  # fmt: skip

    def _volumes(self, m: Column, g: Column, many: Column, single: Column) -> Column:
        t = self.traits
        chance = 1.0 - (1.0 - t.trades) ** STEPS
        wanted = t.volume * self._volume_factor * self._profile[m] * (0.4 + 1.2 * uniform(g, 32)) / chance
        # each trade needs a lot of its own, and the last one's are set aside: 2 * STEPS are always enough
        least = np.where(many, 2 * STEPS, np.where(single, 1, 2))
        return np.where(t.kind == INDEX_KIND, 0, np.maximum(least, wanted.astype(np.int64)))


def _volume_profile(minutes: int) -> Floats:
    """Shares of the day's volume by minute: much at the opening, more again before the close."""
    m = np.arange(minutes)
    weight = 1.0 + 2.5 * np.exp(-m / 22.0) + 1.4 * np.exp(-(minutes - 1 - m) / 25.0)
    made: Floats = weight / weight.sum()
    return made


def _moments(
    h: Column, g: Column, trades: Column, many: Column, single: Column, opening: Column, closing: Column
) -> tuple[Column, Column, Column, Column]:
    """The steps of the first trade, of the two extremes and of the last trade."""
    early = np.minimum(20, (-np.log(uniform(g, 48)) / trades * 0.5).astype(np.int64))
    late = STEPS - 1 - np.minimum(20, (-np.log(uniform(h, 48)) / trades * 0.5).astype(np.int64))
    u, v = uniform(g, 24), uniform(h, 24)
    first = np.where(many, early, (u * (STEPS - 2)).astype(np.int64))
    first = np.where(opening, 0, np.where(closing & single, STEPS - 1, first))
    last = np.where(many, late, first + 1 + (v * (STEPS - 1 - first)).astype(np.int64))
    last = np.where(closing, STEPS - 1, last)
    last = np.where(single, first, last)
    half = STEPS // 2
    second = first + 1 + (u * (half - 1 - first)).astype(np.int64)
    third = half + 1 + (v * (last - half - 1)).astype(np.int64)
    return first, second, third, last
