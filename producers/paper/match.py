"""How one order meets the market: from an order and a quote to the order and what is left of the quote. Pure.

Who arrives takes what is shown, at the prices shown. Who rests is filled at its own price, by what comes to it.
"""

from __future__ import annotations

from dataclasses import replace

from producers.paper.order import UNKNOWN, PaperOrder
from producers.paper.quote import DIGITS, LEVELS, Level, Quote, is_through, is_within
from schemas.charges import segment_of
from schemas.orders import Side

SHARES = ((100.0, 2.0), (500.0, 1.0), (float("inf"), 0.5))  # automatic protection: percent below each price
OPTIONS = ((10.0, 5.0), (100.0, 3.0), (500.0, 2.0), (float("inf"), 1.0))


def automatic_protection(instrument: str, price: float) -> float:
    """How far in percent a market order may go from the last price when nobody says it."""
    bands = OPTIONS if segment_of(instrument, "").endswith("options") else SHARES
    return next(percent for below, percent in bands if price < below)


def bound_of(order: PaperOrder, last: float) -> float:
    """The worst price at which a market order may be filled."""
    percent = order.protection if order.protection > 0 else automatic_protection(order.instrument, last)
    return round(last * (1 + percent / 100 * (1 if order.side == "buy" else -1)), DIGITS)


def is_triggered(order: PaperOrder, last: float) -> bool:
    """Whether a stop's time has come: the last price has reached its trigger."""
    return last >= order.trigger if order.side == "buy" else last <= order.trigger


def arrive(order: PaperOrder, quote: Quote, at_us: int) -> tuple[PaperOrder, Quote]:
    """An order meets the book at an instant: it waits for its trigger, or takes what it can; what is left rests."""
    if order.waits:
        if not is_triggered(order, quote.last):
            return _now(order, at_us, status="trigger-pending"), quote
        order = replace(order, triggered=True)
    order, quote = _take(_now(order, at_us, status="open"), quote, at_us)
    if order.is_live and order.validity == "IOC":
        return _now(order, at_us, status="cancelled", reason="what could not be filled at once, as IOC wants it"), quote
    return replace(order, ahead=_queue(order, quote)), quote


def meet(order: PaperOrder, quote: Quote, traded: int) -> tuple[PaperOrder, Quote, int]:
    """A new tick for an order that is on the book; ``traded``: since the tick before, as far as it is not used up."""
    if order.waits:
        return (*(arrive(order, quote, quote.at_us) if is_triggered(order, quote.last) else (order, quote)), traded)
    if order.is_market:
        return (*_take(order, quote, quote.at_us), traded)
    return _rest(order, quote, traded)


def _rest(order: PaperOrder, quote: Quote, traded: int) -> tuple[PaperOrder, Quote, int]:
    ahead, quantity = order.ahead, 0
    if traded > 0 and is_through(order.side, quote.last, order.price):
        ahead, quantity = 0, min(order.working, traded)  # nobody sells past a bid that stands there
    elif traded > 0 and quote.last == order.price and ahead != UNKNOWN:
        quantity = min(order.working, max(0, traded - ahead))
        ahead = max(0, ahead - traded)
    if (ahead := _shorter(ahead, order, quote)) != order.ahead:
        order = replace(order, ahead=ahead)
    order = _fill(order, quantity, quantity * order.price, quote.at_us)
    left, crossed, _ = _taken(quote.facing(order.side), order.side, order.working, order.price)
    if crossed:
        order = _fill(order, crossed, crossed * order.price, quote.at_us)
        quote = quote.with_facing(order.side, left)
    return order, quote, traded - quantity


def _take(order: PaperOrder, quote: Quote, at_us: int) -> tuple[PaperOrder, Quote]:
    if order.is_market and not order.bound:
        order = replace(order, bound=bound_of(order, quote.last))
    limit = order.bound if order.is_market else order.price
    left, quantity, value = _taken(quote.facing(order.side), order.side, order.working, limit)
    return _fill(order, quantity, value, at_us), quote.with_facing(order.side, left)


def _taken(levels: tuple[Level, ...], side: Side, wanted: int, limit: float) -> tuple[tuple[Level, ...], int, float]:
    """What is left of the levels when so much is taken of them within a limit; how much that was, and its value."""
    quantity, value, left = 0, 0.0, list[Level]()
    if not levels or not wanted or not is_within(side, levels[0][0], limit):
        return levels, 0, 0.0
    for price, there in levels:
        part = min(wanted - quantity, there) if is_within(side, price, limit) else 0
        quantity, value = quantity + part, value + part * price
        if there > part:
            left.append((price, there - part))
    return tuple(left), quantity, value


def _queue(order: PaperOrder, quote: Quote) -> int:
    """How much is before an order that joins the queue at its price now."""
    if order.is_market or not quote.shown:
        return 0
    levels = quote.beside(order.side)
    if shown := sum(quantity for price, quantity in levels if price == order.price):
        return shown
    return UNKNOWN if len(levels) == LEVELS and is_through(order.side, order.price, levels[-1][0]) else 0


def _shorter(ahead: int, order: PaperOrder, quote: Quote) -> int:
    """Who goes away before us makes the queue shorter; who comes later stands behind us."""
    if not quote.shown:
        return ahead
    there = _queue(order, quote)
    if UNKNOWN in (ahead, there):
        return max(ahead, there)
    return min(ahead, there)


def _fill(order: PaperOrder, quantity: int, value: float, at_us: int) -> PaperOrder:
    if not quantity:
        return order
    filled = order.filled + quantity
    done = filled >= order.quantity
    return _now(order, at_us, filled=filled, value=order.value + value, status="complete" if done else "open")


def _now(order: PaperOrder, at_us: int, **changes: object) -> PaperOrder:
    return replace(order, changed_us=at_us, since_us=max(order.since_us, at_us), **changes)  # type: ignore[arg-type]
