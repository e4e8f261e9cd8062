"""What the desk stands between: the market it sees, who is told of orders, and the work of one operation."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, Protocol

from producers.simulator.orders import lines
from producers.simulator.orders.book import Book
from producers.simulator.orders.matching import Look
from producers.simulator.orders.records import Entry, Order, Status, Terms, Trade
from schemas.market import Instrument


class Prices(Protocol):
    """The market as the desk sees it."""

    def find(self, name: str) -> Instrument | None:
        """What is listed under ``EXCHANGE:SYMBOL``."""
        ...

    def look(self, instrument: Instrument) -> Look | None:
        """What the market shows of it; None: nothing yet."""
        ...

    def is_open(self, instrument: Instrument) -> bool:
        """Whether it is traded now."""
        ...

    def now_us(self) -> int:
        """Market time."""
        ...

    @property
    def day(self) -> date:
        """The trading day."""
        ...


class News(Protocol):
    """Who is told what has become of orders."""

    def tell(self, order: Order, entry: Entry, status: str) -> None:
        """``entry``: the order's state. ``status``: the entry's, or UPDATE for a partial fill or a modification."""
        ...


class Work:
    """What one operation does: its entries and trades, in the book at once, in the journal and told at its end."""

    def __init__(self, book: Book, at_us: int) -> None:
        self.at_us = at_us
        self.lines: list[lines.Line] = []
        self.told: list[tuple[Order, Entry, str]] = []
        self._book = book

    def enter(self, order: Order, status: Status, told: str = "", **changes: Any) -> None:
        """An order's state is now this; ``told``: what it is called when it is told, empty: it is not."""
        entry = replace(order.now, status=status, at_us=self.at_us, **changes)
        self._book.enter(order, entry)
        lines.add_entry(self._line(order), entry)
        if told:
            self.told.append((order, entry, told))

    def receive(self, order: Order, terms: Terms) -> None:
        """A new order's first entry."""
        first = Entry("PUT ORDER REQ RECEIVED", self.at_us, terms)
        self._book.enter(order, first)
        self.lines.append(lines.order_line(order, is_new=True))
        lines.add_entry(self.lines[-1], first)

    def trade(self, order: Order, quantity: int, price: int) -> None:
        """A fill, after its entry."""
        made = Trade(f"{len(self._book.trades) + 1:08d}", order.placed.id, self.at_us, quantity, price)
        self._book.trade(order, made)
        lines.add_trade(self._line(order), made)

    def _line(self, order: Order) -> lines.Line:
        if not self.lines or self.lines[-1].get("order") != order.placed.id:
            self.lines.append(lines.order_line(order, is_new=False))
        return self.lines[-1]
