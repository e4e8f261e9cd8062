"""Batches made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.market import TickKind
from schemas.ticks import COLUMNS, DEPTH, DEPTH_LEVELS, TickBatch

OPEN_US = 1_795_146_300_000_000  # 2026-11-20 09:15 IST


@dataclass(frozen=True, slots=True)
class Tick:
    """What the tests care about of a tick."""

    instrument: str
    receive_us: int
    price: float
    kind: TickKind = TickKind.FULL
    volume: int = 0
    close: float = 100.0


def batch_of(ticks: Sequence[Tick], worker: str = "local-1", sent_us: int = 0, *, depth: bool = False) -> TickBatch:
    """One record of these ticks, in this order."""
    names = tuple(dict.fromkeys(tick.instrument for tick in ticks))
    count = len(ticks)
    columns = {name: np.zeros(count, dtype) for name, dtype in COLUMNS.items()}
    columns["instrument"][:] = [names.index(tick.instrument) for tick in ticks]
    columns["kind"][:] = [tick.kind for tick in ticks]
    columns["receive_us"][:] = [tick.receive_us for tick in ticks]
    columns["last_price"][:] = [tick.price for tick in ticks]
    quoted = np.array([tick.kind != TickKind.LTP for tick in ticks], bool)
    columns["volume"][:] = np.where(quoted, [tick.volume for tick in ticks], -1) if count else []
    columns["close"][:] = np.where(quoted, [tick.close for tick in ticks], 0) if count else []
    columns["last_quantity"][:] = 5
    columns["oi"][:] = -1
    levels = count if depth else 0
    columns |= {name: np.ones((levels, DEPTH_LEVELS), dtype) for name, dtype in DEPTH.items()}
    return TickBatch("kite", worker, sent_us or (ticks[-1].receive_us if ticks else 0), names, **columns)
