"""An order's way: intent → verdict → accepted by the simulator; what one risk worker does; what the book costs.

All of it runs on this machine: Kafka, the simulator, the feed, risk, the gateway, and the load. Times are from the call
that hands an intent to the producer until this process reads what came of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from infra.clock import market_clock
from infra.kafka import consumer, end_offsets, producer
from infra.settings import CHECKOUT, Settings
from producers.feed.balancer import FIRST_WATCHLIST
from schemas.codec import decode, encode
from schemas.orders import OrderEvent, OrderIntent, OrderVerdict
from schemas.topics import ORDER_EVENTS, ORDER_INTENTS, ORDER_VERDICTS
from streams.prices.reader import LivePrices
from tests.bench.measure import Line
from tests.bench.servers import home

SHARES, ALGOS = 10, 50
TICK = 5  # rupees: a multiple of all tick sizes
FAST = {"PORTFOLIO_GATEWAY_ORDERS_PER_S": "5000", "PORTFOLIO_SIMULATOR_ORDERS_PER_S": "5000"}
SERVICES = ("kafka", "postgres", "simulator", "feed", "risk", "gateway")
PATIENCE_S = 180.0
ACCEPTED = ("accepted", "open", "complete")


def run(quick: bool) -> list[Line]:
    """``order_*``: at 10 orders a second, at 1,000 intents a second, verdicts a second, the book in memory."""
    slow, many, backlog = (50, 500, 3_000) if quick else (300, 2_000, 20_000)
    lines: list[Line] = []
    with home(*SERVICES, **FAST) as chosen:
        prices = _prices(chosen)
        way = Way(chosen)
        _until_trading(way, prices)
        way.send(_intents(prices, 200), 20.0)  # processes that have just started are slower than they will ever be
        lines += _shown("order_10", way.send(_intents(prices, slow), 10.0))
        way.send(_intents(prices, 200), 200.0)
        lines += _shown("order_1000", way.send(_intents(prices, many), 1000.0))
        way.close()
    with home("kafka", "postgres", "simulator", "feed", "risk", **FAST) as chosen:
        prices = _prices(chosen)
        way = Way(chosen)
        _until_trading(way, prices)
        lines.append(Line("verdicts_a_second", way.backlog(_intents(prices, backlog, valid_s=3600)), "one worker"))
        way.close()
    return lines + _book(quick)


class Way:
    """Writes intents and reads what comes of them."""

    def __init__(self, of: Settings) -> None:
        self._to = producer(of, {"linger.ms": 0})
        self._reader: Consumer = consumer("bench-orders", of, {"fetch.wait.max.ms": 20})
        topics = (ORDER_VERDICTS, ORDER_EVENTS)
        self._reader.assign([TopicPartition(t.name, 0, end_offsets(t.name, [0])[0]) for t in topics])

    def close(self) -> None:
        """Ends the consumer."""
        self._reader.close()

    def send(self, intents: list[OrderIntent], a_second: float) -> list[tuple[float, float]]:
        """Seconds until the verdict and until it was accepted, of each; SystemExit when one is refused or lost."""
        began: dict[str, float] = {}
        judged: dict[str, float] = {}
        accepted: dict[str, float] = {}
        start = time.perf_counter()
        for number, intent in enumerate(intents):
            while (early := start + number / a_second - time.perf_counter()) > 0:
                self._read(min(early, 0.01), judged, accepted)
            began[intent.id] = time.perf_counter()
            self._to.produce(ORDER_INTENTS.name, encode(intent), intent.account.encode(), partition=0)
            self._to.poll(0)
        until = time.perf_counter() + PATIENCE_S
        while left := [i for i in intents if i.id not in accepted or i.id not in judged]:
            self._read(0.05, judged, accepted)
            if time.perf_counter() > until:
                raise SystemExit(f"{len(left)} of {len(intents)} orders were not judged or not accepted in time.")
        return [(judged[i.id] - began[i.id], accepted[i.id] - began[i.id]) for i in intents]

    def backlog(self, intents: list[OrderIntent]) -> float:
        """Verdicts a second, from the first to the last."""
        for intent in intents:
            self._to.produce(ORDER_INTENTS.name, encode(intent), intent.account.encode(), partition=0)
            self._to.poll(0)
        self._to.flush()
        judged: dict[str, float] = {}
        until = time.perf_counter() + PATIENCE_S
        while len(judged) < len(intents) and time.perf_counter() < until:
            self._read(0.5, judged, {})
        times = sorted(judged.values())
        half = times[len(times) // 4 :]  # while the backlog was being written it had less than it could do
        return (len(half) - 1) / (half[-1] - half[0])

    def _read(self, wait_s: float, judged: dict[str, float], accepted: dict[str, float]) -> None:
        first = self._reader.poll(wait_s)
        for message in [first, *self._reader.consume(500, 0)] if first else []:
            if message.error():
                continue
            now, value = time.perf_counter(), message.value() or b""
            if message.topic() == ORDER_EVENTS.name:
                event = decode(OrderEvent, value)
                if event.status in ACCEPTED:
                    accepted.setdefault(event.order, now)
                continue
            verdict = decode(OrderVerdict, value)
            if not verdict.approved:
                raise SystemExit(f"An order of the benchmark was refused: {verdict.code}: {verdict.reason}")
            judged.setdefault(verdict.id, now)


def _intents(prices: dict[str, float], count: int, valid_s: float = 600.0) -> list[OrderIntent]:
    """Orders of many algos to buy one share well below the price, in turn: they rest in the book."""
    made, names = market_clock().now_us(), list(prices)
    found = []
    for number in range(count):
        name, run = names[number % len(names)], f"bench{number // len(names) % ALGOS}"
        limit = float(prices[name] * 0.98 // TICK * TICK)
        found.append(
            OrderIntent(
                uuid4().hex[:20],
                "live",
                run,
                f"{run}@here",
                name,
                "buy",
                1,
                "limit",
                limit,
                0.0,
                "live",
                made,
                valid_s=valid_s,
            )
        )
    return found


def _prices(of: Settings) -> dict[str, float]:
    """The last prices of some shares of the first watchlist."""
    names = [name for name in FIRST_WATCHLIST.read_text(encoding="utf-8").splitlines() if " " not in name]
    prices, found = LivePrices(of), {}
    prices.start()
    try:
        for _ in _patience():
            with prices.table() as table:
                found = {name: live.last_price for name, live in table.of(names).items()}
            if len(found) >= SHARES:
                return dict(list(found.items())[:SHARES])
    finally:
        prices.stop()
    raise SystemExit(f"Only {len(found)} instruments have a price.")


def _until_trading(way: Way, prices: dict[str, float]) -> None:
    """Waits until an order goes all the way (or, without a gateway, until it is judged)."""
    refused = "there was no verdict"
    for _ in _patience():
        judged: dict[str, float] = {}
        (probe,) = _intents(prices, 1)
        way._to.produce(ORDER_INTENTS.name, encode(probe), b"live", partition=0)
        way._to.flush()
        until = time.perf_counter() + 2
        while not judged and time.perf_counter() < until:
            try:
                way._read(0.1, judged, {})
            except SystemExit as error:  # prices are not fresh yet
                refused = str(error)
                break
        if judged:
            return
    raise SystemExit(f"Risk approved nothing: {refused}")


def _patience() -> Iterator[int]:
    until = time.monotonic() + PATIENCE_S
    number = 0
    while time.monotonic() < until:
        yield number
        number += 1
        time.sleep(0.1)


def _shown(name: str, took: list[tuple[float, float]]) -> list[Line]:
    lines = []
    for number, what in enumerate(("verdict", "accepted")):
        p50, p99 = np.percentile([each[number] for each in took], [50, 99]) * 1e3
        lines += [Line(f"{name}_{what}_p50_ms", float(p50)), Line(f"{name}_{what}_p99_ms", float(p99))]
    return lines


def _book(quick: bool) -> list[Line]:
    """The book in a process of its own, so that its memory is its own."""
    algos = 100 if quick else 1000
    words = [sys.executable, "-m", "tests.bench.big_book", str(algos), "100"]
    told = json.loads(subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout)
    return [Line(f"book_{name}", value, f"{algos} algos × 100 instruments") for name, value in told.items()]
