"""The fold: batches of ticks to one-minute candles. No clock, no I/O; the definitions are in the package's docstring.

``fold(state, batch)`` is the whole idea: the state after the batch, the candles it touched and those that became
complete. A worker in a hurry calls its three parts with many batches at once: :func:`take`, :func:`absorb` for what
the archive already has, :func:`settle`. The state belongs to its owner and is changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np

from schemas.market import Candle
from schemas.ticks import TickBatch
from streams.candles.lattice import join, row_of
from streams.candles.state import NEVER, InstrumentDay, PartitionState
from streams.candles.ticks import MINUTE_US, Ints, Needed, Ticks, distinct_pairs, grouped, ticks_of

GRACE_US = 2_000_000  # an instrument's own later tick closes a candle that ended this long before
SILENCE_US = 5_000_000  # the partition's clock closes it when the instrument has been silent this long


@dataclass(frozen=True, slots=True)
class Settled:
    """What there is to do after ticks were taken: rows to store, then candles to tell."""

    touched: list[Candle] = field(default_factory=list)
    completed: list[Candle] = field(default_factory=list)  # complete for the first time, or a later revision
    opened: list[tuple[str, date]] = field(default_factory=list)  # instrument-days that got their first candle
    closed: list[tuple[str, date]] = field(default_factory=list)  # ... that are done with


def fold(state: PartitionState, batch: TickBatch) -> tuple[PartitionState, Settled]:
    """One batch: the state (the same, changed), the candles that it touched and those to be told."""
    take(state, (batch,))
    return state, settle(state)


def take(state: PartitionState, batches: Sequence[TickBatch | Needed]) -> None:
    """Takes in the ticks of some batches of the partition, in order."""
    state.clock_us = max(state.clock_us, *(batch.sent_us for batch in batches))
    batches = [batch for batch in batches if len(batch.last_price)]
    if not batches:
        return
    numbers = [state.numbers_of(batch.names)[batch.instrument] for batch in batches]
    ticks = ticks_of(batches, numbers[0] if len(batches) == 1 else np.concatenate(numbers))
    state.ticks += len(ticks)
    state.ignored += ticks.ignored
    if not len(ticks):
        return
    state.clock_us = max(state.clock_us, int(ticks.receive.max()))
    slot = _slots(state, ticks)
    slots, prices, keys, proof, receive = grouped(ticks, slot)
    mine, my_keys = state.prices[slots], state.keys[slots]
    news = join(mine, my_keys, prices, keys)
    state.prices[slots], state.keys[slots] = mine, my_keys
    state.dirty[slots] |= news
    who = state.who[slots]
    np.maximum.at(state.proof, who, proof)
    np.maximum.at(state.receive, who, receive)
    if ticks.resumed.any():
        for row in np.flatnonzero(ticks.resumed).tolist():
            _gap(state, int(slot[row]), int(ticks.resumed[row]))


def _slots(state: PartitionState, ticks: Ticks) -> Ints:
    """The candle of each tick, made where there is none."""
    minute = ticks.time // MINUTE_US
    known = state.current_start[ticks.who] == minute * MINUTE_US
    slot = np.where(known, state.current_slot[ticks.who], -1)
    strange = np.flatnonzero(~known)
    if len(strange):
        who, minutes, which = distinct_pairs(ticks.who[strange], minute[strange])
        pairs = zip(who.tolist(), (minutes * MINUTE_US).tolist(), strict=True)
        slot[strange] = np.array([state.touch(*pair) for pair in pairs], np.int64)[which]
    return slot


def _gap(state: PartitionState, slot: int, covered_us: int) -> None:
    """Marks the candles that an interruption touches, which ended with a tick in this slot."""
    of = state.day[slot]
    assert of is not None  # noqa: S101 - a slot in use has its day
    last = int(state.start[slot])
    first = min(covered_us - covered_us % MINUTE_US, last)
    if (first, last) not in of.gaps:
        of.gaps.append((first, last))
    _mark(state, of, first, last)


def _mark(state: PartitionState, of: InstrumentDay, first: int, last: int) -> None:
    """Marks the candles from one minute to another, or, if there are none before the last, the one before it."""
    before = [start for start in of.starts if start < last]
    touched = [start for start in before if start >= first] or before[-1:]
    for start in (*touched, last):
        at = of.slots[start]
        if not state.gap[at]:
            state.gap[at] = state.dirty[at] = True


def absorb(state: PartitionState, of: InstrumentDay, stored: Iterable[Candle], known_from: int) -> None:
    """Joins an instrument-day's stored candles into those in memory, which are then known after ``known_from``."""
    for candle in stored:
        of.listed = True
        slot = of.slots.get(candle.start_us)
        if slot is None:
            slot = state.new_slot(of, candle.start_us)
            state.shown[slot] = (candle.volume, candle.gap)
        prices, keys = state.prices[slot : slot + 1], state.keys[slot : slot + 1]
        join(prices, keys, *row_of(candle))
        state.gap[slot] |= candle.gap
        state.revision[slot] = max(state.revision[slot], candle.revision)
        state.source[slot] = candle.source
        if candle.complete:
            state.open[slot] = False
            state.told.setdefault(slot, _visible(candle))
        state.proof[of.who] = max(state.proof[of.who], candle.last[0])
        state.receive[of.who] = max(state.receive[of.who], candle.last[2])
    for first, last in of.gaps:  # the candle before a gap may have been known to the archive only
        if last in of.slots:
            _mark(state, of, first, last)
    of.known_from = min(known_from, of.known_from)
    if not of.known_from or of.wanted_from > of.known_from:
        of.wanted_from = NEVER
        state.unread.pop((of.who, of.day), None)


def settle(state: PartitionState) -> Settled:
    """Completes what is complete, and hands out every candle that changed since the last time."""
    _complete(state)
    days: dict[int, InstrumentDay] = {}
    changed: dict[int, None] = {}
    followers: list[int] = []
    for slot in np.flatnonzero(state.dirty).tolist():
        of = state.day[slot]
        if of is None or of.wanted_from != NEVER:
            continue  # its stored candles have not been read yet
        days[id(of)] = of
        changed[slot] = None
        follower = of.after(int(state.start[slot]))
        if follower >= 0 and not state.dirty[follower]:
            followers.append(follower)
    if followers:
        seen = zip(followers, state.looks(followers), strict=True)
        changed |= {follower: None for follower, looks in seen if looks != state.shown[follower]}
    settled = Settled()
    _hand_out(state, sorted(changed, key=lambda slot: int(state.start[slot])), settled)
    for of in days.values():
        if not of.listed:
            of.listed = True
            settled.opened.append((of.instrument, of.day))
        state.prune(of)
    state.prune_days()
    settled.closed.extend((of.instrument, of.day) for of in state.dropped)
    state.dropped.clear()
    return settled


def _complete(state: PartitionState) -> None:
    slots = np.flatnonzero(state.open)
    if not len(slots):
        return
    end, who = state.start[slots] + MINUTE_US, state.who[slots]
    done = state.proof[who] > end + GRACE_US
    done |= (state.clock_us >= end) & (state.clock_us >= state.receive[who] + SILENCE_US)
    slots = slots[done]
    state.open[slots] = False
    state.dirty[slots] = True


def _hand_out(state: PartitionState, slots: list[int], settled: Settled) -> None:
    """Adds candles to what is to be stored and, those that are complete and look new, to what is to be told."""
    for slot, version in zip(slots, state.candles(slots), strict=True):
        candle = version
        if candle.complete:
            looks, told = _visible(candle), state.told.get(slot)
            if told != looks:
                if told is not None:
                    state.revision[slot] += 1
                    candle = replace(candle, revision=state.revision[slot])
                state.told[slot] = looks
                settled.completed.append(candle)
        state.shown[slot] = (candle.volume, candle.gap)
        settled.touched.append(candle)
    state.dirty[slots] = False


def _visible(candle: Candle) -> tuple[Any, ...]:
    """What a reader sees: when this changes after completeness, it is a revision."""
    return (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.oi, candle.gap)


def merge(a: Candle, b: Candle) -> Candle:
    """The join of two versions of a candle. Its volume is that of the two alone; the day's fold knows better."""
    if (a.instrument, a.interval, a.start_us) != (b.instrument, b.interval, b.start_us):
        raise ValueError("only two versions of the same candle can be merged")
    state = PartitionState()
    of = state.instrument_day(a.instrument, date.min)
    absorb(state, of, (a, b), 0)
    return replace(state.candle(of.slots[a.start_us]), gap=a.gap or b.gap)
