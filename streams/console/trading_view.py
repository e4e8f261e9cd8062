"""Orders, fills and positions as a person sees them, from the fold."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from infra.clock import EXCHANGE
from schemas.calendar import calendar_of
from schemas.order_state import Fill
from schemas.orders import EXTERNAL, OrderEvent, OrderVerdict, Position
from streams.console import trading_models as models
from streams.console.errors import ApiError, NotFoundError
from streams.console.state import Console
from streams.console.trading_log import Change, Order, TradingLog
from streams.console.trading_past import past_day, past_order
from streams.fleet.parameters import similar
from streams.prices.instruments import UnknownInstrumentError
from streams.risk.scopes import PERSON, algo_scope

Prices = Callable[[str], float | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query asks for, with full names. None: any."""

    account: str | None
    run: str | None
    instrument: str | None
    day: date | None

    def takes(self, account: str, run: str, instrument: str, at_us: int) -> bool:
        """Whether something is asked for."""
        return (
            self.account in (None, account)
            and self.run in (None, run)
            and self.instrument in (None, instrument)
            and (self.day is None or calendar_of(EXCHANGE).day_of(at_us) == self.day)
        )


def wanted(console: Console, query: models.TradingQuery) -> Wanted:
    """The query with its names looked up. NotFoundError for an unknown run, ApiError for a bad day, and as
    ``InstrumentBook.find``. Call it under the trading follower's lock."""
    run = run_named(console, query.algo) if query.algo else None
    instrument = instrument_named(console, query.instrument) if query.instrument else None
    return Wanted(query.account or None, run, instrument, day_named(query.day))


def run_named(console: Console, text: str) -> str:
    """The run that is meant; ``-`` is a person's. NotFoundError with similar names."""
    name = text.strip()
    if name == PERSON:
        return ""
    if name.upper() == EXTERNAL:
        return EXTERNAL
    known = known_runs(console)
    if name in known:
        return name
    raise NotFoundError(f"There is no algo's run {name!r}{similar(name, dict.fromkeys(known))}.")


def known_runs(console: Console) -> set[str]:
    """The runs that the fleet knows, and those that traded."""
    fleet = {entry.wanted.run for entry in console.fleet.state.tasks.values() if entry.wanted}
    return (fleet | console.trading.runs()) - {"", PERSON, EXTERNAL}


def instrument_named(console: Console, text: str) -> str:
    """The instrument that is meant; one that is not traded any more is known by its orders and positions."""
    try:
        with console.follower.lock:
            return console.feed.book.find(text).instrument
    except UnknownInstrumentError:
        name = text.strip().upper()
        if any(position.instrument == name for position in console.trading.positions.values()) or any(
            order.wish and order.wish.instrument == name for order in console.trading.orders.values()
        ):
            return name
        raise


def day_named(text: str) -> date | None:
    """The day that is meant. ApiError when it is none."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ApiError(f"day: {text!r} is no date; write it as 2026-11-27.") from None


def orders_view(console: Console, query: models.OrdersQuery) -> models.Orders:
    """GET /api/orders."""
    with _log_for(console, query) as (log, asked):
        found = (
            order for order in log.orders.values()
            if asked.takes(*_about(order)) and (order.is_live or not query.live)
        )  # fmt: skip
        latest = heapq.nlargest(query.limit + 1, found, key=lambda order: (order.asked_us, order.id))
        rows = [order_row(order) for order in latest[: query.limit]]
    return models.Orders(day=today(console), orders=rows, more=len(latest) > query.limit)


def trades_view(console: Console, query: models.TradingQuery) -> models.Trades:
    """GET /api/trades."""
    with _log_for(console, query) as (log, asked):
        fills = (
            (fill, order) for order in log.orders.values() if order.state is not None for fill in order.state.fills()
            if asked.takes(order.state.account, order.state.run, order.state.instrument, fill.at_us)
        )  # fmt: skip
        latest = heapq.nlargest(query.limit + 1, fills, key=lambda pair: pair[0])
        rows = [trade_row(fill, order) for fill, order in latest[: query.limit]]
    return models.Trades(day=today(console), trades=rows, more=len(latest) > query.limit)


@contextmanager
def _log_for(console: Console, query: models.TradingQuery) -> Iterator[tuple[TradingLog, Wanted]]:
    """The fold that has what is asked for: the console's own, held still, or one of a day that it has not whole."""
    with console.trading_follower.lock:
        asked, log = wanted(console, query), console.trading
        first = next((order.asked_us for order in log.orders.values() if order.asked_us), 0)
        if log.is_whole or asked.day is None or (first and asked.day > calendar_of(EXCHANGE).day_of(first)):
            yield log, asked
            return
    yield past_day(console.settings, console.clock, asked.day), asked


def positions_view(console: Console, query: models.PositionsQuery) -> models.Positions:
    """GET /api/positions: what is held, and what was traded today; on a day, what was traded last then."""
    now = calendar_of(EXCHANGE).day_of(console.clock.now_us())
    with console.trading_follower.lock:
        asked, log = wanted(console, query), console.trading
        found = [
            position_row(position, log, console.price) for _, position in sorted(log.positions.items())
            if asked.takes(position.account, position.run, position.instrument, position.at_us)
            and (query.all or position.quantity or calendar_of(EXCHANGE).day_of(position.at_us) in (now, asked.day))
        ][: query.limit]  # fmt: skip
        return models.Positions(
            day=now.isoformat(),
            positions=found,
            differences=difference_rows(log, asked.account),
            broker=_broker_rows(log, asked),
            realised=round(sum(row.realised for row in found), 2),
            open=round(sum(row.open or 0.0 for row in found), 2),
            charges=round(sum(row.charges for row in found), 2),
        )


def difference_rows(log: TradingLog, account: str | None) -> list[models.DifferenceRow]:
    """What the broker sees otherwise, now."""
    return [
        models.DifferenceRow(
            account=d.account, instrument=d.instrument, product=d.product, ours=d.ours, brokers=d.brokers,
            at_us=d.at_us, at=iso(d.at_us),
        )
        for d in log.differences.values() if account in (None, d.account)
    ]  # fmt: skip


def _broker_rows(log: TradingLog, asked: Wanted) -> list[models.BrokerRow]:
    return [
        models.BrokerRow(
            account=account, instrument=held.instrument, product=held.product, quantity=held.quantity,
            average_price=held.average_price, at_us=said.at_us,
        )
        for account, said in sorted(log.brokers.items()) if asked.account in (None, account)
        for held in said.positions if asked.instrument in (None, held.instrument)
    ]  # fmt: skip


def position_row(position: Position, log: TradingLog, price_of: Prices) -> models.PositionRow:
    """A position with what it is worth now."""
    p, price = position, price_of(position.instrument)
    point = log.point(algo_scope(p.run))
    mine = [
        part for part in (point.parts if point else ())
        if (part.account, part.instrument, part.product) == (p.account, p.instrument, p.product)
    ]  # fmt: skip
    if price is None and mine and mine[0].price:
        price = mine[0].price
    return models.PositionRow(
        account=p.account, run=p.run, instrument=p.instrument, product=p.product, quantity=p.quantity,
        average_price=p.average_price, price=price, value=None if price is None else round(price * p.quantity, 2),
        realised=round(p.realised, 2), charges=round(p.charges, 2), bought=p.bought, sold=p.sold, orders=p.orders,
        open=0.0 if not p.quantity else None if price is None else round(p.quantity * (price - p.average_price), 2),
        money_at_risk=mine[0].money_at_risk if mine else None if p.quantity else 0.0,
        at_us=p.at_us, at=iso(p.at_us),
    )  # fmt: skip


def find_order(console: Console, id_: str) -> Order:
    """An order by its whole id, from the fold or from the log. NotFoundError with similar ones."""
    name = id_.strip()
    with console.trading_follower.lock:
        found = console.trading.orders.get(name)
        known = list(console.trading.orders)
        whole = console.trading.is_whole
    if found is None and not whole and name:
        found = past_order(console.settings, name)
    if found is None:
        begins = [other for other in known if len(name) >= 3 and other.startswith(name)][:3]
        hint = f"; did you mean {' or '.join(begins)}?" if begins else ": `./portfolio orders` lists them."
        raise NotFoundError(f"There is no order {name!r}{hint}")
    return found


def order_view(console: Console, id_: str) -> models.OrderDetail:
    """GET /api/orders/{id}. NotFoundError."""
    order = find_order(console, id_)
    with console.trading_follower.lock:
        return detail(order)


def detail(order: Order) -> models.OrderDetail:
    """An order with all that happened to it."""
    placed = order.sends.get(order.id)
    return models.OrderDetail(
        order=order_row(order),
        verdict=verdict_row(order.verdict) if order.verdict else None,
        sent_us=placed.at_us if placed else None,
        changes=[change_row(order, change) for change in order.changes.values()],
        events=[event_row(event) for event in order.events.values()],
        fills=[trade_row(fill, order) for fill in (order.state.fills() if order.state else ())],
    )


def order_row(order: Order) -> models.OrderRow:
    """An order in a row: as it is known by the broker where that is known, else as it was asked for."""
    wish, state, verdict = order.wish, order.state, order.verdict
    known = state or wish
    refused = verdict is not None and not verdict.approved
    account, run, instrument, at_us = _about(order)
    kind = wish.kind if wish else state.kind if state else ""  # a broker may have made a limit order of a market one
    return models.OrderRow(
        id=order.id, account=account, run=run, instrument=instrument,
        task=wish.task if wish else state.task if state else "",
        side=known.side if known else "", kind=kind,
        quantity=known.quantity if known else 0, filled=state.filled if state else 0,
        price=known.price if known and "limit" in kind else 0.0,
        trigger=known.trigger if known and "stop" in kind else 0.0,
        average_price=state.average_price if state else 0.0,
        product=known.product if known else "", validity=wish.validity if wish else "",
        status=order.status, live=order.is_live,
        code=verdict.code if verdict and refused else "", limit=verdict.limit if verdict and refused else "",
        reason=state.reason if state else verdict.reason if verdict else "", why=wish.reason if wish else "",
        broker_order=state.broker_order if state else "", at_us=at_us, at=iso(at_us),
        last_us=max(state.last_us if state else 0, verdict.at_us if verdict else 0, at_us),
        cause=wish.cause if wish else "", labels=dict(wish.labels) if wish else {},
    )  # fmt: skip


def trade_row(fill: Fill, order: Order) -> models.TradeRow:
    """A fill of an order whose state is known."""
    state = order.state
    if state is None:
        raise ValueError(f"order {order.id} has a fill but no state")
    return models.TradeRow(
        order=order.id, account=state.account, run=state.run, task=state.task, instrument=state.instrument,
        side=state.side, product=state.product, quantity=fill.quantity, price=round(fill.price, 6),
        value=round(fill.price * fill.quantity, 2), broker_order=state.broker_order, at_us=fill.at_us,
        at=iso(fill.at_us),
    )  # fmt: skip


def verdict_row(verdict: OrderVerdict) -> models.VerdictRow:
    """What risk said."""
    v = verdict
    return models.VerdictRow(
        approved=v.approved, code=v.code, limit=v.limit, reason=v.reason, numbers=dict(v.numbers), price=v.price,
        at_us=v.at_us, at=iso(v.at_us),
    )  # fmt: skip


def change_row(order: Order, change: Change) -> models.ChangeRow:
    """A wish to change the order, and what became of it."""
    wish = change.verdict.intent if change.verdict else change.intent
    state, reason = change_state(order, change)
    return models.ChangeRow(
        id=change.id, action=wish.action if wish else "", quantity=wish.quantity if wish else 0,
        price=wish.price if wish else 0.0, trigger=wish.trigger if wish else 0.0, task=wish.task if wish else "",
        why=wish.reason if wish else "", state=state, reason=reason, at_us=wish.at_us if wish else 0,
        at=iso(wish.at_us if wish else 0),
    )  # fmt: skip


def change_state(order: Order, change: Change) -> tuple[str, str]:
    """What became of a change: asked, refused, approved, sent, done or failed; and why."""
    answers = [event for event in order.events.values() if event.intent == change.id]
    if failed := next((event for event in answers if event.failed), None):
        return "failed", failed.reason
    wish = change.verdict.intent if change.verdict else change.intent
    if answers or (wish and wish.action == "cancel" and order.status == "cancelled"):
        return "done", ""
    if change.verdict is not None and not change.verdict.approved:
        return "refused", f"{change.verdict.code}: {change.verdict.reason}"
    if change.id in order.sends:
        return "sent", ""
    return ("approved" if change.verdict else "asked"), ""


def event_row(event: OrderEvent) -> models.EventRow:
    """What was said of an order."""
    names = ("status", "filled", "average_price", "quantity", "price", "trigger", "reason", "source", "failed", "at_us")
    return models.EventRow(**{name: getattr(event, name) for name in names}, at=iso(event.at_us))


def _about(order: Order) -> tuple[str, str, str, int]:
    """Account, run, instrument and time of an order."""
    known = order.wish or order.state
    if known is None:  # only a change or a send of it was heard
        sent = next(iter(order.sends.values()), None)
        return (sent.account if sent else ""), "", "", sent.at_us if sent else 0
    return known.account, known.run, known.instrument, order.asked_us


def today(console: Console) -> str:
    """The exchange's day now, ISO."""
    return calendar_of(EXCHANGE).day_of(console.clock.now_us()).isoformat()


def iso(market_us: int) -> str:
    """A market time for people: ISO, in the exchange's zone; empty for none."""
    if not market_us:
        return ""
    return (
        datetime.fromtimestamp(market_us / 1e6, UTC)
        .astimezone(calendar_of(EXCHANGE).zone)
        .isoformat(timespec="milliseconds")
    )
