"""Five levels of bids and asks around the last price, from a hash of the instrument and the step. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from producers.simulator.catalogue import Traits
from producers.simulator.noise import bits, part

Column = NDArray[Any]
LEVELS = np.arange(10)
PLACE = LEVELS % 5  # within a side, best first
SIDE = LEVELS // 5  # 0 bids, 1 asks


@dataclass(frozen=True, slots=True, eq=False)
class Depth:
    """Columns ``(n, 10)``: five bids, five asks, each best first; totals ``(n,)``. Prices in ticks, 0: no order."""

    price: Column
    quantity: Column  # lots
    orders: Column
    buy_quantity: Column
    sell_quantity: Column


def spread(traits: Traits, price: Column) -> Column:
    """The usual distance of the best bid and ask in ticks: one where much is traded, wide where little is."""
    thin = (1.0 - np.minimum(1.0, traits.trades)) ** 2
    made: Column = np.maximum(1, np.rint(price * (0.0001 + 0.006 * thin))).astype(np.int64)
    return made


def depth(keys: Column, at: Column, price: Column, usual_spread: Column, size: Column) -> Depth:
    """The book of each instrument after step ``at``; the last price is at its best bid or its best ask.

    ``size``: a usual quantity at a level, in lots.
    """
    base = bits(keys, at)
    wide = usual_spread + part(base, 0, 8) % (usual_spread + 1) // 2
    last_was_sold = part(base, 8, 1)
    bid = price - wide * (1 - last_was_sold)
    gap = 1 + wide // 3
    h = bits(base[:, None], LEVELS)
    away = PLACE * gap[:, None] + np.where(PLACE > 0, part(h, 0, 8) % (gap[:, None] + 1) // 2, 0)
    prices = np.where(SIDE == 0, bid[:, None] - away, (bid + wide)[:, None] + away)
    there = prices > 0
    quantity = np.where(there, 1 + (size[:, None] * part(h, 8, 10) >> 9), 0)
    return Depth(
        price=np.where(there, prices, 0),
        quantity=quantity,
        orders=np.where(there, 1 + np.minimum(quantity, 1 + part(h, 18, 5)) // 2, 0),
        buy_quantity=quantity[:, :5].sum(axis=1) * (20 + part(base, 16, 4)),
        sell_quantity=quantity[:, 5:].sum(axis=1) * (20 + part(base, 24, 4)),
    )
