"""The fields of requests: from text to terms. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from producers.simulator.errors import KiteError
from producers.simulator.orders.records import STOPS, Side, Terms

TAG = re.compile(r"[A-Za-z0-9]{1,20}")
KINDS, VALIDITIES, PRODUCTS = ("MARKET", "LIMIT", "SL", "SL-M"), ("DAY", "IOC"), ("CNC", "MIS", "NRML")
MOST = 1 << 31


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request to place an order, its fields understood."""

    name: str  # EXCHANGE:SYMBOL
    side: Side
    product: str
    terms: Terms
    tag: str


def refusal(message: str) -> KiteError:
    """A request that makes no sense."""
    return KiteError(400, "InputException", message)


def check_variety(variety: str) -> None:
    """KiteError for all but regular orders."""
    if variety in ("amo", "co", "iceberg", "auction", "bo"):
        raise refusal(f"The simulated exchange takes no orders of variety `{variety}`: only regular.")
    if variety != "regular":
        raise refusal("Invalid `variety`.")


def parse(fields: Mapping[str, str]) -> Wanted:
    """A request's fields. KiteError names the one that is wrong."""
    if fields.get("autoslice") == "true":
        raise refusal("The simulated exchange does not slice orders: send orders within the freeze quantity.")
    name = f"{_needed(fields, 'exchange')}:{_needed(fields, 'tradingsymbol')}"
    side: Any = _one_of(fields, "transaction_type", ("BUY", "SELL"))
    product = _one_of(fields, "product", PRODUCTS)
    kind: Any = _one_of(fields, "order_type", KINDS)
    tag = fields.get("tag", "")
    if tag and not TAG.fullmatch(tag):
        raise refusal("Invalid `tag`. It should be alphanumeric and not longer than 20 characters.")
    if not fields.get("quantity"):
        raise refusal("Missing or empty field `quantity`")
    empty = Terms(0, kind, 0, 0, "DAY", 0.0)
    return Wanted(name, side, product, _terms(fields, empty), tag)


def changed(terms: Terms, fields: Mapping[str, str]) -> Terms:
    """The terms with a modification's fields. KiteError names the one that is wrong."""
    if "order_type" in fields:
        kind: Any = _one_of(fields, "order_type", KINDS)
        terms = replace(terms, kind=kind)
    return _terms(fields, terms)


def _terms(fields: Mapping[str, str], before: Terms) -> Terms:
    validity: Any = _one_of(fields, "validity", VALIDITIES) if fields.get("validity") else before.validity
    kind = before.kind
    terms = Terms(
        quantity=_whole(fields, "quantity", before.quantity),
        kind=kind,
        price=_price(fields, "price", before.price) if kind in ("LIMIT", "SL") else 0,
        trigger=_price(fields, "trigger_price", before.trigger) if kind in STOPS else 0,
        validity=validity,
        protection=_decimal(fields, "market_protection", before.protection) if kind in ("MARKET", "SL-M") else 0.0,
        disclosed=_whole(fields, "disclosed_quantity", before.disclosed),
    )
    if not 0 < terms.quantity < MOST:
        raise refusal("Invalid `quantity`.")
    if not 0 <= terms.disclosed <= terms.quantity:
        raise refusal("Invalid `disclosed_quantity`.")
    if kind in ("LIMIT", "SL") and terms.price <= 0:
        raise refusal("Missing or empty field `price`")
    if kind in STOPS and terms.trigger <= 0:
        raise refusal("Missing or empty field `trigger_price`")
    if kind in ("MARKET", "SL-M") and not (terms.protection == -1 or 0 < terms.protection <= 100):
        raise refusal(
            "Market orders without market protection are not allowed via API. "
            "Please set market protection or use a Limit order."
        )
    if kind in STOPS and validity == "IOC":
        raise refusal("Invalid `validity`: a stoploss order is of validity DAY.")
    return terms


def _needed(fields: Mapping[str, str], name: str) -> str:
    if not (value := fields.get(name, "")):
        raise refusal(f"Missing or empty field `{name}`")
    return value


def _one_of(fields: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    if (value := _needed(fields, name)) not in allowed:
        raise refusal(f"Invalid `{name}`.")
    return value


def _whole(fields: Mapping[str, str], name: str, before: int) -> int:
    value = fields.get(name)
    if value is None:
        return before
    try:
        return int(value)
    except ValueError:
        raise refusal(f"Invalid `{name}`.") from None


def _decimal(fields: Mapping[str, str], name: str, before: float) -> float:
    value = fields.get(name)
    if value is None:
        return before
    try:
        return float(value)
    except ValueError:
        raise refusal(f"Invalid request (failed to decode {name}, got: {value} (expected decimal))") from None


def _price(fields: Mapping[str, str], name: str, before: int) -> int:
    """In hundredths. KiteError for what is finer than a hundredth, or no number."""
    value = _decimal(fields, name, -1.0)
    if value == -1.0 and name not in fields:
        return before
    if not 0 <= value < MOST / 100:  # not a number is neither
        raise refusal(f"Invalid `{name}`.")
    whole = round(value * 100)
    if abs(value * 100 - whole) > 1e-6 * max(1.0, value):
        raise refusal(f"Invalid `{name}`: it has more than two decimals.")
    return whole
