"""Orders, fills and positions as a person sees them, from the fold."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from infra.clock import EXCHANGE
from schemas.calendar import calendar_of
from schemas.orders import EXTERNAL
from streams.console import trading_models as models
from streams.console.errors import ApiError, NotFoundError
from streams.console.state import Console
from streams.console.trading_log import Order, TradingLog
from streams.console.trading_past import past_day, past_order
from streams.console.trading_rows import (
    about,
    change_row,
    difference_rows,
    event_row,
    order_row,
    position_row,
    trade_row,
    verdict_row,
)
from streams.fleet.parameters import similar
from streams.prices.instruments import UnknownInstrumentError
from streams.risk.scopes import PERSON


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
            if asked.takes(*about(order)) and (order.is_live or not query.live)
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


def _broker_rows(log: TradingLog, asked: Wanted) -> list[models.BrokerRow]:
    return [
        models.BrokerRow(
            account=account, instrument=held.instrument, product=held.product, quantity=held.quantity,
            average_price=held.average_price, at_us=said.at_us,
        )
        for account, said in sorted(log.brokers.items()) if asked.account in (None, account)
        for held in said.positions if asked.instrument in (None, held.instrument)
    ]  # fmt: skip


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


def today(console: Console) -> str:
    """The exchange's day now, ISO."""
    return calendar_of(EXCHANGE).day_of(console.clock.now_us()).isoformat()
