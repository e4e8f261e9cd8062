"""A log, a broker and a market time for tests of the gateway's decisions, without any I/O."""

from __future__ import annotations

import dataclasses
from typing import Any

from producers.gateway.broker import BrokerOrder
from producers.gateway.errand import Now
from schemas.orders import Action, OrderIntent, OrderVerdict, Status

OPENING_US = 1_788_000_000_000_000  # a moment of market time; each test's begins here


def intent(name: str, at: Now, action: Action = "place", order: str = "", **more: Any) -> OrderIntent:
    """An intent to buy ten shares at a limit."""
    fields: dict[str, Any] = {
        "id": name, "account": "live", "run": "crossover", "task": "crossover-1", "instrument": "NSE:INFY",
        "side": "buy", "quantity": 10, "kind": "limit", "price": 100.0, "trigger": 0.0, "trading": "live",
        "at_us": at.us, "action": action, "order": order, "product": "MIS",
    }  # fmt: skip
    return OrderIntent(**fields | more)


def verdict(of: OrderIntent, *, approved: bool = True) -> OrderVerdict:
    """Risk's answer."""
    return OrderVerdict(of.id, of.account, approved, "", "", "", {}, 100.0, of.at_us, 0, of)


class MarketBroker:
    """An order book in memory that takes whatever it is given."""

    def __init__(self) -> None:
        self.book: dict[str, BrokerOrder] = {}
        self.said: list[BrokerOrder] = []  # every state that it ever showed

    def take(self, wanted: OrderIntent, at: Now) -> str:
        """An order, a change, a cancel; the broker's id."""
        if wanted.action == "place":
            return self.put(wanted.id, at, quantity=wanted.quantity, price=wanted.price, side=wanted.side)
        found = self.of_tag(wanted.order)
        if found is not None and found.status == "open":
            if wanted.action == "cancel":
                self.change(found.broker_order, at, status="cancelled")
            else:
                self.change(found.broker_order, at, quantity=wanted.quantity, price=wanted.price)
        return ""

    def put(self, tag: str, at: Now, **more: Any) -> str:
        """A new open order."""
        name = f"B{len(self.book) + 1}"
        fields: dict[str, Any] = {
            "instrument": "NSE:INFY", "side": "buy", "product": "MIS", "kind": "limit", "validity": "DAY",
            "quantity": 10, "filled": 0, "average_price": 0.0, "price": 100.0, "trigger": 0.0, "status": "open",
        }  # fmt: skip
        self.book[name] = BrokerOrder(name, tag, broker_us=_second(at), **fields | more)
        self.said.append(self.book[name])
        return name

    def change(self, broker_order: str, at: Now, **more: Any) -> None:
        """Another state of an order."""
        self.book[broker_order] = dataclasses.replace(self.book[broker_order], broker_us=_second(at), **more)
        self.said.append(self.book[broker_order])

    def fill(self, broker_order: str, quantity: int, at: Now) -> None:
        """A part of it, or the rest."""
        order = self.book[broker_order]
        filled = min(order.quantity, order.filled + quantity)
        status: Status = "complete" if filled >= order.quantity else "open"
        self.change(broker_order, at, filled=filled, average_price=order.price, status=status)

    def of_tag(self, tag: str) -> BrokerOrder | None:
        """The order with that tag."""
        return next((order for order in self.book.values() if order.tag == tag), None)


def _second(at: Now) -> int:
    return at.us // 1_000_000 * 1_000_000  # as Kite's clock
