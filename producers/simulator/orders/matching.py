"""Who gets what from the book at a moment of the market. Pure.

The market does not know of our orders: its depth is the same with and without them. So a :class:`Pool` remembers what
our orders have already taken of the depth that is shown, until that changes. Our own orders never meet each other.

An order that comes takes the levels of the other side, best first, at their prices, as far as its limit goes. What is
left waits at its limit and is then *passive*: it is filled at its own price, when the other side comes to it or when
the market trades beyond it (then at most as much as was traded). While the depth is taken whole and the order's limit
would go further, it is not passive: it takes the next depth at that one's prices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from producers.simulator.orders.records import Order, Side

BOTTOMLESS = 1 << 40  # what a market without depth, a tape, gives and takes at its last price
Levels = list[list[int]]  # [price, quantity], best first


@dataclass(frozen=True, slots=True)
class Look:
    """What the market shows of an instrument. Prices in hundredths; ``close`` of the day before, 0: unknown."""

    last: int
    close: int
    volume: int
    bids: tuple[tuple[int, int], ...]  # (price, quantity), best first
    asks: tuple[tuple[int, int], ...]
    key: bytes  # of the depth: another one, another depth


def look_of(packet: np.void) -> Look:
    """A look from a full packet; without depth there is no bottom at the last price."""
    depth: Any = packet["depth"]
    last = int(packet["last_price"])
    levels = list(zip(depth["price"].tolist(), depth["quantity"].tolist(), strict=True))
    bids, asks = (tuple(level for level in side if level[0] and level[1]) for side in (levels[:5], levels[5:]))
    if not bids and not asks:
        bids = asks = ((last, BOTTOMLESS),)
    key = depth.tobytes() + last.to_bytes(8, "big")
    return Look(last, int(packet["close"]), int(packet["volume"]), bids, asks, key)


class Pool:
    """What an instrument's market still has for our orders."""

    __slots__ = ("_key", "_volume", "asks", "bids", "last", "traded")

    def __init__(self, look: Look) -> None:
        self._key, self._volume = b"", look.volume
        self.asks: Levels = []
        self.bids: Levels = []
        self.last = self.traded = 0
        self.see(look)

    def see(self, look: Look) -> None:
        """Another look: a new depth is whole again; what was traded since the last look may reach waiting orders."""
        if look.key != self._key:
            self._key = look.key
            self.asks, self.bids = ([list(level) for level in side] for side in (look.asks, look.bids))
        self.traded = max(0, look.volume - self._volume)
        self._volume, self.last = look.volume, look.last

    def others(self, side: Side) -> Levels:
        """The levels that an order of this side can take."""
        return self.asks if side == "BUY" else self.bids


def within(side: Side, price: int, limit: int) -> bool:
    """Whether a price is no worse than the limit."""
    return price <= limit if side == "BUY" else price >= limit


def is_triggered(side: Side, last: int, trigger: int) -> bool:
    """Whether the last price has reached a stop's trigger."""
    return last >= trigger if side == "BUY" else last <= trigger


def take(pool: Pool, side: Side, limit: int, wanted: int, passive: bool) -> list[tuple[int, int]]:
    """What an order gets now, as (price, quantity), each price once, and takes it out of the pool."""
    made: dict[int, int] = {}
    if passive and pool.traded and pool.last != limit and within(side, pool.last, limit):
        part = min(wanted, pool.traded)
        pool.traded -= part
        made[limit] = part
        wanted -= part
    levels = pool.others(side)
    while wanted and levels and within(side, levels[0][0], limit):
        price, there = levels[0]
        part = min(wanted, there)
        wanted -= part
        made[limit if passive else price] = made.get(limit if passive else price, 0) + part
        if part == there:
            del levels[0]
        else:
            levels[0][1] -= part
    return list(made.items())


def waits(pool: Pool, side: Side) -> bool:
    """Whether what is left of an order after :func:`take` waits in the book, rather than for more depth."""
    return bool(pool.others(side))


def in_order(orders: Iterable[Order]) -> list[Order]:
    """Price before time: who is served first, on each side."""
    return sorted(orders, key=lambda o: (-o.now.terms.price if o.placed.side == "BUY" else o.now.terms.price, o.rank))
