"""The journal's lines: what becomes JSON, and what comes back from it. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from producers.simulator.orders.account import Account, Holding
from producers.simulator.orders.records import Entry, Order, Placement, Terms, Trade
from schemas.market import Instrument

Line = dict[str, Any]


def instrument_line(instrument: Instrument) -> Line:
    """What an instrument is; it comes before the first order in it, because a later day may not list it."""
    return {"instrument": asdict(instrument)}


def order_line(order: Order, is_new: bool) -> Line:
    """The start of a line on an order; :func:`add_entry` and :func:`add_trade` add what happened to it."""
    placed = order.placed
    if not is_new:
        return {"order": placed.id, "entries": []}
    asked = [placed.exchange_id, placed.instrument.token, placed.side, placed.product, placed.tag, placed.at_us]
    return {"order": placed.id, "placed": asked, "entries": []}


def add_entry(line: Line, entry: Entry) -> None:
    """A line of the order's history. Written out: ``astuple`` takes twenty times as long."""
    t = entry.terms
    terms = (t.quantity, t.kind, t.price, t.trigger, t.validity, t.protection, t.disclosed)
    line["entries"].append(
        (entry.status, entry.at_us, terms, entry.filled, entry.value, entry.cancelled, entry.message, entry.raw)
    )


def add_trade(line: Line, trade: Trade) -> None:
    """A fill of the order."""
    line.setdefault("trades", []).append((trade.id, trade.at_us, trade.quantity, trade.price))


def day_line(day: str, account: Account) -> Line:
    """What a day begins with."""
    carried = [
        (asdict(line.instrument), line.product, line.carried, line.carried_price) for line in account.lines.values()
    ]
    holdings = [(asdict(h.instrument), h.quantity, h.average, h.fresh) for h in account.holdings.values()]
    return {"day": day, "cash": account.cash, "carried": carried, "holdings": holdings}


def to_account(line: Line) -> Account:
    """The account at the start of the day."""
    account = Account(cash=line["cash"])
    for fields, product, quantity, average in line["carried"]:
        account.carry(Instrument(**fields), product, quantity, average)
    for fields, quantity, average, fresh in line["holdings"]:
        held = Instrument(**fields)
        account.holdings[held.instrument] = Holding(held, quantity, average, fresh)
    return account


def to_order(line: Line, instruments: dict[int, Instrument]) -> Order:
    """A new order, its history still empty."""
    exchange_id, token, side, product, tag, at_us = line["placed"]
    return Order(Placement(line["order"], exchange_id, instruments[token], side, product, tag, at_us))


def to_entries(line: Line) -> list[Entry]:
    """What was added to an order's history."""
    return [Entry(status, at_us, Terms(*terms), *rest) for status, at_us, terms, *rest in line["entries"]]


def to_trades(line: Line) -> list[Trade]:
    """The fills that were added."""
    return [
        Trade(number, line["order"], at_us, quantity, price)
        for number, at_us, quantity, price in line.get("trades", ())
    ]
