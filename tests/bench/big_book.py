"""``python -m tests.bench.big_book ALGOS INSTRUMENTS``: a book in which each algo holds each instrument by an order.

Prints its memory, and what judging an intent and marking all of it cost then, as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time

import psutil

from infra.clock import market_clock
from schemas.market import Instrument
from schemas.order_state import order_event
from schemas.orders import OrderIntent, OrderVerdict
from streams.risk.book import Book
from streams.risk.judge import judge
from streams.risk.market import Quote
from streams.risk.watch import mark

PRICE = 100.0


class Flat:
    """A market in which everything has one price."""

    def __init__(self, instruments: int, now_us: int) -> None:
        self.now_us, self.price = now_us, PRICE
        self._there = {
            (name := f"NSE:BIG{n}"): Instrument(name, "kite", n, "NSE", f"BIG{n}", "", "EQ", "NSE", 0.05, 1)
            for n in range(instruments)
        }

    def instrument(self, name: str) -> Instrument | None:
        """As the market's."""
        return self._there.get(name)

    def quote(self, name: str) -> Quote | None:
        """As the market's."""
        return Quote(self.price, self.now_us, True) if name in self._there else None

    def similar(self, name: str) -> str:
        """As the market's."""
        return ""


def main(algos: int, instruments: int) -> dict[str, float]:
    """The figures."""
    process, now_us = psutil.Process(), market_clock().now_us()
    market = Flat(instruments, now_us)
    before = process.memory_info().rss
    book = Book()
    for algo in range(algos):
        for instrument in range(instruments):
            intent = _intent(f"a{algo}", f"NSE:BIG{instrument}", f"{algo}x{instrument}", now_us)
            book.take(OrderVerdict(intent.id, "paper", True, "", "", "", {}, PRICE, now_us, -1, intent))
            book.take(_filled(intent, now_us))
    book.take_changes()
    memory = process.memory_info().rss - before
    gc.freeze()  # as risk does it
    gc.set_threshold(100_000, 50, 100)
    judge(book, _intent("a0", "NSE:BIG0", "first", now_us), 0, market, now_us, {})  # values all that is new
    judged, began = 2000, time.perf_counter()
    for n in range(judged):
        name = f"NSE:BIG{n % instruments}"
        judge(book, _intent(f"a{n % algos}", name, f"z{n}", now_us), n, market, now_us, {})
    judging = (time.perf_counter() - began) / judged
    mark(book, market, now_us, {})
    market.price += 0.05
    began = time.perf_counter()
    mark(book, market, now_us + 1_000_000, {})
    marking = time.perf_counter() - began
    return {"mb": memory / 1e6, "judge_us": judging * 1e6, "mark_all_ms": marking * 1e3}


def _intent(run: str, instrument: str, id_: str, now_us: int) -> OrderIntent:
    return OrderIntent(
        id_, "paper", run, f"{run}@n", instrument, "buy", 1, "market", 0.0, 0.0, "paper", now_us, product="MIS"
    )


def _filled(intent: OrderIntent, now_us: int) -> object:
    return order_event(
        account=intent.account, order=intent.id, status="complete", instrument=intent.instrument, side=intent.side,
        product="MIS", quantity=1, filled=1, average_price=PRICE, at_us=now_us, broker_us=now_us, run=intent.run,
        task=intent.task, intent=intent.id, source="paper",
    )  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
