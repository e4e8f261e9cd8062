"""What the tests of risk are made of: intents, a market, and a book that lives as risk's does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from schemas.market import Instrument
from schemas.order_state import order_event
from schemas.orders import OrderEvent, OrderIntent, OrderVerdict
from schemas.risk import Limit, TradingState
from streams.risk.book import Book
from streams.risk.judge import judge
from streams.risk.market import Quote

S = 1_000_000
NOW = 1_780_285_500 * S  # 2026-06-01, a Monday, 09:15 IST
INFY = Instrument("NSE:INFY", "kite", 408065, "NSE", "INFY", "INFOSYS", "EQ", "NSE", 0.05, 1)
TCS = replace(INFY, instrument="NSE:TCS", symbol="TCS", name="TCS", token=2953217)
NIFTY = replace(INFY, instrument="NSE:NIFTY 50", symbol="NIFTY 50", kind="INDEX", segment="INDICES", token=256265)
FUTURE = Instrument(
    "NFO:NIFTY26JUNFUT", "kite", 1, "NFO", "NIFTY26JUNFUT", "NIFTY", "FUT", "NFO-FUT", 0.05, 75, "2026-06-30"
)  # fmt: skip
PAST = replace(FUTURE, instrument="NFO:NIFTY26MAYFUT", symbol="NIFTY26MAYFUT", expiry="2026-05-26")


class Bazaar:
    """A market whose prices the test sets."""

    def __init__(self, *instruments: Instrument) -> None:
        self.instruments = {i.instrument: i for i in instruments or (INFY, TCS, NIFTY, FUTURE, PAST)}
        self.quotes = {name: Quote(100.0, NOW) for name in self.instruments}

    def instrument(self, name: str) -> Instrument | None:
        return self.instruments.get(name)

    def quote(self, name: str) -> Quote | None:
        return self.quotes.get(name)

    def similar(self, name: str) -> str:
        return " or ".join(known for known in self.instruments if known[:7] == name[:7])

    def set(self, name: str, price: float, fresh: bool = True) -> None:
        self.quotes[name] = Quote(price, NOW, fresh)


def intent(id_: str = "a1", **fields: Any) -> OrderIntent:
    """A buy of 10 INFY at the market, or what the fields say."""
    kind = fields.get("kind", "market")
    made = OrderIntent(
        id_, "paper", "crossover", "crossover@desk", "NSE:INFY", "buy", 10, kind, 0.0, 0.0, "paper", NOW
    )  # fmt: skip
    if kind in ("limit", "stop-limit") and "price" not in fields:
        fields["price"] = 100.0
    return replace(made, **fields)


def limit(scope: str, name: str, value: float, **fields: Any) -> Limit:
    """A limit that refuses."""
    return Limit(scope, name, value, **fields)  # type: ignore[arg-type]


class Desk:
    """A book, a market and a clock; intents are judged and their verdicts taken in, as risk does."""

    def __init__(self, *instruments: Instrument) -> None:
        self.book, self.market = Book(), Bazaar(*instruments)
        self.now_us = NOW
        self.holds: dict[str, TradingState] = {}
        self.offset = 0
        self.log: list[OrderVerdict | OrderEvent] = []

    def ask(self, wanted: OrderIntent) -> OrderVerdict:
        """Judges it and takes the verdict in."""
        verdict = judge(self.book, wanted, self.offset, self.market, self.now_us, self.holds)
        self.offset += 1
        self._take(verdict)
        return verdict

    def limits(self, of: Mapping[tuple[str, str], float], **fields: Any) -> None:
        for (scope, name), value in of.items():
            self.book.take(limit(scope, name, value, **fields))

    def hear(self, order: str, status: str, **fields: Any) -> OrderEvent:
        """An event of an order that is known, with what is said of it."""
        known = self.book.orders[order].state
        said: dict[str, Any] = {
            "account": known.account, "order": order, "status": status, "instrument": known.instrument,
            "side": known.side, "product": known.product, "quantity": known.quantity, "filled": known.filled,
            "average_price": known.average_price or 100.0, "at_us": self.now_us, "run": known.run, "task": known.task,
            "kind": known.kind, "price": known.price, "trigger": known.trigger, "intent": order,
            "revision": known.terms[0],
        }  # fmt: skip
        event = order_event(**{**said, **fields})
        self._take(event)
        return event

    def fill(self, order: str, quantity: int, price: float = 100.0) -> None:
        """Fills so much more of an order."""
        known = self.book.orders[order].state
        filled = known.filled + quantity
        average = (known.filled * known.average_price + quantity * price) / filled
        self.hear(order, "complete" if filled >= known.quantity else "open", filled=filled, average_price=average)

    def hold(self, quantity: int, **fields: Any) -> None:
        """Holds so much, bought or sold at 100 by an order that is done."""
        id_ = f"held{len(self.book.orders)}"
        side = "buy" if quantity > 0 else "sell"
        verdict = self.ask(intent(id_, side=side, quantity=abs(quantity), at_us=self.now_us, **fields))
        assert verdict.approved, verdict.reason
        self.fill(id_, abs(quantity))

    def _take(self, record: OrderVerdict | OrderEvent) -> None:
        self.book.take(record)
        self.log.append(record)
