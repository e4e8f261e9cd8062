"""What an intent would change: the risk of its run's instrument before and after, and whether it only reduces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.orders import OrderIntent
from streams.positions.fold import Key, key_of
from streams.risk.book import Book
from streams.risk.exposure import Exposure, Working, exposure
from streams.risk.order import Order, Terms, wanted
from streams.risk.sums import paise


@dataclass(frozen=True, slots=True)
class Wish:
    """A place or modify with everything filled in, and what it would do."""

    intent: OrderIntent
    order: Order | None  # that is to be changed
    key: Key
    price: float  # that was reckoned with, 0 when none is known
    before: Exposure
    after: Exposure  # at the worst of what is pending, this included
    reduces: bool


def wish_of(book: Book, intent: OrderIntent, order: Order | None, price: float) -> Wish:
    """What the intent would do at a price; it has its product, and a modify all of the order's terms."""
    if order is None:
        key = intent.account, intent.run, intent.instrument, str(intent.product)
        orders: Iterable[Working] = (*book.workings(key), wanted(intent))
    else:
        key = key_of(order.state)
        orders = book.workings_with(key, order.id, Terms(intent.quantity, intent.price, intent.trigger))
    held, adverse = book.held(key), book.adverse(*key[:3])
    before = exposure(held, book.workings(key), price, adverse)
    after = exposure(held, orders, price, adverse)
    closes = after.pending_sell <= held if intent.side == "sell" else after.pending_buy <= -held
    grows = price <= 0 or paise(after.money_at_risk) > paise(before.money_at_risk)  # a stop may be moved away
    reduces = closes and (order is None or not grows)
    return Wish(intent, order, key, price, before, after, reduces)
