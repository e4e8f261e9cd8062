"""What a gateway knows of its account: a fold of what the log says and of what it did and heard itself. Pure.

Records may come in any order and any number of times: a send before its verdict, an event before both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from producers.gateway.errand import UNDER_WAY, Errand, Now
from producers.gateway.trading import Key, Working, key_of
from schemas.order_state import RANK, OrderState, first_state, join, order_event, take
from schemas.orders import (
    EXTERNAL,
    OrderEvent,
    OrderIntent,
    OrderSend,
    OrderVerdict,
    Position,
    Status,
)
from schemas.risk import RiskState

NO_NEWS: frozenset[Status] = frozenset({"requested", "unknown"})  # statuses that answer nothing


class Book:
    """The account's intents, orders, positions and trading states."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.errands: dict[str, Errand] = {}
        self.orders: dict[str, OrderState] = {}
        self.ours: dict[str, str] = {}  # our order of each of the broker's
        self.states: dict[str, RiskState] = {}
        self.positions: dict[Key, Position] = {}
        self.sent: dict[str, int] = {}  # when each intent in order-sends was written there, market time
        self.live: set[str] = set()  # orders of which more may be filled
        self.open: dict[str, dict[str, Errand]] = {}  # the errands of each order that are not answered
        self._answered: set[str] = set()
        self._of_key: dict[Key, set[str]] = {}

    def take_verdict(self, verdict: OrderVerdict) -> Errand | None:
        """An errand, if this is the first approval of an intent of this account."""
        intent = verdict.intent
        if not verdict.approved or intent.account != self.account or intent.id in self.errands:
            return None
        errand = Errand(intent)
        self.errands[intent.id] = errand
        if intent.id in self._answered or (errand.is_place and self._is_known(intent.id)):
            errand.phase = "answered"
            return errand
        if intent.id in self.sent:
            errand.phase = "unknown"
        self.open.setdefault(errand.order, {})[intent.id] = errand
        if errand.is_place:
            self._of_key.setdefault(key_of(intent.run, intent.instrument, intent.product), set()).add(intent.id)
        return errand

    def take_send(self, send: OrderSend) -> None:
        """It may have been sent: it never will be again."""
        if send.account == self.account:
            self.sent.setdefault(send.id, send.at_us)
            errand = self.errands.get(send.id)
            if errand and errand.phase == "queued":
                errand.phase = "unknown"

    def take_event(self, event: OrderEvent) -> None:
        """News of an order, whoever tells it."""
        if event.account != self.account:
            return
        state = take(self.orders.get(event.order), event)
        self.orders[event.order] = state
        if state.broker_order:
            self.ours.setdefault(state.broker_order, event.order)
        (self.live.add if state.is_live else self.live.discard)(event.order)
        self._of_key.setdefault(key_of(state.run, state.instrument, state.product), set()).add(event.order)
        if self._is_known(event.order):
            self._answer(event.order)
        if event.intent and answers(event):
            self._answer(event.intent)

    def take_state(self, state: RiskState) -> None:
        """What risk says of trading in a scope."""
        self.states[state.scope] = state

    def take_position(self, position: Position) -> None:
        """What risk has counted of an algo's fills."""
        if position.account == self.account:
            self.positions[key_of(position.run, position.instrument, position.product)] = position

    def place_of(self, order: str) -> Errand | None:
        """The errand that placed an order."""
        errand = self.errands.get(order)
        return errand if errand and errand.is_place else None

    def is_new(self, event: OrderEvent) -> bool:
        """Whether an event says more than is known, whenever it was heard."""
        state = self.orders.get(event.order)
        if state is None or (event.intent and event.intent not in self._answered and answers(event)):
            return True
        joined = join(state, first_state(event))
        same_terms = joined.terms[0] == state.terms[0] and joined.terms[2:] == state.terms[2:]
        terms = state.terms if same_terms else joined.terms
        return dataclasses.replace(joined, first_us=state.first_us, last_us=state.last_us, terms=terms) != state

    def event(self, order: str, status: Status, now: Now, **more: Any) -> OrderEvent:
        """An event of the gateway's own: all that is known of an order, with what is new in it."""
        state, place = self.orders.get(order), self.place_of(order)
        fields: dict[str, Any] = {"account": self.account, "order": order, "at_us": now.us}
        if state is not None:
            fields |= {
                "instrument": state.instrument, "side": state.side, "product": state.product,
                "quantity": state.quantity, "filled": state.filled, "average_price": state.average_price,
                "broker_order": state.broker_order, "run": state.run, "task": state.task, "kind": state.kind,
                "price": state.price, "trigger": state.trigger, "revision": state.terms[0],
                "broker_us": state.progress[-1].at_us if state.progress else 0,
            }  # fmt: skip
        else:
            about = place.intent if place else self.errands[more["intent"]].intent
            fields |= _of_intent(about)
        return order_event(**fields | {"status": status} | more)

    def working(self, key: Key, without: str) -> Iterator[Working]:
        """What may still be filled there, beside one intent's order."""
        for order in self._of_key.get(key, ()):
            state, place = self.orders.get(order), self.place_of(order)
            if order == without or (state and not state.is_live):
                continue
            if state is None or state.status in NO_NEWS:
                if place and place.phase in UNDER_WAY:
                    yield Working(order, place.intent.side, place.intent.quantity)
                continue
            changes = [e.intent for e in self.open.get(order, {}).values() if e.phase in UNDER_WAY]
            wanted = [intent.quantity - state.filled for intent in changes if intent.action == "modify"]
            yield Working(order, state.side, max([state.working, *wanted]))

    def filled(self, key: Key) -> list[OrderState]:
        """The orders there that have fills."""
        found = (self.orders.get(order) for order in self._of_key.get(key, ()))
        return [state for state in found if state and state.progress]

    def forget(self, before_us: int) -> None:
        """Drops what ended before a time: the broker's book does not show it any more, nobody asks for it."""
        for order in [o for o, state in self.orders.items() if state.last_us < before_us and not state.is_live]:
            state = self.orders.pop(order)
            self.ours.pop(state.broker_order, None)
            self._of_key.get(key_of(state.run, state.instrument, state.product), set()).discard(order)
        for errand in [e for e in self.errands.values() if e.phase == "answered" and e.deadline_us < before_us]:
            del self.errands[errand.intent.id]
        self._answered.intersection_update(self.errands)
        self.sent = {intent: at_us for intent, at_us in self.sent.items() if intent in self.errands}

    def _is_known(self, order: str) -> bool:
        state = self.orders.get(order)
        return state is not None and RANK[state.status] >= RANK["lost"]

    def _answer(self, intent: str) -> None:
        self._answered.add(intent)
        errand = self.errands.get(intent)
        if errand and errand.phase != "answered":
            errand.phase = "answered"
            waiting = self.open.get(errand.order, {})
            waiting.pop(intent, None)
            if not waiting:
                self.open.pop(errand.order, None)


def answers(event: OrderEvent) -> bool:
    """Whether it says what became of its intent."""
    return event.intent != event.order or event.status not in NO_NEWS


def external_order(broker_order: str) -> str:
    """The id of an order that was placed by hand at the broker."""
    return f"ext-{broker_order}"


def run_of(state: OrderState | None, place: Errand | None) -> tuple[str, str]:
    """Whose an order is: run and task."""
    if place is not None:
        return place.intent.run, place.intent.task
    return (state.run, state.task) if state is not None else (EXTERNAL, "")


def _of_intent(intent: OrderIntent) -> dict[str, Any]:
    return {
        "instrument": intent.instrument, "side": intent.side, "product": intent.product, "quantity": intent.quantity,
        "filled": 0, "average_price": 0.0, "run": intent.run, "task": intent.task, "kind": intent.kind,
        "price": intent.price, "trigger": intent.trigger,
    }  # fmt: skip
