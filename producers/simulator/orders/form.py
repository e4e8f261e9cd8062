"""Orders and trades as Kite writes them: in the order book, in frames and in postbacks. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from producers.simulator.orders.records import DONE, Entry, Order, Trade
from schemas.calendar import calendar_of

Form = dict[str, Any]
USER = "SIM001"


@lru_cache(maxsize=4096)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, calendar_of("NSE").zone).strftime("%Y-%m-%d %H:%M:%S")


def time(at_us: int) -> str | None:
    """An instant in the exchange's own time; 0: none."""
    return _second(at_us // 1_000_000) if at_us else None


def rupees(hundredths: float) -> float:
    """Hundredths as rupees."""
    return hundredths / 100


def order_form(order: Order, entry: Entry) -> Form:
    """An order in one of its states, as in the order book and in its history."""
    placed, terms = order.placed, entry.terms
    reached = order.reached_us if order.reached_us <= entry.at_us else 0
    return {
        "placed_by": USER,
        "order_id": placed.id,
        "exchange_order_id": placed.exchange_id if reached else None,
        "parent_order_id": None,
        "status": entry.status,
        "status_message": entry.message or None,
        "status_message_raw": entry.raw or None,
        "order_timestamp": time(entry.at_us),
        "exchange_update_timestamp": time(entry.at_us) if reached else None,
        "exchange_timestamp": time(reached),
        "variety": "regular",
        "modified": order.changes > 0,
        "exchange": placed.instrument.exchange,
        "tradingsymbol": placed.instrument.symbol,
        "instrument_token": placed.instrument.token,
        "order_type": terms.kind,
        "transaction_type": placed.side,
        "validity": terms.validity,
        "validity_ttl": 0,
        "product": placed.product,
        "quantity": terms.quantity,
        "disclosed_quantity": terms.disclosed,
        "price": rupees(terms.price),
        "trigger_price": rupees(terms.trigger),
        "average_price": rupees(entry.value / entry.filled) if entry.filled else 0,
        "filled_quantity": entry.filled,
        "pending_quantity": 0 if entry.status in DONE else terms.quantity - entry.filled,
        "cancelled_quantity": entry.cancelled,
        "market_protection": terms.protection,
        "auction_number": None,
        "meta": {},
        "tag": placed.tag or None,
        "tags": [placed.tag] if placed.tag else [],
        "guid": f"sim{placed.id}",
    }


def book_form(order: Order) -> bytes:
    """The order's JSON in the order book; kept until it changes, because the book is asked for often."""
    if not order.form:
        order.form = orjson.dumps(order_form(order, order.now))
    return order.form


def news_form(order: Order, entry: Entry, status: str) -> Form:
    """An order in a websocket frame or a postback, without the checksum."""
    made = order_form(order, entry) | {"status": status}
    return made | {"user_id": USER, "app_id": 1, "unfilled_quantity": made["pending_quantity"], "checksum": ""}


def checksum(order_id: str, order_timestamp: str, secret: str) -> str:
    """What proves a postback to who knows the app's secret."""
    return hashlib.sha256(f"{order_id}{order_timestamp}{secret}".encode()).hexdigest()


def trade_form(order: Order, trade: Trade) -> Form:
    """A trade."""
    placed, at = order.placed, time(trade.at_us)
    return {
        "trade_id": trade.id,
        "order_id": placed.id,
        "exchange_order_id": placed.exchange_id,
        "exchange": placed.instrument.exchange,
        "tradingsymbol": placed.instrument.symbol,
        "instrument_token": placed.instrument.token,
        "product": placed.product,
        "transaction_type": placed.side,
        "average_price": rupees(trade.price),
        "quantity": trade.quantity,
        "fill_timestamp": at,
        "order_timestamp": (at or "")[11:],
        "exchange_timestamp": at,
    }
