"""Verdicts and order events for the tests of an algo's orders."""

from __future__ import annotations

from typing import Any

from schemas.order_state import order_event
from schemas.orders import OrderEvent, OrderIntent, OrderVerdict
from streams.algo.events import Judged, Reported
from tests.unit.streams.candles.ticks import OPENING

A = "NSE:A"


def intent(id_: str = "o1", side: str = "buy", quantity: int = 10, **more: Any) -> OrderIntent:
    """A wish of the run ``run``."""
    given: dict[str, Any] = {
        "account": "paper", "run": "run", "task": "run@node", "instrument": A, "kind": "market", "price": 0.0,
        "trigger": 0.0, "trading": "paper", "at_us": OPENING,
    }  # fmt: skip
    return OrderIntent(id=id_, side=side, quantity=quantity, **(given | more))


def verdict(of: OrderIntent, *, approved: bool = False, offset: int = 0, **more: Any) -> OrderVerdict:
    """What risk says to it."""
    given: dict[str, Any] = {"code": "", "limit": "", "reason": ""}
    if not approved:
        given = {"code": "LIMIT_QUANTITY", "limit": "platform quantity", "reason": "Too many."}
    return OrderVerdict(
        id=of.id, account=of.account, approved=approved, numbers={}, price=0.0, at_us=of.at_us + 1, offset=offset,
        intent=of, **(given | more),
    )  # fmt: skip


def report(of: OrderIntent, status: str, filled: int = 0, average: float = 0.0, **more: Any) -> OrderEvent:
    """What the gateway says of it."""
    given: dict[str, Any] = {
        "account": of.account, "order": of.id, "status": status, "instrument": of.instrument, "side": of.side,
        "product": "MIS", "quantity": of.quantity, "filled": filled, "average_price": average, "at_us": of.at_us + 2,
        "run": of.run, "task": of.task, "kind": of.kind, "price": of.price, "trigger": of.trigger, "intent": of.id,
    }  # fmt: skip
    return order_event(**(given | more))


def judged(offset: int, of: OrderVerdict) -> Judged:
    """A record of topic ``order-verdicts``."""
    return Judged("order-verdicts/0", offset, of)


def reported(offset: int, of: OrderEvent) -> Reported:
    """A record of topic ``order-events``."""
    return Reported("order-events/0", offset, of)
