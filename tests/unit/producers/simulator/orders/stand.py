"""A market that stands where a test puts it, with a desk on it and everything that the desk tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from producers.simulator.orders.desk import Desk
from producers.simulator.orders.journal import Journal
from producers.simulator.orders.matching import Look
from producers.simulator.orders.records import Entry, Order
from schemas.market import Instrument

INFY = Instrument("NSE:INFY", "kite", 408065, "NSE", "INFY", "INFOSYS", "EQ", "NSE", 0.05, 1)
TCS = Instrument("NSE:TCS", "kite", 2953217, "NSE", "TCS", "TCS", "EQ", "NSE", 0.05, 1)
NIFTY = Instrument("NSE:NIFTY 50", "kite", 256265, "NSE", "NIFTY 50", "NIFTY 50", "EQ", "INDICES", 0.0, 0)
FUTURE = Instrument(
    "NFO:NIFTY26NOVFUT", "kite", 9_000_002, "NFO", "NIFTY26NOVFUT", "NIFTY", "FUT", "NFO-FUT", 0.1, 75, "2026-11-24"
)
CALL = Instrument(
    "NFO:NIFTY26DEC25000CE", "kite", 9_000_258, "NFO", "NIFTY26DEC25000CE", "NIFTY", "CE", "NFO-OPT", 0.05, 75,
    "2026-12-29", 25000.0,
)  # fmt: skip
LISTED = (INFY, TCS, NIFTY, FUTURE, CALL)
Levels = Iterable[tuple[float, int]]


def look(last: float, bids: Levels = (), asks: Levels = (), volume: int = 0, close: float | None = None) -> Look:
    """What a market shows, in rupees. Its depth is another one whenever prices or quantities are."""
    below, above = (tuple((round(p * 100), q) for p, q in side) for side in (bids, asks))
    return Look(
        round(last * 100), round((last if close is None else close) * 100), volume, below, above,
        repr((last, below, above)).encode(),
    )  # fmt: skip


@dataclass
class Stand:
    """The market: a look for each instrument by its name."""

    folder: Path
    looks: dict[str, Look] = field(default_factory=dict)
    at_us: int = 1_795_000_000_000_000
    open: bool = True
    day: date = date(2026, 11, 23)
    listed: tuple[Instrument, ...] = LISTED
    told: list[tuple[str, Entry, str]] = field(default_factory=list)

    def find(self, name: str) -> Instrument | None:
        return next((entry for entry in self.listed if entry.instrument == name), None)

    def look(self, instrument: Instrument) -> Look | None:
        return self.looks.get(instrument.instrument) if instrument in self.listed else None

    def is_open(self, instrument: Instrument) -> bool:
        return self.open

    def now_us(self) -> int:
        self.at_us += 1_000
        return self.at_us

    def tell(self, order: Order, entry: Entry, status: str) -> None:
        self.told.append((order.placed.id, entry, status))

    def desk(self) -> Desk:
        """A desk on the folder's journal: the first, or one after a restart."""
        return Desk(self, Journal(self.folder), self)

    def show(self, desk: Desk, instrument: Instrument, made: Look) -> None:
        """The market takes a step."""
        self.looks[instrument.instrument] = made
        desk.step([instrument.token])

    def statuses(self, order_id: str) -> list[str]:
        """What was told of an order, in order."""
        return [status for known, _, status in self.told if known == order_id]


def request(instrument: Instrument = INFY, **more: Any) -> dict[str, str]:
    """The fields of a request, as they come over HTTP."""
    usual = {
        "exchange": instrument.exchange, "tradingsymbol": instrument.symbol, "transaction_type": "BUY",
        "quantity": instrument.lot_size, "product": "MIS" if instrument.kind == "EQ" else "NRML",
        "order_type": "MARKET", "market_protection": -1,
    }  # fmt: skip
    return {name: str(value) for name, value in (usual | more).items() if value is not None}


def limit(price: float, instrument: Instrument = INFY, **more: Any) -> dict[str, str]:
    """A limit order."""
    return request(instrument, **({"order_type": "LIMIT", "price": price, "market_protection": None} | more))


def whole(desk: Desk) -> Any:
    """All of a desk's book, to compare two."""
    book = desk.book
    orders = [(o.placed, o.entries, o.trades, o.changes, o.held, o.reached_us) for o in book.orders.values()]
    live = {token: list(orders) for token, orders in book.live.items()}
    account = replace(book.account, lines={key: line for key, line in book.account.lines.items() if _is_used(line)})
    return book.day, orders, book.trades, live, repr(account)


def _is_used(line: Any) -> bool:
    return bool(line.is_used or any(any(pair) for pair in line.pending.values()))
