"""The paper exchange as the log knows it: what is not in ``order-events`` never happened.

So after a kill the orders that live, and what is held, are those that everybody has heard of. A fill that was made in
memory and not written is made again, by the ticks after the last one that was written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from producers.paper.exchange import Exchange, session_at
from producers.paper.order import PREFIX, UNKNOWN, PaperOrder, latency_us
from schemas.order_state import OrderState, take
from schemas.orders import OrderEvent, OrderIntent, OrderVerdict

DAY_US = 86_400_000_000


@dataclass(slots=True)
class Past:
    """A fold of an account's verdicts and events; events in the order of the log, as often as they like."""

    account: str
    now_us: int  # market time of the start
    states: dict[str, OrderState] = field(default_factory=dict)  # of those that live, and the last day's
    intents: dict[str, OrderIntent] = field(default_factory=dict)
    exchange: Exchange = field(default_factory=Exchange)
    _counted: dict[str, tuple[int, float]] = field(default_factory=dict)  # of each order: quantity and value

    def take_verdict(self, verdict: OrderVerdict) -> None:
        """An intent that may have been sent."""
        if verdict.approved and verdict.account == self.account:
            self.intents.setdefault(verdict.id, verdict.intent)

    def take_event(self, event: OrderEvent) -> None:
        """What was told of an order. Bookings and what never reached the exchange are none of its business."""
        if event.account != self.account or not event.broker_order.startswith(PREFIX):
            return
        state = self.states[event.order] = take(self.states.get(event.order), event)
        quantity, value = self._counted.get(event.order, (0, 0.0))
        if state.filled > quantity:
            total = state.filled * state.average_price
            more = state.filled - quantity
            self.exchange.count(
                (state.instrument, state.product), more if state.side == "buy" else -more, total - value
            )
            self._counted[event.order] = state.filled, total
        if not state.is_live and state.last_us < self.now_us - DAY_US:  # the exchange forgets the rest by itself
            del self.states[event.order]

    def restored(self) -> Exchange:
        """The exchange again."""
        for state in self.states.values():
            self.exchange.restore(order_again(state, self.intents.get(state.order)))
        return self.exchange


def order_again(state: OrderState, intent: OrderIntent | None) -> PaperOrder:
    """An order as it is known. It stands at the end of its queue, and a market order finds its bound anew."""
    known_us = max(state.terms[1], *(step.at_us for step in state.progress[-1:]), 0) or state.first_us
    arrives_us = known_us + latency_us(state.order) if state.status == "accepted" else known_us
    session = session_at(state.instrument, state.first_us)
    return PaperOrder(
        id=state.broker_order.removeprefix(PREFIX), instrument=state.instrument, side=state.side,
        product=state.product, kind=state.kind, validity=intent.validity if intent else "DAY",
        quantity=state.quantity, price=state.price, trigger=state.trigger,
        protection=intent.protection if intent else -1.0,
        opens_us=session.open_us if session else state.first_us,
        closes_us=session.close_us if session else state.first_us,
        arrives_us=arrives_us, status=state.status, filled=state.filled,
        value=state.filled * state.average_price, since_us=arrives_us, changed_us=known_us, revision=state.terms[0],
        triggered=state.kind in ("stop", "stop-limit") and state.status == "open", ahead=UNKNOWN, reason=state.reason,
    )  # fmt: skip
