"""Orders, fills, positions and what risk says of them, each as a row of the API."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

from infra.clock import EXCHANGE
from schemas.calendar import calendar_of
from schemas.order_state import Fill
from schemas.orders import OrderEvent, OrderVerdict, Position
from schemas.risk import Breach, RiskState
from streams.console import trading_models as models
from streams.console.trading_log import Change, Order, TradingLog
from streams.risk.scopes import algo_scope

Prices = Callable[[str], float | None]


def order_row(order: Order) -> models.OrderRow:
    """An order in a row: as it is known by the broker where that is known, else as it was asked for."""
    wish, state, verdict = order.wish, order.state, order.verdict
    known = state or wish
    refused = verdict is not None and not verdict.approved
    account, run, instrument, at_us = about(order)
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


def difference_rows(log: TradingLog, account: str | None) -> list[models.DifferenceRow]:
    """What the broker sees otherwise, now."""
    return [
        models.DifferenceRow(
            account=d.account, instrument=d.instrument, product=d.product, ours=d.ours, brokers=d.brokers,
            at_us=d.at_us, at=iso(d.at_us),
        )
        for d in log.differences.values() if account in (None, d.account)
    ]  # fmt: skip


def about(order: Order) -> tuple[str, str, str, int]:
    """Account, run, instrument and time of an order."""
    known = order.wish or order.state
    if known is None:  # only a change or a send of it was heard
        sent = next(iter(order.sends.values()), None)
        return (sent.account if sent else ""), "", "", sent.at_us if sent else 0
    return known.account, known.run, known.instrument, order.asked_us


def iso(market_us: int) -> str:
    """A market time for people: ISO, in the exchange's zone; empty for none."""
    if not market_us:
        return ""
    return (
        datetime.fromtimestamp(market_us / 1e6, UTC)
        .astimezone(calendar_of(EXCHANGE).zone)
        .isoformat(timespec="milliseconds")
    )


def breach_row(breach: Breach) -> models.BreachRow:
    """A breach in a row."""
    return models.BreachRow(**dataclasses.asdict(breach), at=iso(breach.at_us))


def state_row(state: RiskState) -> models.StateRow:
    """A state in a row."""
    return models.StateRow(
        scope=state.scope, state=state.state, source="risk", actor=state.actor, reason=state.reason,
        at_us=state.at_us, at=iso(state.at_us),
    )  # fmt: skip
