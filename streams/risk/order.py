"""An order as risk keeps it, and what is remembered of an intent that was judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from schemas.order_state import OrderState
from schemas.orders import Action, OrderEvent, OrderIntent, OrderKind, Side, Status
from streams.risk.exposure import Working

COVERING: frozenset[Status] = frozenset({"accepted", "trigger-pending"})  # in these a stop waits at the broker
STOPS = ("stop", "stop-limit")


@dataclass(frozen=True, slots=True)
class Order:
    """All that is known of an order."""

    intent: OrderIntent | None  # None: placed by hand at the broker, or its verdict was not read yet
    state: OrderState
    modify: OrderIntent | None = None  # approved and not answered yet
    verdict_us: int = 0  # when it was approved
    answered: tuple[str, ...] = ()  # modifies and cancels that were answered before their verdict was read

    @property
    def id(self) -> str:
        """By which it is known everywhere."""
        return self.state.order

    @property
    def protection(self) -> float:
        """Its market protection in percent; -1 when it is the broker's or not known."""
        return self.intent.protection if self.intent else -1.0


class Judged(NamedTuple):
    """What is remembered of an intent after its verdict."""

    at_us: int
    approved: bool
    action: Action
    account: str
    run: str
    instrument: str


class Terms(NamedTuple):
    """What an order asks for."""

    quantity: int  # in all, what is filled included
    price: float
    trigger: float


def requested(intent: OrderIntent, at_us: int) -> OrderEvent:
    """What is known of an order when its intent was approved and nothing more was heard. It is written nowhere."""
    return OrderEvent(
        id="", account=intent.account, order=intent.id, status="requested", instrument=intent.instrument,
        side=intent.side, product=intent.product, quantity=intent.quantity, filled=0, average_price=0.0, at_us=at_us,
        run=intent.run, task=intent.task, kind=intent.kind, price=intent.price, trigger=intent.trigger,
        intent=intent.id, source="risk",
    )  # fmt: skip


def changed_terms(order: Order, modify: OrderIntent) -> Terms:
    """The order's terms when the modify is done; what it gives as 0 stays as it is."""
    now = order.state
    return Terms(modify.quantity or now.quantity, modify.price or now.price, modify.trigger or now.trigger)


def working_of(order: Order, change: Terms | None = None) -> Working | None:
    """The live order at its worst, with a modify that is not answered yet and a ``change`` that is only thought of.

    None when nothing more can be filled.
    """
    if not order.state.is_live:
        return None
    terms = [Terms(order.state.quantity, order.state.price, order.state.trigger)]
    if order.modify is not None:
        terms.append(changed_terms(order, order.modify))
    if change is not None:
        terms.append(change)
    return at_worst(order, terms)


def wanted(intent: OrderIntent) -> Working:
    """An order that is only wanted, at its worst. No stop covers anything before the broker has it."""
    terms = Terms(intent.quantity, intent.price, intent.trigger)
    return Working(intent.side, intent.quantity, *_dearest(intent.side, intent.kind, intent.protection, [terms]))


def at_worst(order: Order, terms: list[Terms]) -> Working | None:
    """The order if it may have any of these terms; None when nothing more can be filled."""
    state = order.state
    quantity = max(t.quantity for t in terms) - state.filled
    if quantity <= 0:
        return None
    dearest = _dearest(state.side, state.kind, order.protection, terms)
    if state.kind not in STOPS or state.status not in COVERING:
        return Working(state.side, quantity, *dearest)
    limited = state.kind == "stop-limit"
    exits = [t.price if limited else t.trigger for t in terms]
    cover = max(0, min(t.quantity for t in terms) - state.filled)
    return Working(state.side, quantity, *dearest, max(exits) if state.side == "buy" else min(exits), cover, limited)


def _dearest(side: Side, kind: OrderKind, protection: float, terms: list[Terms]) -> tuple[float, float]:
    """The highest price of a buy by its own terms, and the fraction above the last price that it may pay."""
    if side != "buy":
        return 0.0, 0.0
    slip = max(0.0, protection) / 100.0
    if kind == "market":
        return 0.0, slip
    if kind == "stop":
        return max(t.trigger for t in terms) * (1.0 + slip), slip  # once it went off it is a market order
    return max(t.price for t in terms), 0.0
