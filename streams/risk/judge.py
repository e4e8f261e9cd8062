"""What risk says to an intent.

In this order: its form and the market's rules; whether trading is on; whether the broker agrees with what is held; and
the limits at every scope that it belongs to, against what is held, what is pending and the intent itself at its worst.
The verdict has to be taken into the book before the next intent is judged: so of two that race for the last of a
budget one is refused.

**What reduces** may always leave, except where trading is halted: a place or modify on the other side of what its run
holds, of not more than that less what is pending on its side, by which money at risk does not grow. It passes all
limits but orders-per-second (the broker refuses more anyway, and a second later there is room) and price-band (a wrong
price costs just as much on the way out), and for it the last known price will do, however old. Its instrument must not
be one in which the broker's positions differ.

No limit refuses what does not add to it. Cancels of live orders always pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from schemas.order_state import OrderState
from schemas.orders import EXTERNAL, OrderIntent, OrderVerdict
from schemas.risk import TradingState
from schemas.rupees import grouped, rupees
from streams.risk.book import Book
from streams.risk.bounds import check_limits
from streams.risk.checks import (
    RefusedError,
    check_form,
    check_rules,
    check_sender,
    check_size,
    check_time,
    check_trigger,
    cut_short,
    find_instrument,
    with_product,
)
from streams.risk.market import Market, Quote
from streams.risk.order import STOPS, Order, changed_terms
from streams.risk.paces import who
from streams.risk.scopes import algo_scope, described
from streams.risk.wish import Wish, wish_of

MOST_CHANGES = 25  # of an order, by the broker


def judge(
    book: Book, intent: OrderIntent, offset: int, market: Market, now_us: int, holds: Mapping[str, TradingState]
) -> OrderVerdict:
    """The verdict on an intent that was not judged yet (``intent.id not in book.judged``). The book stays as it is.

    ``offset`` is its place in order-intents, ``holds`` what the brake holds by scope. The book's sums are settled here;
    prices of other instruments are those of the last :meth:`Sums.reprice`.
    """
    price = 0.0
    try:
        check_size(intent)
        quote = market.quote(intent.instrument)
        price = quote.price if quote else 0.0
        meant = _approved(book, intent, market, now_us, holds)
    except RefusedError as refused:
        if refused.code == "TOO_LARGE":
            intent = cut_short(intent)
        return OrderVerdict(
            intent.id, intent.account, False, refused.code, refused.limit, str(refused), refused.numbers, price, now_us,
            offset, intent,
        )  # fmt: skip
    return OrderVerdict(intent.id, intent.account, True, "", "", "", {}, price, now_us, offset, meant)


def _approved(
    book: Book, intent: OrderIntent, market: Market, now_us: int, holds: Mapping[str, TradingState]
) -> OrderIntent:
    """What may be sent. RefusedError when nothing may."""
    check_sender(intent)
    if intent.action == "cancel":
        return _cancelling(_order_of(book, intent).state, intent)
    check_time(intent, now_us)
    if intent.action == "place" and intent.id in book.orders:
        raise RefusedError("BAD_ID", f"There is an order {intent.id} already: another needs an id of its own.")
    order = _order_of(book, intent) if intent.action == "modify" else None
    meant = _changing(order, intent) if order else intent
    check_form(meant)
    instrument = find_instrument(meant, market)
    if order is None:
        meant = with_product(meant, instrument)
    check_rules(meant, instrument, now_us)
    quote = market.quote(meant.instrument)
    wish = wish_of(book, meant, order, quote.price if quote else 0.0)
    if intent.run == EXTERNAL and not wish.reduces:
        raise RefusedError("BAD_RUN", f"Orders of the run {EXTERNAL} can only reduce what was bought by hand.")
    _check_price(wish, quote)
    _check_state(book, wish, holds)
    _check_differences(book, wish)
    book.sums.settle(market)
    check_limits(book, wish, now_us)
    return meant


def _order_of(book: Book, intent: OrderIntent) -> Order:
    """The live order that a cancel or modify is about."""
    order = book.orders.get(intent.order)
    if order is None or order.state.account != intent.account:
        raise RefusedError("NO_ORDER", f"No order {intent.order!r} is known in the account {intent.account}.")
    run = order.state.run
    if intent.run not in ("", run):
        raise RefusedError(
            "NOT_ITS_OWNER", f"The order {order.id} is {described(algo_scope(run))}'s, not {intent.run}'s."
        )
    if not order.state.is_live:
        raise RefusedError("ORDER_DONE", f"The order {order.id} is {order.state.status}: nothing of it is left.")
    return order


def _cancelling(state: OrderState, intent: OrderIntent) -> OrderIntent:
    return replace(
        intent, instrument=state.instrument, side=state.side, kind=state.kind, product=state.product,
        quantity=state.quantity, price=state.price, trigger=state.trigger,
    )  # fmt: skip


def _changing(order: Order, intent: OrderIntent) -> OrderIntent:
    """The modify with all of the order's terms as they shall be."""
    state = order.state
    for what, new, old in (
        ("instrument", intent.instrument, state.instrument),
        ("side", intent.side, state.side),
        ("kind", intent.kind, state.kind),
        ("product", intent.product, state.product),
    ):
        if new and new != old:
            raise RefusedError("MODIFY_OTHER", f"The {what} of an order cannot be changed: {order.id} has {old}.")
    if order.modify is not None:
        raise RefusedError(
            "MODIFY_PENDING", f"The modify {order.modify.id} of the order {order.id} has not been answered yet."
        )
    revision = state.terms[0]
    if revision >= MOST_CHANGES:
        raise RefusedError(
            "MODIFY_TOO_OFTEN", f"The order {order.id} was changed {revision} times, the broker allows no more.",
            numbers={"value": MOST_CHANGES, "used": revision, "wanted": revision + 1},
        )  # fmt: skip
    terms = changed_terms(order, intent)
    if terms == (state.quantity, state.price, state.trigger):
        raise RefusedError("MODIFY_NOTHING", f"The order {order.id} is so already.")
    if 0 < terms.quantity <= state.filled:
        raise RefusedError(
            "MODIFY_FILLED", f"{grouped(state.filled)} of the order {order.id} are filled already.",
            numbers={"used": state.filled, "wanted": terms.quantity},
        )  # fmt: skip
    return replace(
        intent, instrument=state.instrument, product=state.product, quantity=terms.quantity, price=terms.price,
        trigger=terms.trigger,
    )  # fmt: skip


def _check_price(wish: Wish, quote: Quote | None) -> None:
    """Whether the risk can be reckoned, and a stop would wait. What reduces may go by an old price."""
    name = wish.intent.instrument
    is_stop = wish.intent.kind in STOPS
    if quote is None and (is_stop or not wish.reduces):
        raise RefusedError("NO_PRICE", f"There is no price of {name}: is it subscribed?")
    if quote is None:
        return
    if not quote.fresh and not wish.reduces:
        raise RefusedError("STALE_PRICE", f"The last price of {name}, {rupees(quote.price)}, is too old.")
    triggered = wish.order is not None and wish.order.state.status == "open"
    if is_stop and not triggered:
        check_trigger(wish.intent, quote.price)


def _check_state(book: Book, wish: Wish, holds: Mapping[str, TradingState]) -> None:
    state, scope = book.state_of(who(wish.key[0], wish.key[1]), holds)
    if state == "HALTED":
        raise RefusedError("HALTED", f"Trading is halted for {described(scope)}: only cancels leave.", scope)
    if state == "REDUCING" and not wish.reduces:
        raise RefusedError("REDUCING", f"For {described(scope)} only what reduces may leave: this does more.", scope)


def _check_differences(book: Book, wish: Wish) -> None:
    account, _, instrument, _ = wish.key
    for where, found in book.differences.items():
        if where[0] == account and not (wish.reduces and where[1] != instrument):
            raise RefusedError(
                "DIFFERENCE",
                f"The broker holds {grouped(found.brokers)} of {found.instrument} {found.product} in the account "
                f"{account}, our fills say {grouped(found.ours)}: a person has to accept that first.",
                numbers={"value": found.brokers, "used": found.ours},
            )
