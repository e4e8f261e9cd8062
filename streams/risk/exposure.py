"""Money at risk of one position and the orders around it: pure arithmetic.

Pending orders may be filled in any combination, so the largest of the extremes counts: all buys filled and no sell,
or all sells filled and no buy. At each of them the quantity that live stops cover can lose its distance to them, and
the rest the *adverse move*. ``README.md`` has worked examples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.orders import Side

_Parts = list[tuple[float, int]]  # rupees a share, shares


@dataclass(frozen=True, slots=True)
class Working:
    """A live order at its worst."""

    side: Side
    quantity: int  # the most that may still be filled
    ceiling: float = 0.0  # a buy's highest price by its own terms, 0: it has none
    slip: float = 0.0  # how much above the last price it may buy, as a fraction
    stop: float = 0.0  # as a stop of a position on the other side: where it gets out, 0: it is none
    cover: int = 0  # how much of such a position it covers at least
    limited: bool = False  # it gets out at ``stop`` or better or not at all: beyond that it covers nothing


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is at risk, in rupees; quantities in shares."""

    money_at_risk: float = 0.0
    covered: int = 0  # of what is held, by live stops
    pending_buy: int = 0
    pending_sell: int = 0
    notional: float = 0.0  # the value of the larger extreme
    position: int = 0  # the quantity of the larger extreme, without its sign

    @property
    def is_open(self) -> bool:
        """Whether anything is held or pending."""
        return bool(self.position or self.pending_buy or self.pending_sell)


NOTHING = Exposure()


def exposure(quantity: int, orders: Iterable[Working], price: float, adverse: float = 100.0) -> Exposure:
    """What is at risk with ``quantity`` held (negative: short) at ``price``; ``adverse`` is in percent of the price."""
    buys = sells = 0
    below: _Parts = []  # stops of a long position: distance to each, quantity
    above: _Parts = []  # of a short one
    slips: _Parts = []  # of buys: how much more than the price they may pay
    for order in orders:
        if order.side == "buy":
            buys += order.quantity
            slip = max(price * (1.0 + order.slip), order.ceiling) - price
            if slip > 0.0:
                slips.append((slip, order.quantity))
            if order.cover and not (order.limited and price > order.stop):
                above.append((max(0.0, order.stop - price), order.cover))
        else:
            sells += order.quantity
            if order.cover and not (order.limited and price < order.stop):
                below.append((max(0.0, price - order.stop), order.cover))
    long, short = max(0, quantity + buys), max(0, sells - quantity)
    fraction = adverse / 100.0
    extremes = (
        _at_risk(long, below, slips if buys else [], min(buys, long), price, fraction),
        _at_risk(short, above, [], 0, price, fraction),
    )
    held = abs(quantity)
    covered = min(held, sum(cover for _, cover in (below if quantity > 0 else above)))
    notional = max(long * price + _dearest(slips, min(buys, long)), short * price)
    return Exposure(max(extremes), covered, buys, sells, notional, max(long, short, held))


def _at_risk(
    size: int,
    stops: _Parts,
    slips: _Parts,
    opened: int,
    price: float,
    fraction: float,
) -> float:
    """At one extreme: ``size`` without its sign, of which ``opened`` are bought at their worst prices."""
    if not size:
        return 0.0
    money, left = 0.0, size
    for distance, cover in sorted(stops, reverse=True) if len(stops) > 1 else stops:  # the farthest are counted first
        taken = min(left, cover)
        money += taken * distance
        left -= taken
    money += left * price * fraction
    if slips:
        # What is bought dearer than the price loses all of that when a stop covers it, else the adverse move of it.
        # Which of them a stop will cover is not known: the dearest count with the larger of the two.
        full = size - left if fraction < 1.0 else left
        dear = _dearest(slips, min(full, opened))
        money += max(1.0, fraction) * dear + min(1.0, fraction) * (_dearest(slips, opened) - dear)
    return money


def _dearest(slips: _Parts, quantity: int) -> float:
    """The sum over the dearest units, ``quantity`` of them at most."""
    total = 0.0
    for slip, count in sorted(slips, reverse=True) if len(slips) > 1 else slips:
        taken = min(quantity, count)
        total += taken * slip
        quantity -= taken
    return total
