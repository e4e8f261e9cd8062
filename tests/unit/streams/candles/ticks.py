"""Tick lists for the tests of the fold, and the plain oracle: what the candles of a list of ticks are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.market import TickKind
from schemas.ticks import COLUMNS, DEPTH, TickBatch

MINUTE = 60_000_000
OPENING = 1_700_019_900_000_000  # 2023-11-15 09:15 in India, a session's opening


@dataclass(frozen=True, order=True)
class T:
    """One tick. Times in microseconds."""

    instrument: str
    time: int
    volume: int
    receive: int
    price: float
    oi: int = -1
    quantity: int = 1
    resumed: int = 0
    kind: TickKind = TickKind.FULL
    exchange: int = -1  # -1: the time of the trade


def batch_of(ticks: Sequence[T], sent_us: int = 0, **columns: Any) -> TickBatch:
    """A batch of full, quote or ltp ticks."""
    names = tuple(dict.fromkeys(t.instrument for t in ticks))
    timed = [t.kind in (TickKind.FULL, TickKind.INDEX_FULL) for t in ticks]
    values: dict[str, Any] = {name: np.zeros(len(ticks), dtype) for name, dtype in COLUMNS.items()}
    values |= {name: np.empty((0, 10), dtype) for name, dtype in DEPTH.items()}
    values |= {
        "instrument": np.array([names.index(t.instrument) for t in ticks], "<u2"),
        "kind": np.array([t.kind for t in ticks], "<u1"),
        "receive_us": np.array([t.receive for t in ticks], "<i8"),
        "exchange_us": np.array(
            [(t.time if t.exchange < 0 else t.exchange) * has for t, has in zip(ticks, timed, strict=True)], "<i8"
        ),
        "last_trade_us": np.array([t.time * (t.kind == TickKind.FULL) for t in ticks], "<i8"),
        "last_price": np.array([t.price for t in ticks], "<f8"),
        "last_quantity": np.array([t.quantity for t in ticks], "<u4"),
        "volume": np.array([t.volume for t in ticks], "<i8"),
        "oi": np.array([t.oi for t in ticks], "<i8"),
        "resumed_us": np.array([t.resumed for t in ticks], "<i8"),
    }
    return TickBatch("kite", "test-1", sent_us, names, **(values | columns))


def oracle(ticks: Iterable[T]) -> dict[tuple[str, int], tuple[float, float, float, float, int, int]]:
    """(instrument, minute) -> open, high, low, close, volume, open interest; the slow and obvious way."""
    groups: dict[tuple[str, int], list[T]] = {}
    for tick in ticks:
        groups.setdefault((tick.instrument, tick.time // MINUTE * MINUTE), []).append(tick)
    candles = {}
    reached: dict[str, int] = {}
    for (instrument, start), group in sorted(groups.items()):
        ordered = sorted(group, key=lambda t: (t.time, t.volume, t.receive, t.price, t.oi))
        prices = [t.price for t in ordered]
        volume = 0
        volumed = [t for t in ordered if t.volume >= 0]
        if volumed:
            to = max(t.volume for t in volumed)
            own = min((t.volume - t.quantity for t in volumed if t.volume >= t.quantity), default=0)
            volume = max(0, to - reached.get(instrument, own))
            reached[instrument] = to
        candles[instrument, start] = (prices[0], max(prices), min(prices), prices[-1], volume, ordered[-1].oi)
    return candles
