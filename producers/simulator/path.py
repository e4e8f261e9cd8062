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


def minutes_of(session: Session) -> int:
    """How many minutes a session has."""
    return (session.close_us - session.open_us) // MINUTE_US


class Paths:
    """A day of each of ``n`` columns, all with sessions of the same length.

    ``ordinal`` and ``before`` are the dates' ordinals of the days and of the trading days before them: scalars where
    all columns are of one day (:class:`DayPath`), arrays ``(n,)`` where each has its own (history). Arrays by minute
    are ``(minutes, n)``, bounds one longer; what a day has once is ``(n,)``.
    """

    def __init__(self, seed: int, traits: Traits, minutes: int, ordinal: int | Column, before: int | Column) -> None:
        self.seed = seed
        self.traits = traits
        self.minutes = minutes
        self.keys = keys(seed, traits.token)
        self._market_key = keys(seed, MARKET_KEY)
        self._counter = ordinal * MINUTES_A_DAY
        closes = self._closes(before)
        self.previous_close = self._ticks(self._values(closes, before, 0.0))
        self.bounds = self._bounds(closes, ordinal)
        self.oi_start, self.oi_end = self._open_interest(before), self._open_interest(ordinal)
        self._volume_factor = np.exp(0.4 * normal(bits(self.keys, self._counter + MINUTES_A_DAY - 1)))
        self._profile = _volume_profile(self.minutes)

    def oi(self, minute: Column, column: int | None = None) -> Column:
        """Open interest in lots in minutes of the day; it moves evenly from the previous day's to the day's own.

        ``minute`` is ``(n,)``, one for each column, or any shape for one ``column`` alone.
        """
        start, end = (oi if column is None else oi[column] for oi in (self.oi_start, self.oi_end))
        made: Column = start + (end - start) * (minute + 1) // self.minutes
        return made

    def _closes(self, ordinal: int | Column) -> Floats:
        """Closing prices of the spot instruments (of derivatives: 1, meaningless)."""
        t = self.traits
        return closing(self.seed, t.token, np.where(t.price > 0, t.price, 1.0), t.beta, t.volatility, ordinal)

    def _values(self, spot: Floats, ordinal: int | Column, left: Column | float) -> Floats:
        """Prices of all instruments from those of the spot ones; ``left`` is the part of the day that is left."""
        t = self.traits
        rows = np.flatnonzero(t.underlying >= 0)
        if len(rows):
            years = ((t.expiry - ordinal)[rows] + left) / 365.0
            spot = spot.copy()
            spot[..., rows] = value(t.kind[rows], spot[..., t.underlying[rows]], t.strike[rows], years)
        return spot

    def _ticks(self, prices: Floats) -> Column:
        made: Column = np.maximum(1, np.rint(prices * 100.0 / self.traits.tick)).astype(np.int32)
        return made

    def _bounds(self, closes_before: Floats, ordinal: int | Column) -> Column:
        t, m = self.traits, np.arange(self.minutes)[:, None]
        start, end = np.log(closes_before), np.log(self._closes(ordinal))
        gap = bits(self.keys, self._counter + MINUTES_A_DAY - 2)
        start = start + 0.3 * DAILY * t.volatility * normal(gap)
        own = t.volatility * normal(bits(self.keys, self._counter + m))
        market = t.beta * normal(bits(self._market_key, self._counter + m))
        walk = np.zeros((self.minutes + 1, len(t)))
        np.cumsum((own + market) * (0.8 * DAILY / self.minutes**0.5), axis=0, out=walk[1:])
        share = np.arange(self.minutes + 1)[:, None] / self.minutes
        walk += start + share * (end - start - walk[-1])
        return self._ticks(self._values(np.exp(walk), ordinal, 1.0 - share))

    def _open_interest(self, ordinal: int | Column) -> Column:
        t = self.traits
        if not t.open_interest.any():
            return np.zeros(len(t), np.int64)
        made: Column = np.rint(t.open_interest * np.exp(0.03 * wander(bits(self.keys, 5), ordinal))).astype(np.int64)
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


class DayPath(Paths):
    """One day of some instruments."""

    def __init__(self, seed: int, traits: Traits, day: date) -> None:
        self.day = day
        self.session = session_of(day)
        super().__init__(seed, traits, minutes_of(self.session), day.toordinal(), previous_day(day).toordinal())


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
