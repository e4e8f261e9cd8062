"""What may be ordered: the rules of the exchange and of the broker. Pure.

As at Kite there are two ways to say no. A request that makes no sense is answered with HTTP 400 and becomes no order
(:class:`KiteError`, raised here). One that makes sense and cannot be had becomes an order in status REJECTED with a
message (:class:`Rejection`): too little money or too few shares, a price outside the day's band, too large.
"""

from __future__ import annotations

from dataclasses import dataclass

from producers.simulator.orders.bands import tick_of
from producers.simulator.orders.fields import MOST, refusal
from producers.simulator.orders.records import STOPS, Side, Terms
from schemas.freeze import freeze_quantity
from schemas.market import Instrument

SHARES_PRODUCTS, CONTRACTS_PRODUCTS = ("CNC", "MIS"), ("MIS", "NRML")


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an order is rejected: for people, and as the machine behind says it."""

    message: str
    raw: str


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
