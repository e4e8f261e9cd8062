"""What the exchange knows of orders, trades and their histories. Prices are whole hundredths of a rupee.

An order is what was asked for (it never changes) and its history: every :class:`Entry` is the order's whole state
after something happened to it, so the last one is what it is now, and the order can be had again from its entries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from schemas.market import Instrument

Side = Literal["BUY", "SELL"]
Kind = Literal["MARKET", "LIMIT", "SL", "SL-M"]
Status = Literal[
    "PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN", "TRIGGER PENDING",
    "MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED", "CANCEL PENDING",
    "COMPLETE", "CANCELLED", "REJECTED",
]  # fmt: skip
LIVE: frozenset[str] = frozenset({"OPEN", "TRIGGER PENDING"})
DONE: frozenset[str] = frozenset({"COMPLETE", "CANCELLED", "REJECTED"})
STOPS: frozenset[str] = frozenset({"SL", "SL-M"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be changed of an order. Prices in hundredths, 0: none."""

    quantity: int
    kind: Kind
    price: int
    trigger: int
    validity: Literal["DAY", "IOC"]
    protection: float  # percent; -1: automatic; 0: none
    disclosed: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """What was asked for."""

    id: str
    exchange_id: str
    instrument: Instrument
    side: Side
    product: str
    tag: str  # empty: none
    at_us: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an order's history: its state at ``at_us``. ``value``: hundredths times quantity of all fills."""

    status: Status
    at_us: int
    terms: Terms
    filled: int = 0
    value: int = 0
    cancelled: int = 0
    message: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill at one price."""

    id: str
    order: str
    at_us: int
    quantity: int
    price: int


@dataclass(slots=True, eq=False)
class Order:
    """An order with its history, and what the desk notes of it while it is live."""

    placed: Placement
    entries: list[Entry] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    changes: int = 0  # modifications that were accepted
    rank: int = 0  # who was first at a price; a change of the terms loses the place
    passive: bool = False  # waits in the book at its price, instead of taking what the other side offers
    held: tuple[int, int] = (0, 0)  # quantity and value that the account sets aside for what is not filled
    reached_us: int = 0  # when it came to the exchange; 0: it has not
    form: bytes = b""  # its JSON in the order book, empty when it has to be written anew

    @property
    def now(self) -> Entry:
        """Its state."""
        return self.entries[-1]

    @property
    def left(self) -> int:
        """Quantity that is still wanted; 0 when it is done."""
        now = self.now
        return now.terms.quantity - now.filled if now.status not in DONE else 0

    def take(self, entry: Entry) -> None:
        """Adds to the history."""
        if entry.status in LIVE and not self.reached_us:
            self.reached_us = entry.at_us
        if entry.status == "MODIFIED":
            self.changes += 1
        self.entries.append(entry)
        self.form = b""
