"""Kite's words for orders, and ours. Pure. Source: Kite Connect 3, "Orders", "Postbacks", "Portfolio"."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from producers.gateway.broker import BrokerOrder
from schemas.calendar import calendar_of
from schemas.order_state import OrderState
from schemas.orders import BrokerPosition, OrderIntent, OrderKind, Product, Source, Status

KINDS: dict[OrderKind, str] = {"market": "MARKET", "limit": "LIMIT", "stop": "SL-M", "stop-limit": "SL"}
OUR_KINDS: dict[str, OrderKind] = {theirs: ours for ours, theirs in KINDS.items()}
STATUSES: dict[str, Status] = {
    "COMPLETE": "complete", "CANCELLED": "cancelled", "REJECTED": "rejected", "LAPSED": "cancelled",
    "OPEN": "open", "UPDATE": "open", "MODIFIED": "open", "TRIGGER PENDING": "trigger-pending",
}  # fmt: skip
SETTLING = ("MODIFY VALIDATION PENDING", "MODIFY PENDING", "CANCEL PENDING")
PROTECTED: tuple[OrderKind, ...] = ("market", "stop")  # Kite wants market protection for these, and never 0


def place_arguments(intent: OrderIntent) -> dict[str, Any]:
    """What ``KiteConnect.place_order`` is given."""
    exchange, _, symbol = intent.instrument.partition(":")
    return {
        "exchange": exchange,
        "tradingsymbol": symbol,
        "transaction_type": intent.side.upper(),
        "quantity": intent.quantity,
        "product": intent.product,
        "validity": intent.validity,
        "tag": intent.id,
        **_terms(intent.kind, intent.price, intent.trigger, intent.protection),
    }


def modify_arguments(intent: OrderIntent, state: OrderState) -> dict[str, Any]:
    """What ``KiteConnect.modify_order`` is given: all terms, so that nothing is left to what it takes by default."""
    return {
        "quantity": intent.quantity or state.quantity,
        **_terms(state.kind, intent.price or state.price, intent.trigger or state.trigger, intent.protection),
    }


def _terms(kind: OrderKind, price: float, trigger: float, protection: float) -> dict[str, Any]:
    made: dict[str, Any] = {"order_type": KINDS[kind]}
    if kind in ("limit", "stop-limit"):
        made["price"] = price
    if kind in ("stop", "stop-limit"):
        made["trigger_price"] = trigger
    if kind in PROTECTED:
        made["market_protection"] = int(protection) if protection == int(protection) else protection
    return made


def order_of(values: Mapping[str, Any], source: Source) -> BrokerOrder:
    """An order of the order book, of a text frame, or of a postback. ValueError or KeyError when it is none.

    A status that is not known (Kite has several for an order on its way) is ``accepted``: Kite has it.
    """
    status = str(values["status"])
    filled = int(values.get("filled_quantity") or 0)
    return BrokerOrder(
        broker_order=str(values["order_id"]),
        tag=_tag(values),
        instrument=f"{values['exchange']}:{values['tradingsymbol']}",
        side="sell" if values["transaction_type"] == "SELL" else "buy",
        product=_product(values.get("product")),
        kind=OUR_KINDS.get(str(values.get("order_type")), "limit"),
        validity="IOC" if values.get("validity") == "IOC" else "DAY",
        quantity=int(values["quantity"]),
        filled=filled,
        average_price=float(values.get("average_price") or 0.0) if filled else 0.0,
        price=float(values.get("price") or 0.0),
        trigger=float(values.get("trigger_price") or 0.0),
        status=STATUSES.get(status, "accepted"),
        reason=str(values.get("status_message") or values.get("status_message_raw") or ""),
        broker_us=micros(values.get("exchange_update_timestamp")) or micros(values.get("order_timestamp")),
        settling=status in SETTLING,
        source=source,
    )


def _tag(values: Mapping[str, Any]) -> str:
    tags = values.get("tags") or []
    return str(values.get("tag") or (tags[0] if tags else ""))


def _product(theirs: Any) -> Product:
    return "CNC" if theirs == "CNC" else "MIS" if theirs == "MIS" else "NRML" if theirs == "NRML" else ""


def micros(at: Any) -> int:
    """An instant as Kite writes it, in India's time without saying so, as microseconds of UTC; 0 for none."""
    if not at:
        return 0
    try:
        local = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    except ValueError:
        return 0
    if local.tzinfo is None:
        local = local.replace(tzinfo=calendar_of("NSE").zone)
    return int(local.timestamp() * 1_000_000)


def positions_of(positions: Mapping[str, Any], holdings: list[Mapping[str, Any]]) -> list[BrokerPosition]:
    """All that is held. What was bought for delivery is a position on its first day and a holding from then on; what
    is sold of it is a negative position on that day: so both count."""
    found: dict[tuple[str, Product], tuple[int, float]] = {}
    for row in positions.get("net") or []:
        place = f"{row['exchange']}:{row['tradingsymbol']}", _product(row.get("product"))
        found[place] = int(row["quantity"]), float(row.get("average_price") or 0.0)
    for row in holdings:
        place = f"{row['exchange']}:{row['tradingsymbol']}", _product("CNC")
        quantity, average = found.get(place, (0, 0.0))
        more = int(row.get("quantity") or 0) + int(row.get("t1_quantity") or 0)
        found[place] = quantity + more, average if quantity > 0 else float(row.get("average_price") or 0.0)
    return [BrokerPosition(name, product, *held) for (name, product), held in sorted(found.items()) if held[0]]


def is_from_kite(values: Mapping[str, Any], secret: str) -> bool:
    """Whether a postback's checksum is right: SHA-256 of order id, its timestamp and the secret."""
    said = f"{values.get('order_id', '')}{values.get('order_timestamp', '')}{secret}"
    wanted = hashlib.sha256(said.encode()).hexdigest()
    return hmac.compare_digest(wanted.encode(), str(values.get("checksum", "")).encode())
