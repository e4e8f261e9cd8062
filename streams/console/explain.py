"""Everything about one order, by its one id: from the record that led to it to the position after its last fill."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from schemas.calendar import INTERVALS, MINUTE_US
from schemas.fleet import Signal
from schemas.market import Candle, TickKind
from schemas.orders import EXTERNAL
from schemas.risk import Breach
from schemas.rupees import grouped
from schemas.ticks import TickBatch
from streams.console import trading_models as models
from streams.console.errors import ApiError
from streams.console.state import Console
from streams.console.trading_log import Order, TradingLog
from streams.console.trading_past import Found, record_at
from streams.console.trading_rows import (
    breach_row,
    change_row,
    iso,
    order_row,
    position_row,
    state_row,
    trade_row,
    verdict_row,
)
from streams.console.trading_view import find_order
from streams.console.trading_words import became, held, money, priced, sentence, terms
from streams.risk.scopes import scopes_of

MOST_SEEN = 3  # instruments of a batch that are named
AROUND_US = 300_000_000  # breaches so long before and after belong to the picture


def explain(console: Console, id_: str) -> models.Explanation:
    """GET /api/explain/{order}. NotFoundError."""
    order = find_order(console, id_)
    cause = _cause(console, order)
    with console.trading_follower.lock:
        row, log = order_row(order), console.trading
        position, later = _position(console, order)
        return models.Explanation(
            order=row,
            text=_text(row, position),
            cause=cause,
            verdict=verdict_row(order.verdict) if order.verdict else None,
            steps=steps_of(order, cause),
            changes=[change_row(order, change) for change in order.changes.values()],
            fills=[trade_row(fill, order) for fill in (order.state.fills() if order.state else ())],
            position=position,
            position_is_later=later,
            breaches=[breach_row(b) for b in _breaches(log, row)],
            states=[state_row(s) for scope in _scopes(row) if (s := log.states.get(scope))],
        )


def steps_of(order: Order, cause: models.Cause | None = None) -> list[models.Step]:
    """What happened, in the order of its times, each with its distance from the one before."""
    rank, made = 0, []

    def add(at_us: int, what: str, text: str, place: str = "") -> None:
        nonlocal rank
        if at_us:
            made.append((at_us, rank, what, text, place))
            rank += 1

    if cause is not None:
        add(cause.at_us, cause.place.partition("/")[0], cause.text, cause.place)
    if order.intent is not None:
        add(order.intent.at_us, "asked", _asked(order), f"order-intents/0/{order.place}" if order.place >= 0 else "")
    if (verdict := order.verdict) is not None:
        price = f"reckoned with {money(verdict.price)}" if verdict.price else ""
        text = price if verdict.approved else f"{verdict.code}: {verdict.reason}"
        add(verdict.at_us, "approved" if verdict.approved else "refused", text)
    for send in sorted(order.sends.values(), key=lambda send: send.at_us):
        add(send.at_us, "sending", f"{send.action}, by {send.gateway}")
    for change in order.changes.values():
        shown = change_row(order, change)
        by, why = f" by {shown.task}" * bool(shown.task), f": {shown.why}" * bool(shown.why)
        add(shown.at_us, f"{shown.action} asked", f"{_terms_of(shown)}{by}{why}".strip())
        if change.verdict is not None and not change.verdict.approved:
            add(change.verdict.at_us, f"{shown.action} refused", shown.reason)
    said = None
    for event in sorted(order.events.values(), key=lambda event: event.at_us):
        news = (event.status, event.filled, event.quantity, event.price, event.trigger, event.failed and event.id)
        if news == said:  # the same again from another source
            continue
        said = news
        add(event.at_us, "failed" if event.failed else event.status, _event_text(event))
    made.sort()
    before = made[0][0] if made else 0
    steps = []
    for at_us, _, what, text, place in made:
        after = (at_us - before) / 1000
        steps.append(models.Step(at_us=at_us, at=iso(at_us), what=what, text=text, after_ms=after, place=place))
        before = at_us
    return steps


def _asked(order: Order) -> str:
    wish = order.intent
    if wish is None:
        return ""
    who = wish.task or wish.run or "somebody"
    wanted = f"{wish.side} {grouped(wish.quantity)} {wish.instrument} {priced(wish.kind, wish.price, wish.trigger)}"
    return f"{wanted} by {who}" + (f": {wish.reason}" if wish.reason else "")


def _terms_of(change: models.ChangeRow) -> str:
    if change.action != "modify":
        return ""
    parts = [
        grouped(change.quantity) if change.quantity else "",
        f"price {money(change.price)}" if change.price else "",
        f"trigger {money(change.trigger)}" if change.trigger else "",
    ]
    return ", ".join(part for part in parts if part)


def _event_text(event: Any) -> str:
    filled = f"{grouped(event.filled)} of {grouped(event.quantity)} filled"
    filled += f" at {money(event.average_price)}" if event.filled else ""
    broker = f"the broker's {event.broker_order}" if event.broker_order else ""
    return ", ".join(part for part in (filled, broker, event.reason, f"heard by {event.source}") if part)


def _cause(console: Console, order: Order) -> models.Cause | None:
    place = order.wish.cause if order.wish else ""
    if not place:
        return None
    try:
        found = record_at(console.settings, place)
    except ApiError as error:  # also when Kafka does not answer: the rest is told nevertheless
        return models.Cause(place=place, kind="", text=str(error), at_us=0, at="", record={})
    return cause_of(place, found, order.wish.instrument if order.wish else "")


def cause_of(place: str, found: Found | None, instrument: str) -> models.Cause:
    """What a record said of an instrument."""
    if found is None:
        return models.Cause(place=place, kind="", text="It is not kept any more.", at_us=0, at="", record={})
    record = found.record
    if isinstance(record, TickBatch):
        at_us, text, fields = _ticks(record, instrument)
    else:
        fields = dataclasses.asdict(record)
        at_us, text = _said(record)
    kind = type(record).__name__
    return models.Cause(place=place, kind=kind, text=text, at_us=at_us, at=iso(at_us), record=_plain(fields))


def _ticks(batch: TickBatch, instrument: str) -> tuple[int, str, dict[str, Any]]:
    """The last tick of the instrument in a batch: its time, a sentence, its fields."""
    where = batch.names.index(instrument) if instrument in batch.names else -1
    rows = np.flatnonzero(batch.instrument == where)
    of = f"a batch of {len(batch)} tick{'s' * (len(batch) != 1)} from {batch.worker}"
    if not len(rows):  # the order is about another instrument than the tick that led to it
        last = {batch.names[which]: batch.last_price[row].item() for row, which in enumerate(batch.instrument.tolist())}
        seen = ", ".join(f"{name} at {money(price)}" for name, price in [*last.items()][:MOST_SEEN])
        more = f" and {len(last) - MOST_SEEN} more" if len(last) > MOST_SEEN else ""
        return batch.sent_us, f"{seen}{more}, in {of}", {"worker": batch.worker, "last_prices": last}
    row = int(rows[-1])
    fields = {
        "instrument": instrument, "worker": batch.worker, "kind": TickKind(int(batch.kind[row])).name,
        **{
            name: getattr(batch, name)[row].item()
            for name in ("receive_us", "exchange_us", "last_trade_us", "last_price", "last_quantity", "volume")
        },
    }  # fmt: skip
    return int(batch.receive_us[row]), f"{instrument} at {money(fields['last_price'])}, in {of}", fields


def _said(record: Any) -> tuple[int, str]:
    if isinstance(record, Candle):
        prices = " ".join(money(price) for price in (record.open, record.high, record.low, record.close))
        closed_us = record.start_us + INTERVALS.get(record.interval, 0) * MINUTE_US
        return (
            closed_us,
            f"{record.interval} candle of {record.instrument} from {iso(record.start_us)[11:16]}: {prices}",
        )
    if isinstance(record, Signal):
        about = f" of {record.instrument}" if record.instrument else ""
        return record.at_us, f"signal {record.name}{about}: {record.value:g}, from {record.run}"
    at_us = int(getattr(record, "at_us", 0))
    return at_us, f"{type(record).__name__} {getattr(record, 'id', '')}".strip()


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _position(console: Console, order: Order) -> tuple[models.PositionRow | None, bool]:
    """The position after the order's last fill, and whether later fills are in it too."""
    state, log = order.state, console.trading
    if state is None or not state.filled:
        return None, False
    key = "/".join((state.account, state.run, state.instrument, state.product))
    last_us = state.progress[-1].at_us
    after = [position for position in log.trails.get(key, ()) if position.at_us >= last_us]
    if not after:
        return None, False
    return position_row(after[0], log, console.price), after[0].at_us > last_us


def _scopes(row: models.OrderRow) -> tuple[str, ...]:
    return scopes_of(row.account, row.run, row.instrument)


def _breaches(log: TradingLog, row: models.OrderRow) -> Iterable[Breach]:
    scopes, since, until = _scopes(row), row.at_us - AROUND_US, row.last_us + AROUND_US
    found = [b for b in log.breaches.values() if b.scope in scopes and since <= b.at_us <= until]
    return sorted(found, key=lambda breach: breach.at_us)


def _text(row: models.OrderRow, position: models.PositionRow | None) -> str:
    who = f"Algo {row.run}" if row.run else row.task or "Somebody"
    who = "Somebody at the broker" if row.run == EXTERNAL else who
    after = f"; after it: {held(position)}" if position else ""
    return sentence(f"{who} wanted to {terms(row)} on {row.account}: {became(row).rstrip('.')}{after}")
