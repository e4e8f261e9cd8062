"""Orders in sentences. Pure."""

from __future__ import annotations

from schemas.rupees import grouped
from streams.console.trading_models import ChangeRow, OrderRow, PositionRow

NOT_DONE = ("refused", "rejected", "lost", "not-sent")


def terms(order: OrderRow) -> str:
    """``buy 10 NSE:INFY limit 1,523.40``."""
    said = f"{order.side} {grouped(order.quantity)} {order.instrument}".strip()
    return f"{said} {priced(order.kind, order.price, order.trigger)}"


def priced(kind: str, price: float, trigger: float) -> str:
    """The kind of an order with its prices: ``market``, ``limit 1,523.40``, ``stop-limit 1,520 trigger 1,521``."""
    if kind == "stop":
        return f"stop {money(trigger)}"
    limit = f" {money(price)}" if price else ""
    return f"{kind}{limit}" + (f" trigger {money(trigger)}" if trigger else "")


def money(price: float) -> str:
    """A price with as many decimals as it has, two at least."""
    text = grouped(price, 4)
    whole, dot, part = text.partition(".")
    return f"{whole}.{part.rstrip('0').ljust(2, '0')}" if dot else f"{whole}.00"


def became(order: OrderRow) -> str:
    """What an order has become, with its numbers and the reason."""
    filled = f"{grouped(order.filled)} of {grouped(order.quantity)} filled"
    at = f" at {money(order.average_price)}" if order.filled else ""
    match order.status:
        case "asked":
            said = "asked; risk has not answered yet"
        case "refused":
            said = f"refused by risk, {order.code}" + (f" ({order.limit})" if order.limit else "")
        case "requested":
            said = "approved by risk; the gateway has not sent it yet"
        case "complete":
            return f"filled, {grouped(order.filled)}{at}"
        case "unknown":
            said = "sent, but the broker has not answered: it is looked for, and never sent again"
        case "rejected":
            said = "rejected by the broker"
        case "not-sent":
            said = "not sent"
        case "lost":
            said = "lost: the broker does not have it"
        case "accepted":
            said = "accepted by the broker"
        case _:
            said = f"{order.status.replace('-', ' ')}, {filled}{at}"
    return f"{said}: {order.reason}" if order.reason else said


def told(order: OrderRow) -> str:
    """The whole sentence on an order."""
    return sentence(f"Order {order.id} ({terms(order)}, {order.account}): {became(order)}")


def change_told(order: OrderRow, change: ChangeRow) -> str:
    """The sentence on a wish to change an order."""
    what = f"{change.action} of order {order.id}".capitalize()
    match change.state:
        case "done":
            said = f"done; it is {became(order)}"
        case "asked":
            said = "asked; risk has not answered yet"
        case "approved":
            said = "approved by risk; the gateway has not sent it yet"
        case "sent":
            said = "sent to the broker, which has not answered yet"
        case _:
            said = f"{change.state}: {change.reason}" if change.reason else change.state
    return sentence(f"{what}: {said}")


def held(position: PositionRow) -> str:
    """What is held, in a few words."""
    if not position.quantity:
        return f"flat in {position.instrument}"
    side = "long" if position.quantity > 0 else "short"
    return f"{side} {grouped(abs(position.quantity))} {position.instrument} at {money(position.average_price)}"


def sentence(text: str) -> str:
    """With a full stop."""
    return text if text.endswith((".", "?", "!")) else f"{text}."
