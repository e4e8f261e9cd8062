"""The day's book: every order of the day, the trades, the account they make, and which orders are live where.

It is a fold: the journal's lines give the same book again, and the desk changes it only in the ways that lines have.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from producers.simulator.errors import KiteError
from producers.simulator.orders import lines
from producers.simulator.orders.account import Account
from producers.simulator.orders.records import DONE, LIVE, Entry, Order, Placement, Side, Trade
from schemas.market import Instrument


class Book:
    """The book of a trading day (ISO date; empty before the first)."""

    def __init__(self, day: str = "", account: Account | None = None) -> None:
        self.day = day
        self.account = account or Account()
        self.orders: dict[str, Order] = {}  # by id, in the order in which they came
        self.trades: list[Trade] = []
        self.live: dict[int, dict[str, Order]] = {}  # token -> order id -> order
        self.instruments: dict[int, Instrument] = {}  # that there are orders in
        self._ranks = 0

    @classmethod
    def of(cls, written: Iterable[dict[str, Any]]) -> Book:
        """The book that a journal's lines give."""
        book = cls()
        for line in written:
            if "order" in line:
                book._read(line)
            elif "instrument" in line:
                instrument = Instrument(**line["instrument"])
                book.instruments[instrument.token] = instrument
            elif "day" in line:
                book = cls(line["day"], lines.to_account(line))
            else:
                book.account.cash = line["cash"]
        return book

    def _read(self, line: dict[str, Any]) -> None:
        if "placed" in line:
            order = self.orders[line["order"]] = lines.to_order(line, self.instruments)
            order.rank, order.passive = self.next_rank(), True
        order = self.orders[line["order"]]
        for entry in lines.to_entries(line):
            self.enter(order, entry)
        for trade in lines.to_trades(line):
            self.trade(order, trade)

    def next_rank(self) -> int:
        """A place behind all others."""
        self._ranks += 1
        return self._ranks

    def find(self, order_id: str) -> Order:
        """An order of today. KiteError when there is none."""
        try:
            return self.orders[order_id]
        except KeyError:
            raise KiteError(400, "InputException", "Couldn't find that `order_id`.") from None

    def add(self, instrument: Instrument, side: Side, product: str, tag: str, at_us: int) -> Order:
        """A new order, its history still empty."""
        number = f"{self.day.replace('-', '')[2:]}{len(self.orders) + 1:09d}"
        order = Order(Placement(number, f"1{number}", instrument, side, product, tag, at_us), rank=self.next_rank())
        self.orders[number] = order
        self.instruments[instrument.token] = instrument
        return order

    def enter(self, order: Order, entry: Entry) -> None:
        """Adds to an order's history: what the account sets aside for it and where it is found follow from that."""
        order.take(entry)
        placed, left = order.placed, order.left
        if entry.status in LIVE:
            self.live.setdefault(placed.instrument.token, {})[placed.id] = order
            self._set_aside(order, (left, left * (entry.terms.price or entry.terms.trigger)))
        elif entry.status in DONE:
            self._set_aside(order, (0, 0))
            orders = self.live.get(placed.instrument.token)
            if orders and orders.pop(placed.id, None) and not orders:
                del self.live[placed.instrument.token]

    def _set_aside(self, order: Order, held: tuple[int, int]) -> None:
        if held != order.held:
            line = self.account.line(order.placed.instrument, order.placed.product)
            self.account.set_aside(line, order.placed.side, order.held, held)
            order.held = held

    def trade(self, order: Order, trade: Trade) -> None:
        """Adds a fill, which an entry has told of already."""
        self.trades.append(trade)
        order.trades.append(trade)
        line = self.account.line(order.placed.instrument, order.placed.product)
        self.account.fill(line, order.placed.side, trade.quantity, trade.price)
