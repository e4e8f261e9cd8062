"""Orders and positions between Kite's words and ours. Pure; no vendor's dict goes further than this file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from producers.gateway.broker import BrokerOrder, UnwritableError
from schemas.order_state import OrderState
from schemas.orders import BrokerPosition, OrderIntent, OrderKind, Product, Side, Source, Status

Form = Mapping[str, Any]
ZONE = timezone(timedelta(hours=5, minutes=30))  # Kite's times have no zone: they are India's
KINDS: dict[OrderKind, str] = {"market": "MARKET", "limit": "LIMIT", "stop": "SL-M", "stop-limit": "SL"}
OUR_KINDS: dict[str, OrderKind] = {theirs: ours for ours, theirs in KINDS.items()}
SIDES: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
PRODUCTS: dict[str, Product] = {"CNC": "CNC", "MIS": "MIS", "NRML": "NRML", "MTF": "CNC", "CO": "MIS", "BO": "MIS"}
STATUSES: dict[str, Status] = {
    "OPEN": "open", "TRIGGER PENDING": "trigger-pending", "COMPLETE": "complete", "REJECTED": "rejected",
    "CANCELLED": "cancelled", "CANCELLED AMO": "cancelled", "CANCEL": "cancelled", "LAPSED": "cancelled",
}  # fmt: skip
# All others say no more than that there is such an order (PUT ORDER REQ RECEIVED, VALIDATION PENDING, UPDATE, ...).
SETTLING = frozenset({"MODIFY VALIDATION PENDING", "MODIFY PENDING", "CANCEL PENDING", "MODIFIED"})
PROTECTED = frozenset({"MARKET", "SL-M"})  # refused without market protection
WITH_PRICE, WITH_TRIGGER = frozenset({"LIMIT", "SL"}), frozenset({"SL", "SL-M"})
OWN_TAGS = ("mktp", "autoslice", "iceberg")  # Kite adds these to an order's tags


def place_form(intent: OrderIntent) -> dict[str, Any]:
    """What ``KiteConnect.place_order`` wants. UnwritableError when Kite has no words for it."""
    exchange, _, symbol = intent.instrument.partition(":")
    if not (exchange and symbol):
        raise UnwritableError(f"{intent.instrument!r} is not EXCHANGE:SYMBOL, as Kite wants it.")
    if not (intent.id.isascii() and intent.id.isalnum() and len(intent.id) <= 20):
        raise UnwritableError(f"{intent.id!r} cannot be a tag at Kite: 1 to 20 letters and digits.")
    if intent.product not in PRODUCTS:
        raise UnwritableError(f"Kite has no product {intent.product!r}.")
    kind = KINDS[intent.kind]
    form: dict[str, Any] = {
        "variety": "regular", "exchange": exchange, "tradingsymbol": symbol, "quantity": intent.quantity,
        "transaction_type": intent.side.upper(), "product": intent.product, "order_type": kind,
        "validity": intent.validity, "tag": intent.id,
    }  # fmt: skip
    if kind in WITH_PRICE:
        form["price"] = intent.price
    if kind in WITH_TRIGGER:
        form["trigger_price"] = intent.trigger
    return form | _protection(intent, kind)


def modify_form(intent: OrderIntent, state: OrderState) -> dict[str, Any]:
    """What ``KiteConnect.modify_order`` wants besides variety and order: only what is to change."""
    kind = KINDS[state.kind]
    form: dict[str, Any] = {}
    if intent.quantity:
        form["quantity"] = intent.quantity
    if intent.price and kind in WITH_PRICE:
        form["price"] = intent.price
    if intent.trigger and kind in WITH_TRIGGER:
        form["trigger_price"] = intent.trigger
    return form | _protection(intent, kind)


def order_of(form: Form, source: Source) -> BrokerOrder:
    """An order as Kite's order book, frame or postback has it. KeyError, ValueError or TypeError when it is none."""
    status = str(form["status"])
    times = (form.get("order_timestamp"), form.get("exchange_update_timestamp"))
    return BrokerOrder(
        broker_order=str(form["order_id"]),
        tag=_tag(form),
        instrument=f"{form['exchange']}:{form['tradingsymbol']}",
        side=SIDES[form["transaction_type"]],
        product=PRODUCTS.get(form["product"], ""),
        kind=OUR_KINDS[form["order_type"]],
        validity="IOC" if form.get("validity") == "IOC" else "DAY",
        quantity=int(form["quantity"]),
        filled=int(form.get("filled_quantity") or 0),
        average_price=float(form.get("average_price") or 0),
        price=float(form.get("price") or 0),
        trigger=float(form.get("trigger_price") or 0),
        status=STATUSES.get(status, "accepted"),
        reason=str(form.get("status_message") or ""),
        broker_us=max((moment_us(each) for each in times if each), default=0),
        settling=status in SETTLING,
        source=source,
    )


def positions_of(net: Iterable[Form], holdings: Iterable[Form]) -> list[BrokerPosition]:
    """All that is held: the net positions, and the shares that have been delivered on earlier days.

    What is sold of holdings shows as a negative position of the day, so the two add up.
    """
    held: dict[tuple[str, Product], tuple[int, float]] = {}
    parts = [(form, int(form["quantity"])) for form in net]
    parts += [(form, _carried(form)) for form in holdings]
    for form, quantity in parts:
        key = f"{form['exchange']}:{form['tradingsymbol']}", PRODUCTS.get(form.get("product") or "CNC", "")
        before, average = held.get(key, (0, 0.0))
        price = float(form.get("average_price") or 0)
        total = before + quantity
        is_larger = abs(quantity) > abs(before)
        if before * quantity > 0:
            average = (before * average + quantity * price) / total
        elif is_larger:
            average = price
        held[key] = total, average
    return [
        BrokerPosition(instrument, product, quantity, average)
        for (instrument, product), (quantity, average) in sorted(held.items())
        if quantity
    ]


@lru_cache(maxsize=8192)
def moment_us(text: str) -> int:
    """A time of Kite's, as "2021-05-31 09:18:57", in microseconds since the epoch. ValueError when it is none."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * 1_000_000


def _protection(intent: OrderIntent, kind: str) -> dict[str, Any]:
    if kind not in PROTECTED:
        return {}
    percent = intent.protection
    return {"market_protection": int(percent) if percent == int(percent) else percent}


def _tag(form: Form) -> str:
    tags = [form.get("tag"), *(form.get("tags") or ())]
    return next((str(tag) for tag in tags if tag and not str(tag).startswith(OWN_TAGS)), "")


def _carried(form: Form) -> int:
    """Shares at the beginning of the day."""
    opening = form.get("opening_quantity")
    return int(opening) if opening is not None else int(form["quantity"]) + int(form.get("used_quantity") or 0)
