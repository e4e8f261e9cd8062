"""From batches of ticks to rows that can be joined: one row for each candle that the ticks touch. numpy throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.ticks import TickBatch
from streams.candles.lattice import NONE, Keys, Prices

MINUTE_US = 60_000_000
TABLE = 1 << 18
FUTURE_US = 86_400_000_000  # a tick from further ahead of its own receipt than this is garbage

Ints = NDArray[np.int64]


class Needed(NamedTuple):
    """What candles need of a batch, by its own names. The rest, depth above all, is not even looked at."""

    sent_us: int
    names: tuple[str, ...]
    instrument: NDArray[Any]
    receive_us: NDArray[Any]
    exchange_us: NDArray[Any]
    last_trade_us: NDArray[Any]
    last_price: NDArray[Any]
    last_quantity: NDArray[Any]
    volume: NDArray[Any]
    oi: NDArray[Any]
    resumed_us: NDArray[Any]


@dataclass(slots=True)
class Ticks:
    """The columns that candles are made of, shape (n,) each, in the order of arrival."""

    who: Ints  # the state's number of the instrument
    time: Ints  # microseconds
    receive: Ints
    proof: Ints  # the exchange's time by which the instrument's trades are known, at least ``time``
    price: NDArray[np.float64]
    volume: Ints  # cumulative for the day, -1: none
    before: Ints  # the same before this tick's last trade, NONE: none
    oi: Ints
    resumed: Ints
    ignored: int  # ticks left out: no price, or times that cannot be

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: NDArray[Any]) -> Ticks:
        """Only these rows."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "ignored"}
        return Ticks(**columns, ignored=self.ignored)


def ticks_of(batches: Sequence[TickBatch | Needed], who: Ints) -> Ticks:
    """The usable ticks of these batches; ``who`` has the instrument's number of each tick.

    Ticks without a finite price above 0 and ticks with impossible times are left out and counted; those that say
    that nothing was traded today yet (volume 0) are left out, as they are no trades.
    """
    exchange, traded, receive = (_column(batches, c) for c in ("exchange_us", "last_trade_us", "receive_us"))
    price, volume = _column(batches, "last_price"), _column(batches, "volume")
    time = traded if traded.all() else np.where(traded != 0, traded, np.where(exchange != 0, exchange, receive))
    before = volume - _column(batches, "last_quantity")
    before[(before < 0) | (volume <= 0)] = NONE
    proof = np.maximum(time, exchange)
    found = Ticks(
        who, time, receive, proof, price, volume, before, _column(batches, "oi"), _column(batches, "resumed_us"), 0
    )
    usable = (price > 0) & (price < np.inf) & (time > 0) & (proof - receive < FUTURE_US)
    found.ignored = len(usable) - int(np.count_nonzero(usable))
    usable &= volume != 0
    return found if usable.all() else found.take(usable)


def _column(batches: Sequence[TickBatch | Needed], name: str) -> NDArray[Any]:
    if len(batches) == 1:
        return getattr(batches[0], name)  # type: ignore[no-any-return]
    return np.concatenate([getattr(batch, name) for batch in batches])


def grouped(ticks: Ticks, slot: Ints) -> tuple[Ints, Prices, Keys, Ints, Ints]:
    """One row for each slot among ``slot`` (shape (n,), n > 0), which says of each tick to which candle it belongs.

    Returns the slots, their price rows and key rows, and the latest proof and receipt of each.
    """
    order = _in_order(ticks, slot)
    slot = slot[order]
    starts = np.flatnonzero(np.concatenate(([True], slot[1:] != slot[:-1])))
    first = order[starts]
    last = order[np.concatenate((starts[1:], [len(order)])) - 1]
    price = ticks.price[order]
    prices = np.empty((len(starts), 4))
    prices[:, 0] = ticks.price[first]
    prices[:, 1] = np.maximum.reduceat(price, starts)
    prices[:, 2] = np.minimum.reduceat(price, starts)
    prices[:, 3] = ticks.price[last]
    keys = np.empty((len(starts), 9), np.int64)
    for column, values in enumerate((ticks.time, ticks.volume, ticks.receive)):
        keys[:, column] = values[first]
        keys[:, column + 3] = values[last]
    keys[:, 6] = np.minimum.reduceat(ticks.before[order], starts)
    keys[:, 7] = np.maximum.reduceat(ticks.volume[order], starts)
    keys[:, 8] = ticks.oi[last]
    proof = np.maximum.reduceat(ticks.proof[order], starts)
    return slot[starts], prices, keys, proof, np.maximum.reduceat(ticks.receive[order], starts)


def distinct_pairs(who: Ints, minute: Ints) -> tuple[Ints, Ints, NDArray[np.intp]]:
    """The distinct pairs of an instrument's number and a minute, and of each row which of them it is.

    Arrays of shape (k,), (k,) and (n,), n > 0. Minutes that came together lie together, so a table of all that are
    possible is small, and nine times as quick as sorting them.
    """
    low, span = int(minute.min()), int(minute.max() - minute.min()) + 1
    code = who * span + (minute - low)
    size = (int(who.max()) + 1) * span
    if size > TABLE:
        codes, which = np.unique(code, return_inverse=True)
    else:
        there = np.zeros(size, np.bool_)
        there[code] = True
        codes = np.flatnonzero(there)
        number = np.empty(size, np.intp)
        number[codes] = np.arange(len(codes))
        which = number[code]
    return codes // span, codes % span + low, which


def _in_order(ticks: Ticks, slot: Ints) -> NDArray[np.intp]:
    """The ticks by slot and, within, by their order keys.

    They nearly always arrive in order, so a stable sort by slot alone (a radix sort for 16 bits) is tried first
    and its neighbours compared; only if that was not enough are all keys sorted.
    """
    low, high = int(slot.min()), int(slot.max())
    order = np.argsort((slot - low).astype(np.uint16) if high - low < 65536 else slot, kind="stable")
    s, t = slot[order], ticks.time[order]
    same = s[1:] == s[:-1]
    unsure = np.flatnonzero(same & (t[1:] <= t[:-1]))
    if not len(unsure):
        return order
    a, b = order[unsure], order[unsure + 1]
    later = (ticks.volume[b] > ticks.volume[a]) | (
        (ticks.volume[b] == ticks.volume[a]) & (ticks.receive[b] > ticks.receive[a])
    )
    if bool(((ticks.time[b] == ticks.time[a]) & later).all()):
        return order
    return np.lexsort((ticks.oi, ticks.price, ticks.receive, ticks.volume, ticks.time, slot))
