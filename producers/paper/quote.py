"""What the market shows of an instrument at a tick, as the model trades against it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from schemas.market import TickKind
from schemas.orders import Side
from schemas.ticks import DEPTH_LEVELS, Column, TickBatch

Level = tuple[float, int]  # price, quantity
ASSUMED_SPREAD_TICKS = 2  # between bid and ask where no depth is shown: the last price is in their middle
TICK_SIZE = 0.05  # rupees, of an instrument that nobody has described
ENDLESS = 1 << 40  # quantity of an assumed bid or ask
LEVELS = DEPTH_LEVELS // 2  # that are shown on each side
DIGITS = 6  # prices are compared as rounded to so many; the finest tick is 0.0025


@dataclass(frozen=True, slots=True)
class Quote:
    """Bids and asks, best first, as far as they are not taken yet by our own orders."""

    at_us: int  # market time
    last: float
    volume: int  # of the day so far, -1 where it is not told
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    shown: bool  # whether bids and asks are the market's and not assumed

    def facing(self, side: Side) -> tuple[Level, ...]:
        """What an order of this side trades against."""
        return self.asks if side == "buy" else self.bids

    def beside(self, side: Side) -> tuple[Level, ...]:
        """Whom an order of this side queues with."""
        return self.bids if side == "buy" else self.asks

    def with_facing(self, side: Side, levels: tuple[Level, ...]) -> Quote:
        """The same with what an order of this side has left."""
        return replace(self, asks=levels) if side == "buy" else replace(self, bids=levels)


def is_within(side: Side, price: float, limit: float) -> bool:
    """Whether a price is the limit or better."""
    return price <= limit if side == "buy" else price >= limit


def is_through(side: Side, price: float, limit: float) -> bool:
    """Whether a trade at this price went past an order that rests at the limit."""
    return price < limit if side == "buy" else price > limit


def quote_of(batch: TickBatch, row: int, tick_size: float = TICK_SIZE) -> Quote | None:
    """The quote of a tick; None when its price is none."""
    depth = (batch.depth_price[row], batch.depth_quantity[row]) if has_depth(batch, row) else None
    return quote(int(batch.receive_us[row]), float(batch.last_price[row]), int(batch.volume[row]), depth, tick_size)


def has_depth(batch: TickBatch, row: int) -> bool:
    """Whether a tick tells bids and asks."""
    return int(batch.kind[row]) == TickKind.FULL and len(batch.depth_price) > 0


def quote(
    at_us: int, last: float, volume: int, depth: tuple[Column, Column] | None, tick_size: float = TICK_SIZE
) -> Quote | None:
    """A quote; ``depth``: prices and quantities, five bids and then five asks, each of shape ``(10,)``."""
    if not math.isfinite(last) or last <= 0:
        return None
    last = round(last, DIGITS)
    if depth is not None:
        levels = list(zip(depth[0].tolist(), depth[1].tolist(), strict=True))
        return Quote(at_us, last, volume, _levels(levels[:LEVELS]), _levels(levels[LEVELS:]), shown=True)
    half_spread = ASSUMED_SPREAD_TICKS * tick_size / 2
    bid, ask = round(last - half_spread, DIGITS), round(last + half_spread, DIGITS)
    return Quote(at_us, last, volume, ((bid, ENDLESS),), ((ask, ENDLESS),), shown=False)


def _levels(levels: list[Level]) -> tuple[Level, ...]:
    return tuple(
        (round(price, DIGITS), quantity)
        for price, quantity in levels
        if quantity > 0 and math.isfinite(price) and price > 0
    )
