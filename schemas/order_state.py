"""The state of an order as a join of what is said of it: events in any order, repeated, from any mix of sources.

Each part of the state only grows in an order of its own: the status in ``RANK``, the terms (quantity, price, trigger)
by how many changes were done and the broker's time, the fills by how much is filled in all. So the gateway, risk,
positions, algos and the console may each read at their own pace and come to the same state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from schemas.orders import EXTERNAL, OrderEvent, OrderKind, Product, Side, Status

RANK: dict[Status, int] = {
    "requested": 0, "unknown": 1, "lost": 2, "not-sent": 2,  # the broker's own word overrules all of these
    "accepted": 3, "trigger-pending": 4, "open": 5,
    "rejected": 6, "cancelled": 7, "complete": 8,
}  # fmt: skip
LIVE: frozenset[Status] = frozenset({"requested", "unknown", "accepted", "trigger-pending", "open"})


@dataclass(frozen=True, slots=True, order=True)
class Filled:
    """How much of an order was filled in all at a moment, and at which average price."""

    filled: int
    at_us: int
    average_price: float


@dataclass(frozen=True, slots=True, order=True)
class Fill:
    """A part of an order that was filled, at its own price. Sorted they are in the order in which they happened."""

    at_us: int
    order: str
    filled: int  # of the order in all, with this
    quantity: int
    price: float


@dataclass(frozen=True, slots=True)
class OrderState:
    """All that is known of an order."""

    order: str
    account: str
    instrument: str
    side: Side
    product: Product
    status: Status
    quantity: int
    price: float
    trigger: float
    kind: OrderKind
    run: str
    task: str
    broker_order: str
    reason: str  # of the status
    terms: tuple[int, int, int, float, float, str]  # revision, broker's time, quantity, price, trigger, kind
    progress: tuple[Filled, ...]  # the least first
    first_us: int
    last_us: int

    @property
    def filled(self) -> int:
        """How much is filled."""
        return self.progress[-1].filled if self.progress else 0

    @property
    def average_price(self) -> float:
        """Of what is filled, 0 when nothing is."""
        return self.progress[-1].average_price if self.progress else 0.0

    @property
    def is_live(self) -> bool:
        """Whether more may be filled."""
        return self.status in LIVE

    @property
    def working(self) -> int:
        """How much may still be filled."""
        return max(0, self.quantity - self.filled) if self.is_live else 0

    @property
    def is_external(self) -> bool:
        """Whether it was placed by hand at the broker."""
        return self.run == EXTERNAL

    def fills(self) -> list[Fill]:
        """Its fills, each at its own price: differences of what was filled in all."""
        made, quantity, value = [], 0, 0.0
        for step in self.progress:
            total = step.filled * step.average_price
            part = step.filled - quantity
            made.append(Fill(step.at_us, self.order, step.filled, part, (total - value) / part))
            quantity, value = step.filled, total
        return made


def first_state(event: OrderEvent) -> OrderState:
    """What one event says of an order."""
    filled = event.filled
    at_us = event.broker_us or event.at_us
    return OrderState(
        order=event.order, account=event.account, instrument=event.instrument, side=event.side, product=event.product,
        status=event.status, quantity=event.quantity, price=event.price, trigger=event.trigger, kind=event.kind,
        run=event.run, task=event.task, broker_order=event.broker_order,
        reason="" if event.failed else event.reason,
        terms=(event.revision, event.broker_us, event.quantity, event.price, event.trigger, event.kind),
        progress=(Filled(filled, at_us, event.average_price),) if filled > 0 else (),
        first_us=event.at_us, last_us=event.at_us,
    )  # fmt: skip


def join(a: OrderState, b: OrderState) -> OrderState:
    """What both know. Associative, commutative, idempotent."""
    (_, reason, status) = max((RANK[a.status], a.reason, a.status), (RANK[b.status], b.reason, b.status))
    terms = max(a.terms, b.terms)
    of = a if a.terms == terms else b
    return OrderState(
        order=a.order, account=a.account, instrument=max(a.instrument, b.instrument), side=max(a.side, b.side),
        product=max(a.product, b.product), status=status, quantity=of.quantity, price=of.price, trigger=of.trigger,
        kind=of.kind, run=max(a.run, b.run), task=max(a.task, b.task),
        broker_order=max(a.broker_order, b.broker_order), reason=reason, terms=terms,
        progress=a.progress if a.progress == b.progress else _progress(a.progress, b.progress),
        first_us=min(a.first_us, b.first_us), last_us=max(a.last_us, b.last_us),
    )  # fmt: skip


def take(state: OrderState | None, event: OrderEvent) -> OrderState:
    """The state after one more event; the same object when it says nothing new."""
    if state is None:
        return first_state(event)
    joined = join(state, first_state(event))
    return state if joined == state else joined


def take_all(events: Iterable[OrderEvent]) -> dict[str, OrderState]:
    """The orders of many events."""
    found: dict[str, OrderState] = {}
    for event in events:
        found[event.order] = take(found.get(event.order), event)
    return found


def _progress(a: tuple[Filled, ...], b: tuple[Filled, ...]) -> tuple[Filled, ...]:
    """Of two words on the same amount the earlier counts (of equal times the lower price): so that all agree."""
    best: dict[int, Filled] = {}
    for step in (*a, *b):
        known = best.get(step.filled)
        best[step.filled] = step if known is None else min(known, step)
    return tuple(best[filled] for filled in sorted(best))


def order_event(**fields: Any) -> OrderEvent:
    """An event whose id is made of what it says of the order, wherever and whenever that was heard."""
    made = OrderEvent(id="", **fields)
    news = [f.name for f in dataclasses.fields(made) if f.name not in ("id", "at_us", "source")]
    said = [(name, getattr(made, name)) for name in news]
    return dataclasses.replace(made, id=blake2b(repr(said).encode(), digest_size=10).hexdigest())
