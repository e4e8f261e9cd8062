"""The trades of one minute, step by step, for all instruments at once. Pure.

A minute's bar is given (:class:`producers.simulator.path.Bars`); here are the trades that make it: the first at the
open, one at the high, one at the low, the last at the close, the rest between, and quantities whose sum is the
bar's volume. Everything is cumulative from a :class:`Carry`, the state at the minute's start, which itself can be
had in two ways that give the same: from the minute before, or from the day's bars alone.

Arrays are ``(STEPS, n)``; times are in steps since the epoch (``us // STEP_US``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from producers.simulator.noise import bits, part, uniform
from producers.simulator.path import STEP_US, STEPS, Bars, DayPath
from schemas.calendar import MINUTE_US

Column = NDArray[Any]
CHUNK = 60  # minutes of bars made at a time


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """The market at the start of a minute, columns ``(n,)``: what the trades before it have left."""

    price: Column
    quantity: Column
    traded_at: Column
    changed_at: Column
    volume: Column
    turnover: Column
    open: Column
    high: Column
    low: Column


@dataclass(frozen=True, slots=True, eq=False)
class Minute:
    """A minute's steps: the state after each, and whether anything changed in it."""

    number: int  # of the day
    start: int  # its first step, since the epoch
    changed: Column
    traded: Column
    price: Column
    quantity: Column
    traded_at: Column
    changed_at: Column
    volume: Column
    high: Column
    low: Column
    open: Column  # (n,)
    volume_before: Column  # (n,)
    turnover_before: Column  # (n,)
    turnover: Column  # (n,): of this minute
    minute_volume: Column  # (n,)

    def average(self, step: int) -> Column:
        """The day's average price in ticks after a step; 0 without volume."""
        done = np.where(
            self.minute_volume > 0,
            (self.volume[step].astype(np.int64) - self.volume_before)
            / np.maximum(1, self.minute_volume)
            * self.turnover,
            0.0,
        )
        made: Column = (self.turnover_before + done) / np.maximum(1, self.volume[step])
        return made

    def carry(self) -> Carry:
        """The state that the next minute starts from."""
        return Carry(
            self.price[-1], self.quantity[-1], self.traded_at[-1], self.changed_at[-1],
            self.volume[-1].astype(np.int64),
            self.turnover_before + self.turnover, self.open, self.high[-1], self.low[-1],
        )  # fmt: skip


def opening(path: DayPath) -> Carry:
    """The state before the day's first step. All of it is replaced in that step, where everything trades."""
    zero = np.zeros(len(path.traits), np.int64)
    largest = np.full_like(zero, np.iinfo(np.int32).max)
    return Carry(path.previous_close, zero, zero, zero, zero, zero.astype(float), zero, zero, largest)


def carry_at(path: DayPath, number: int) -> Carry:
    """The state at the start of any minute of the day."""
    if number == 0:
        return opening(path)
    carry = opening(path)
    for first in range(0, number - 1, CHUNK):
        carry = _after(path, carry, first, min(number - 1, first + CHUNK))
    return plan(path, number - 1, carry).carry()  # the minute itself, because every instrument changes once in each


def plan(path: DayPath, number: int, carry: Carry) -> Minute:
    """The steps of a minute of the day, from the state at its start."""
    bars = _row(path.bars(number, number + 1))
    start = (path.session.open_us + number * MINUTE_US) // STEP_US
    t = np.arange(STEPS)[:, None]
    h = bits(bits(path.keys, 3), start + t)
    traded = _trades(path, bars, h, t)
    quotes = np.where(path.traits.trades < 1, 0.5 * path.traits.trades, 1.0)  # under load in every step
    changed = traded | (uniform(h, 16) < quotes) | (t == _refresh_step(path))
    place = np.maximum.accumulate(np.where(traded, t, -1), axis=0)  # of the last trade; -1: none yet in this minute
    before, at = place < 0, np.maximum(place, 0)
    price = np.where(before, carry.price, np.take_along_axis(_prices(path, bars, h, t), at, axis=0)).astype(np.int32)
    volume = _volumes(bars, traded, h, t)
    quantity = np.diff(volume, axis=0, prepend=0)
    last_change = np.maximum.accumulate(np.where(changed, start + t, 0), axis=0)
    minute_volume = np.where(bars.active, bars.volume, 0)
    return Minute(
        number=number,
        start=start,
        changed=changed,
        traded=traded,
        price=price,
        quantity=np.where(before, carry.quantity, np.take_along_axis(quantity, at, axis=0)).astype(np.int32),
        traded_at=np.where(before, carry.traded_at, start + place),
        changed_at=np.where(last_change == 0, carry.changed_at, last_change),
        volume=(carry.volume + volume).astype(np.uint32),
        high=np.maximum(carry.high, np.maximum.accumulate(price, axis=0)).astype(np.int32),
        low=np.minimum(carry.low, np.minimum.accumulate(price, axis=0)).astype(np.int32),
        open=bars.open if number == 0 else carry.open,
        volume_before=carry.volume,
        turnover_before=carry.turnover,
        turnover=np.where(bars.active, bars.turnover, 0.0),
        minute_volume=minute_volume,
    )


def _row(bars: Bars) -> Bars:
    return Bars(*(getattr(bars, name)[0] for name in Bars.__slots__))


def _refresh_step(path: DayPath) -> Column:
    """The step in which an instrument's depth changes in every minute, whatever happens."""
    return part(path.keys, 0) % STEPS


def _trades(path: DayPath, bars: Bars, h: Column, t: Column) -> Column:
    trades = path.traits.trades
    many = trades >= 4 / STEPS
    between = (t > bars.first) & (t < bars.last) & many
    chosen = between & ((uniform(h, 0) < trades) | (t == bars.second) | (t == bars.third))
    made: Column = (chosen | (t == bars.first) | (t == bars.last)) & bars.active
    return made


def _prices(path: DayPath, bars: Bars, h: Column, t: Column) -> Column:
    """Prices of the trades: lines from open over both extremes to close, shaken, and never beyond the bar."""
    one, other = np.where(bars.high_first, bars.high, bars.low), np.where(bars.high_first, bars.low, bars.high)
    ends = ((bars.first, bars.open), (bars.second, one), (bars.third, other), (bars.last, bars.close))
    price = np.broadcast_to(bars.close, h.shape).astype(np.float32)
    for (from_step, from_price), (to_step, to_price) in reversed(list(pairwise(ends))):
        slope = ((to_price - from_price) / np.maximum(1, to_step - from_step)).astype(np.float32)
        line = from_price.astype(np.float32) + slope * (t - from_step).astype(np.float32)
        price = np.where(t <= to_step, line, price)
    shake = (part(h, 32, 8) / 255.0 - 0.5).astype(np.float32) * (0.4 * (bars.high - bars.low) + 1).astype(np.float32)
    made: Column = np.clip(np.rint(price + shake).astype(np.int32), bars.low, bars.high)
    many = path.traits.trades >= 4 / STEPS
    for step, at in ((bars.second, one), (bars.third, other)):
        made = np.where((t == step) & many, at, made)
    made = np.where(t == bars.last, bars.close, made)
    return np.where(t == bars.first, bars.open, made)


def _volumes(bars: Bars, traded: Column, h: Column, t: Column) -> Column:
    """Lots traded in the minute up to each step. Every trade has one lot at least; the last has its own quantity."""
    weight = np.where(traded & (t < bars.last), 1 + part(h, 40, 10), 0)
    shares = np.cumsum(weight, axis=0)
    count = np.cumsum(traded, axis=0)
    free = bars.volume - bars.last_quantity - (count[-1] - 1)
    spread = count + (shares * np.maximum(0, free)) // np.maximum(1, shares[-1])
    done = np.where(t >= bars.last, bars.volume, np.where(bars.volume > 0, spread, 0))
    made: Column = np.where(bars.active, done, 0)
    return made


def _after(path: DayPath, carry: Carry, first: int, stop: int) -> Carry:
    """The state after the minutes ``[first, stop)``, from their bars; when something last changed is left as it was."""
    bars = path.bars(first, stop)
    n = np.arange(len(path.traits))
    place = np.where(bars.active, np.arange(stop - first)[:, None], -1).max(axis=0)
    at, quiet = np.maximum(place, 0), place < 0
    starts = (path.session.open_us + (first + at) * MINUTE_US) // STEP_US

    def latest(column: Column, before: Column) -> Column:
        made: Column = np.where(quiet, before, column[at, n])
        return made

    return Carry(
        price=latest(bars.close, carry.price),
        quantity=latest(bars.last_quantity, carry.quantity),
        traded_at=np.where(quiet, carry.traded_at, starts + bars.last[at, n]),
        changed_at=carry.changed_at,
        volume=carry.volume + np.where(bars.active, bars.volume, 0).sum(axis=0),
        turnover=carry.turnover + np.where(bars.active, bars.turnover, 0.0).sum(axis=0),
        open=bars.open[0] if first == 0 else carry.open,
        high=np.maximum(carry.high, np.where(bars.active, bars.high, 0).max(axis=0)),
        low=np.minimum(carry.low, np.where(bars.active, bars.low, np.iinfo(np.int32).max).min(axis=0)),
    )
