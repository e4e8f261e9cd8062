"""Risk as a process of its own on real Kafka, a small market for it, and what it says."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from infra.clock import market_clock
from infra.console_client import PLAIN
from infra.kafka import flush, producer, read_on, write_all
from infra.settings import CHECKOUT, Settings
from schemas.codec import decode, encode
from schemas.market import Instrument, Subscription
from schemas.orders import OrderIntent, OrderVerdict
from schemas.topics import INSTRUMENTS, ORDER_INTENTS, ORDER_VERDICTS, SUBSCRIPTIONS, TICKS
from tests.unit.streams.prices.batches import Tick, batch_of
from tests.wait import until

NAMES = tuple(f"NSE:RISK{n}" for n in range(5))
PRICE = 100.0


class Risk:
    """A process, and its web views."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.said = process, ""
        self._url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> Any:
        """A view; None while it does not answer well."""
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"{self._url}{path}", timeout=5, verify=PLAIN)
            self.said = answer.text
            return answer.json() if answer.status_code == httpx.codes.OK else None
        return None

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def running(of: Settings) -> Iterator[Risk]:
    """Risk, once it is in charge; ended at the end."""
    surroundings = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen([sys.executable, "-P", "-m", "streams.risk"], cwd=CHECKOUT, env=surroundings)
    risk = Risk(process, of.risk_web_port)
    try:
        until("risk to be in charge", lambda: risk.get("/health") or process.poll() is not None, 90, 0.1)
        assert process.poll() is None
        yield risk
    except AssertionError as error:
        error.add_note(f"risk said last: {risk.said}")
        raise
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextmanager
def market(of: Settings) -> Iterator[None]:
    """Some instruments that tick twice a second."""
    records = [
        (INSTRUMENTS, 0, name, encode(Instrument(name, "kite", 7 + n, "NSE", name[4:], name, "EQ", "NSE", 0.05, 1)))
        for n, name in enumerate(NAMES)
    ]
    write_all([*records, *((SUBSCRIPTIONS, 0, name, encode(Subscription(name))) for name in NAMES)], of)
    ended, to = threading.Event(), producer(of)

    def tick() -> None:
        while not ended.is_set():
            now_us = market_clock().now_us()
            to.produce(TICKS.name, encode(batch_of([Tick(name, now_us, PRICE) for name in NAMES])), partition=1)
            flush(to)
            ended.wait(0.5)

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        yield
    finally:
        ended.set()
        ticking.join()


def wish(id_: str, **fields: Any) -> OrderIntent:
    """A buy of one share by its limit."""
    made: dict[str, Any] = {
        "id": id_, "account": "paper", "run": "crossover", "task": "crossover@desk", "instrument": NAMES[0],
        "side": "buy", "quantity": 1, "kind": "limit", "price": PRICE, "trigger": 0.0, "trading": "paper",
        "at_us": market_clock().now_us(), "valid_s": 300.0,
    }  # fmt: skip
    return OrderIntent(**(made | fields))


def ask(of: Settings, intents: Sequence[OrderIntent]) -> None:
    """Writes intents."""
    write_all([(ORDER_INTENTS, 0, intent.account, encode(intent)) for intent in intents], of)


def verdicts(of: Settings) -> list[OrderVerdict]:
    """All that are committed, in the log's order."""
    return [decode(OrderVerdict, message.value() or b"") for message in read_on(ORDER_VERDICTS.name, 0, of)]


def codes(of: Settings, prefix: str) -> dict[str, list[str]]:
    """The codes of the verdicts on each id with this prefix; an empty one is an approval."""
    found: dict[str, list[str]] = {}
    for verdict in verdicts(of):
        if verdict.id.startswith(prefix):
            found.setdefault(verdict.id, []).append(verdict.code)
    return found


def twice(found: dict[str, list[str]]) -> Counter[str]:
    """The ids with more than one verdict."""
    return Counter({id_: len(codes) for id_, codes in found.items() if len(codes) > 1})
