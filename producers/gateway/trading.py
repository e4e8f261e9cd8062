"""Whether trading is on for an intent: the brake's file and risk's states, the strictest of them, and what reduces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.brake import Hold
from schemas.order_state import OrderState
from schemas.orders import OrderIntent, Position, Product, Side
from schemas.risk import STATES, RiskState, TradingState

Key = tuple[str, str, str]  # run, instrument, product: an account's gateway knows only its own
SIGN: dict[Side, int] = {"buy": 1, "sell": -1}


@dataclass(frozen=True, slots=True)
class Working:
    """How much of an order may still be filled; of one that was not answered yet, all of it."""

    order: str
    side: Side
    quantity: int


def scopes(account: str, run: str) -> tuple[str, ...]:
    """The scopes that an intent stands under."""
    return ("platform", f"account:{account}", *((f"algo:{run}",) if run else ()))


def hold_on(account: str, run: str, states: Mapping[str, RiskState], holds: Mapping[str, Hold]) -> Hold | None:
    """The strictest hold on an algo's orders, None when trading is on."""
    found = None
    for scope in scopes(account, run):
        for said in (holds.get(scope), states.get(scope)):
            if said is not None and said.state != "ACTIVE" and (found is None or _is_stricter(said.state, found.state)):
                found = Hold(said.state, said.actor, said.at_us, said.reason)
    return found


def sentence(hold: Hold) -> str:
    """Why something was not sent."""
    verb = "halted" if hold.state == "HALTED" else "only orders that reduce may leave, as set"
    return f"{verb} by {hold.actor or 'nobody known'}{f': {hold.reason}' if hold.reason else ''}"


def quantity_held(position: Position | None, orders: Iterable[OrderState]) -> int:
    """What is held, negative when short: the last position that risk told, and the fills that it does not know yet."""
    counted_us, held = (position.at_us, position.quantity) if position else (-1, 0)
    for order in orders:
        late = [fill.quantity for fill in order.fills() if fill.at_us > counted_us]
        held += SIGN[order.side] * sum(late)
    return held


def does_reduce(intent: OrderIntent, state: OrderState | None, held: int, working: Iterable[Working]) -> bool:
    """Whether a place or modify can only make a position smaller, whatever of the working orders is filled.

    ``state``: of the order that a modify is about.
    """
    is_modify = intent.action == "modify"
    side = state.side if state and is_modify else intent.side
    wanted = intent.quantity
    if state and is_modify:
        if _only_shrinks(intent, state):
            return True
        wanted = max(0, (intent.quantity or state.quantity) - state.filled)
    order = intent.order if is_modify else intent.id
    others = sum(one.quantity for one in working if one.side == side and one.order != order)
    return held * SIGN[side] < 0 and wanted + others <= abs(held)


def key_of(run: str, instrument: str, product: Product) -> Key:
    """Where a position is kept."""
    return run, instrument, product


def _only_shrinks(intent: OrderIntent, state: OrderState) -> bool:
    return (
        0 < intent.quantity <= state.quantity
        and intent.price in (0, state.price)
        and intent.trigger in (0, state.trigger)
    )


def _is_stricter(a: TradingState, b: TradingState) -> bool:
    return STATES.index(a) > STATES.index(b)
