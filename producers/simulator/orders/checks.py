"""What may be ordered: the fields of a request, and the rules of the exchange. Pure.

As at Kite there are two ways to say no. A request that makes no sense is answered with HTTP 400 and becomes no order
(:class:`KiteError`, raised here). One that makes sense and cannot be had becomes an order in status REJECTED with a
message (:class:`Rejection`): too little money or too few shares, a price outside the day's band, too large.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from producers.simulator.errors import KiteError
from producers.simulator.orders.bands import tick_of
from producers.simulator.orders.records import STOPS, Side, Terms
from schemas.freeze import freeze_quantity
from schemas.market import Instrument

TAG = re.compile(r"[A-Za-z0-9]{1,20}")
KINDS, VALIDITIES, PRODUCTS = ("MARKET", "LIMIT", "SL", "SL-M"), ("DAY", "IOC"), ("CNC", "MIS", "NRML")
SHARES_PRODUCTS, CONTRACTS_PRODUCTS = ("CNC", "MIS"), ("MIS", "NRML")
MOST = 1 << 31


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request to place an order, its fields understood."""

    name: str  # EXCHANGE:SYMBOL
    side: Side
    product: str
    terms: Terms
    tag: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an order is rejected: for people, and as the machine behind says it."""

    message: str
    raw: str


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


def check_instrument(instrument: Instrument | None, product: str) -> Instrument:
    """KiteError unless it is listed, can be traded, and with this product."""
    if instrument is None:
        raise refusal("The instrument you are placing an order for has either expired or does not exist.")
    if instrument.segment == "INDICES":
        raise refusal(f"{instrument.symbol} is an index: it cannot be traded.")
    products = SHARES_PRODUCTS if instrument.kind == "EQ" else CONTRACTS_PRODUCTS
    if product not in products:
        raise refusal(f"Invalid `product`: {' or '.join(products)} for {instrument.symbol}.")
    return instrument


def check_terms(instrument: Instrument, side: Side, terms: Terms, last: int | None) -> None:
    """KiteError unless quantity and prices are whole lots and ticks, and a stop is on its side of the last price
    (None: it has been triggered, so it may be on any)."""
    lot, tick = max(1, instrument.lot_size), tick_of(instrument)
    if terms.quantity % lot:
        raise refusal(f"Invalid quantity. It should be a multiple of the lot size, {lot}.")
    if terms.price % tick or terms.trigger % tick:
        raise refusal(
            f"Tick size for this instrument is {tick / 100:.2f}. "
            "Kindly enter price in the multiple of tick size for this instrument."
        )
    if max(terms.price, terms.trigger) >= MOST:
        raise refusal("Invalid `price`.")
    if terms.kind in STOPS:
        _check_stop(side, terms, last)


def _check_stop(side: Side, terms: Terms, last: int | None) -> None:
    if terms.price and (terms.trigger > terms.price if side == "BUY" else terms.trigger < terms.price):
        word = "higher" if side == "BUY" else "lesser"
        raise refusal(f"Trigger price can't be {word} than price.")
    if last is not None and (terms.trigger <= last if side == "BUY" else terms.trigger >= last):
        word = "higher" if side == "BUY" else "lower"
        raise refusal(
            f"Trigger price for stoploss {side.lower()} orders should be {word} than the last traded price "
            f"({last / 100:.2f})."
        )


def too_large(instrument: Instrument, quantity: int) -> Rejection | None:
    """Whether the exchange freezes it."""
    most = freeze_quantity(instrument)
    if most is None or quantity <= most:
        return None
    return Rejection(
        f"Order quantity exceeds the freeze quantity of {most} for this instrument. Place smaller orders.",
        f"16283 : Order quantity {quantity} exceeds freeze limit {most}",
    )


def out_of_band(terms: Terms, limits: tuple[int, int]) -> Rejection | None:
    """Whether a price is outside the day's band."""
    low, high = limits
    outside = [price for price in (terms.price, terms.trigger) if price and high and not low <= price <= high]
    if not outside:
        return None
    return Rejection(
        f"Price exceeds circuit limits for the instrument. Place an order within the daily range "
        f"{low / 100:.2f} to {high / 100:.2f}.",
        f"RMS:Rule: Check circuit limit including square off order exceeds, Price:{outside[0] / 100:.2f}",
    )


def too_little_money(required: float, available: float) -> Rejection:
    """The account does not have the margin. In hundredths."""
    return Rejection(
        f"Insufficient funds. Required margin is {required / 100:.2f} but available margin is {available / 100:.2f}. "
        "Check the orderbook for open orders.",
        f"RMS:Margin Exceeds,Required:{required / 100:.2f}, Available:{available / 100:.2f} for entity account-SIM001",
    )


def too_few_shares(wanted: int, there: int) -> Rejection:
    """More would be sold than there is."""
    return Rejection(
        "Insufficient stock holding or there are pending sell orders for this stock. Check the orderbook.",
        f"RMS:Rule: Check holdings including pending orders, Required:{wanted}, Available:{max(0, there)}",
    )


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
