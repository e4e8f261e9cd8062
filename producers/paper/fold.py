"""The paper exchange as a fold: ``fold(market, event) -> market, changed orders``, one market for each instrument.

It knows no clock and asks nobody: the same events in the same order give the same fills. Markets know nothing of each
other, so events of different instruments may come in any order between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from producers.paper.match import arrive, meet
from producers.paper.order import PaperOrder, latency_us
from producers.paper.quote import DIGITS, Quote

NEVER_US = 1 << 62


@dataclass(frozen=True, slots=True)
class Place:
    """An order was accepted."""

    order: PaperOrder


@dataclass(frozen=True, slots=True)
class Modify:
    """A change of an order was accepted. 0 in quantity, price or trigger leaves it."""

    id: str  # the intent's
    order: str
    quantity: int
    price: float
    trigger: float
    at_us: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """The end of an order was accepted."""

    order: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Time:
    """It is so late now, whether anything ticks or not."""

    at_us: int


Event = Place | Modify | Cancel | Quote | Time


@dataclass(frozen=True, slots=True)
class Request:
    """Something on its way to the book."""

    due_us: int
    action: Literal["arrive", "modify", "cancel"]  # in this order, when two are due at once
    order: str
    id: str
    quantity: int = 0
    price: float = 0.0
    trigger: float = 0.0


@dataclass(frozen=True, slots=True)
class Market:
    """An instrument: its last quote, the live orders, and what is on its way to them."""

    instrument: str
    quote: Quote | None = None
    orders: Mapping[str, PaperOrder] = field(default_factory=dict)  # never changed in place
    requests: tuple[Request, ...] = ()  # by time

    @property
    def next_us(self) -> int:
        """When something happens here even if nothing ticks."""
        due = self.requests[0].due_us if self.requests else NEVER_US
        return min(due, min((order.closes_us for order in self.orders.values()), default=NEVER_US))

    def is_settling(self, order: str) -> bool:
        """Whether a change of an order is on its way."""
        return any(request.order == order and request.action != "arrive" for request in self.requests)


def fold(market: Market, event: Event) -> tuple[Market, list[PaperOrder]]:
    """The market after an event, and each change of its orders that a broker tells of, in order."""
    desk = _Desk(dict(market.orders))
    match event:
        case Place(order) if order.id not in desk.orders:
            desk.put(order)
            market = _with(market, Request(order.arrives_us, "arrive", order.id, order.id))
        case Modify(id_, name, quantity, price, trigger, at_us) if name in desk.orders:
            due_us = max(at_us + latency_us(id_), desk.orders[name].arrives_us)
            terms = quantity, round(price, DIGITS), round(trigger, DIGITS)
            market = _with(market, Request(due_us, "modify", name, id_, *terms))
        case Cancel(name, at_us) if name in desk.orders:
            due_us = max(at_us + latency_us(f"{name} cancel"), desk.orders[name].arrives_us)
            market = _with(market, Request(due_us, "cancel", name, name))
        case Time(at_us):
            market = _advance(market, desk, at_us)
        case Quote() if market.quote is None or event.at_us > market.quote.at_us:
            market = _tick(_advance(market, desk, event.at_us), desk, event)
        case _:
            return market, []
    orders, requests = desk.orders, market.requests
    if any(not order.is_live for order in desk.told):
        orders = {id_: order for id_, order in orders.items() if order.is_live}
        requests = tuple(request for request in requests if request.order in orders)
    return Market(market.instrument, market.quote, orders, requests), desk.told


@dataclass(slots=True)
class _Desk:
    """The orders while an event is folded, and what is to be told of them."""

    orders: dict[str, PaperOrder]
    told: list[PaperOrder] = field(default_factory=list)

    def put(self, order: PaperOrder) -> None:
        before = self.orders.get(order.id)
        if order is not before:
            self.orders[order.id] = order
            if before is None or order.told != before.told:
                self.told.append(order)


def _with(market: Market, request: Request) -> Market:
    if request in market.requests:
        return market
    order = ("arrive", "modify", "cancel").index
    requests = sorted([*market.requests, request], key=lambda r: (r.due_us, order(r.action), r.id))
    return replace(market, requests=tuple(requests))


def _advance(market: Market, desk: _Desk, until_us: int) -> Market:
    """All that is due by then, in its order: requests reach the book, sessions end."""
    if market.next_us > until_us:
        return market
    for closes_us in sorted({order.closes_us for order in desk.orders.values() if order.closes_us <= until_us}):
        market = _requests(market, desk, closes_us - 1)
        for order in list(desk.orders.values()):
            if order.is_live and order.closes_us <= closes_us:
                desk.put(replace(order, status="cancelled", changed_us=closes_us, reason="the session is over"))
    return _requests(market, desk, until_us)


def _requests(market: Market, desk: _Desk, until_us: int) -> Market:
    due = [request for request in market.requests if request.due_us <= until_us]
    quote = market.quote
    for request in due:
        order = desk.orders[request.order]
        if order.is_live:
            order, quote = _REACH[request.action](order, request, quote)
            desk.put(order)
    return replace(market, quote=quote, requests=market.requests[len(due) :]) if due else market


def _arrive(order: PaperOrder, request: Request, quote: Quote | None) -> tuple[PaperOrder, Quote | None]:
    if quote is None or quote.at_us < order.opens_us:  # it meets the first tick of its session
        return order, quote
    return arrive(order, quote, request.due_us)


def _modify(order: PaperOrder, request: Request, quote: Quote | None) -> tuple[PaperOrder, Quote | None]:
    quantity = max(request.quantity or order.quantity, order.filled)
    price, trigger = request.price or order.price, request.trigger or order.trigger
    keeps_place = quantity <= order.quantity and price == order.price and trigger == order.trigger
    new = replace(
        order, quantity=quantity, price=price, trigger=trigger, revision=order.revision + 1, changed_us=request.due_us,
        status="complete" if quantity == order.filled else order.status,
    )  # fmt: skip
    if keeps_place or not new.is_live or order.status == "accepted":
        return new, quote
    return _arrive(new, request, quote)


def _cancel(order: PaperOrder, request: Request, quote: Quote | None) -> tuple[PaperOrder, Quote | None]:
    return replace(order, status="cancelled", changed_us=request.due_us), quote


_REACH = {"arrive": _arrive, "modify": _modify, "cancel": _cancel}


def _tick(market: Market, desk: _Desk, quote: Quote) -> Market:
    """A new quote, for all that is on the book: who pays most comes first, of two who pay the same the earlier one."""
    before, left = market.quote, {"buy": 0, "sell": 0}
    if before is not None and 0 <= before.volume <= quote.volume:
        left = dict.fromkeys(left, quote.volume - before.volume)
    coming = {request.order for request in market.requests if request.action == "arrive"} if market.requests else ()
    for order in sorted(desk.orders.values(), key=_priority):
        if not order.is_live or order.id in coming or quote.at_us <= order.since_us or quote.at_us < order.opens_us:
            continue
        if order.status == "accepted":  # there was no quote when it came
            order, quote = arrive(order, quote, quote.at_us)  # noqa: PLW2901 - what became of it
        else:
            was_there = before is not None and before.at_us >= order.since_us
            traded = left[order.side] if was_there else 0
            order, quote, rest = meet(order, quote, traded)  # noqa: PLW2901
            left[order.side] -= traded - rest
        desk.put(order)
    return replace(market, quote=quote)


def _priority(order: PaperOrder) -> tuple[bool, float, int, str]:
    price = order.price if order.side == "sell" else -order.price
    return not order.is_market, price, order.arrives_us, order.id
