"""Order intents of what an algo asks for. ValueError in one sentence for what cannot be asked for."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from schemas.orders import OrderIntent, OrderKind, Product, Side, Validity
from streams.algo.events import Run
from streams.algo.orders import Order

KINDS: dict[tuple[bool, bool], OrderKind] = {
    (False, False): "market", (True, False): "limit", (False, True): "stop", (True, True): "stop-limit",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Terms:
    """The parts of an order that are seldom given; see the record OrderIntent."""

    product: Product = ""
    validity: Validity = "DAY"
    protection: float = -1.0
    valid_s: float = 30.0

    def check(self) -> None:
        """ValueError for what no order has."""
        if self.product not in get_args(Product):
            raise ValueError(f"a product is CNC, MIS or NRML, or empty for risk to choose, not {self.product!r}")
        if self.validity not in get_args(Validity):
            raise ValueError(f"a validity is DAY or IOC, not {self.validity!r}")
        if self.protection != -1 and not 0 < self.protection <= 100:
            raise ValueError(f"a protection is above 0 to 100 %, or -1 for the broker's own, not {self.protection!r}")
        if not math.isfinite(self.valid_s) or self.valid_s <= 0:
            raise ValueError(f"valid_s is a number of seconds above 0, not {self.valid_s!r}")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, when (market time), under which id, and which record led to it (``topic/partition/offset``)."""

    run: Run
    id: str
    at_us: int
    cause: str


def place(
    asked: Asked, side: Side, quantity: int, instrument: str, price: float, trigger: float, terms: Terms, reason: str,
    labels: Mapping[str, object],
) -> OrderIntent:  # fmt: skip
    """A new order: market; limit with a price; stop with a trigger; both."""
    if isinstance(quantity, bool) or operator.index(quantity) <= 0:
        raise ValueError(f"a quantity is a positive integer, not {quantity!r}; {side} says the direction")
    _check_prices(price, trigger)
    terms.check()
    return OrderIntent(
        id=asked.id, account=asked.run.trading, run=asked.run.run, task=asked.run.task, instrument=instrument,
        side=side, quantity=operator.index(quantity), kind=KINDS[bool(price), bool(trigger)], price=float(price),
        trigger=float(trigger), trading=asked.run.trading, at_us=asked.at_us, reason=reason, labels=texts(labels),
        product=terms.product, validity=terms.validity, protection=float(terms.protection),
        valid_s=float(terms.valid_s), cause=asked.cause,
    )  # fmt: skip


def modify(
    asked: Asked, order: Order, quantity: int, price: float, trigger: float, reason: str
) -> OrderIntent:  # fmt: skip
    """Another quantity, price or trigger of a working order; 0 leaves it as it is."""
    if isinstance(quantity, bool) or operator.index(quantity) < 0:
        raise ValueError(f"a quantity is a positive integer, or 0 to leave it as it is, not {quantity!r}")
    _check_prices(price, trigger)
    if not (quantity or price or trigger):
        raise ValueError("nothing of the order was to be modified: give a quantity, a price or a trigger")
    if price and "limit" not in order.kind:
        raise ValueError(f"a {order.kind} order has no price that could be modified")
    if trigger and "stop" not in order.kind:
        raise ValueError(f"a {order.kind} order has no trigger that could be modified")
    return dataclasses.replace(
        _about(asked, order, reason), action="modify", quantity=operator.index(quantity), price=float(price),
        trigger=float(trigger),
    )  # fmt: skip


def cancel(asked: Asked, order: Order, reason: str) -> OrderIntent:
    """The end of a working order."""
    return dataclasses.replace(_about(asked, order, reason), action="cancel")


def _about(asked: Asked, order: Order, reason: str) -> OrderIntent:
    run = asked.run
    return OrderIntent(
        id=asked.id, account=run.trading, run=run.run, task=run.task, instrument=order.instrument, side=order.side,
        quantity=order.quantity, kind=order.kind, price=order.price, trigger=order.trigger, trading=run.trading,
        at_us=asked.at_us, reason=reason, order=order.id, cause=asked.cause,
    )  # fmt: skip


def _check_prices(price: float, trigger: float) -> None:
    if not all(math.isfinite(value) and value >= 0 for value in (price, trigger)):
        raise ValueError(f"a price is a number of at least 0, not {price!r}, {trigger!r}")


def texts(values: Mapping[str, object]) -> dict[str, str]:
    """Values as a record has them."""
    return {name: str(value) for name, value in values.items()}
