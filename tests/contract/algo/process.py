"""The real runner as a process on real Kafka, the records that it gets, and those that it writes."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Message

from infra.fenced import FencedWriter
from infra.kafka import flush, produce_all, producer
from infra.settings import CHECKOUT, Settings
from schemas.codec import decode, encode
from schemas.fleet import Signal, Task
from schemas.market import Candle, Subscription
from schemas.orders import OrderIntent, OrderVerdict
from schemas.ticks import TickBatch
from schemas.topics import (
    CANDLES,
    ORDER_EVENTS,
    ORDER_INTENTS,
    ORDER_VERDICTS,
    SIGNALS,
    SUBSCRIPTIONS,
    TICKS,
    Topic,
)
from streams.algo.reader import Reader
from tests.unit.streams.algo.events import minute
from tests.unit.streams.algo.orders import report
from tests.unit.streams.candles.ticks import OPENING, T, batch_of
from tests.wait import until

R = TypeVar("R")


class Running:
    """A task's process; what it says is in ``out`` and ``err``."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.process, self._folder = process, folder

    @property
    def out(self) -> str:
        """Standard output of all its processes so far."""
        return (self._folder / "out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """Standard error of all its processes so far."""
        return (self._folder / "err").read_text(encoding="utf-8")

    def until_says(self, text: str, times: int = 1) -> None:
        """Waits for a line."""
        until(f"{text!r} {times} times", lambda: self.out.count(text) >= times or self.process.poll() is not None)
        assert self.process.poll() is None, self.out + self.err

    def end(self, within_s: float = 30) -> int:
        """The exit status of a process that ends by itself."""
        return self.process.wait(within_s)

    def terminate(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()


@contextmanager
def task(place: Path, code: str | Path, instruments: Sequence[str], run: str, node: str = "n1",
         **more: Any) -> Iterator[Callable[[], Running]]:  # fmt: skip
    """A task's folder; each call starts its process (again). All are ended with the block."""
    folder = place / f"{run}@{node}"
    (folder / "files").mkdir(parents=True)
    text = code.read_text(encoding="utf-8") if isinstance(code, Path) else code
    (folder / "files" / "algo.py").write_text(text, encoding="utf-8")
    record = Task(f"{run}@{node}", run, "algo", "0" * 64, node, "running", 0, "test", list(instruments), **more)
    values = dataclasses.asdict(record) | {"files": str(folder / "files")}
    (folder / "task.json").write_text(json.dumps(values), encoding="utf-8")
    started: list[subprocess.Popen[bytes]] = []

    def start() -> Running:
        with (folder / "out").open("ab") as out, (folder / "err").open("ab") as err:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "streams.algo", "task.json"], cwd=folder, stdout=out, stderr=err,
                env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            )  # fmt: skip
        started.append(process)
        return Running(folder, process)

    try:
        yield start
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.wait(30)


SUBSCRIBED: set[str] = set()


def subscribe(places: dict[str, int]) -> None:
    """Subscribes instruments: each has its partition of ``ticks``. ``unsubscribe_all`` takes them away again."""
    SUBSCRIBED.update(places)
    produce_all(
        (SUBSCRIPTIONS, 0, name, Subscription(name, "kite", 1, "full", place)) for name, place in places.items()
    )


def unsubscribe_all() -> None:
    """Leaves topic ``subscriptions`` as it was."""
    produce_all((SUBSCRIPTIONS, 0, name, None) for name in SUBSCRIBED)
    SUBSCRIBED.clear()


class Sender:
    """Writes ticks and candles, and waits for them."""

    def __init__(self, settings: Settings) -> None:
        self._to = producer(settings)

    def candle(self, name: str, number: int) -> None:
        """The candle of a minute after the opening; its close is its number."""
        self._to.produce(CANDLES.name, encode(minute(name, number, float(number))), name.encode())
        flush(self._to)

    def ticks(self, partition: int, prices: Iterable[tuple[str, float]], second: int) -> None:
        """A record of ticks, received in a second after the opening."""
        at = OPENING + second * 1_000_000
        batch = batch_of([T(name, at, -1, at, price) for name, price in prices], at)
        self._to.produce(TICKS.name, encode(batch), partition=partition)
        flush(self._to)


class Desk:
    """In place of risk and a gateway: says what becomes of orders. Each verdict is a transaction."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._risk = FencedWriter(name, settings)
        self._risk.take_charge()

    def judge(self, verdict: OrderVerdict) -> None:
        """Writes a verdict."""
        self._risk.write([(ORDER_VERDICTS, verdict.account, verdict)])

    def report(self, of: OrderIntent, status: str, filled: int = 0) -> None:
        """Writes an event of an order."""
        produce_all([(ORDER_EVENTS, 0, of.account, report(of, status, filled, 1.0 if filled else 0.0))])


def read(settings: Settings, topic: Topic, record: type[R]) -> list[tuple[Message, R]]:
    """Everything that a topic has now."""
    reader = Reader(settings)
    try:
        return [(m, decode(record, m.value() or b"")) for m in reader.all_of(topic, lambda: False)]
    finally:
        reader.close()


def signals(settings: Settings, run: str) -> list[Signal]:
    """The signals of a run, by partition in their order."""
    return [signal for _, signal in read(settings, SIGNALS, Signal) if signal.run == run]


def intents(settings: Settings, run: str) -> list[OrderIntent]:
    """The order intents of a run; what was said again after a kill is the same one."""
    found = (intent for _, intent in read(settings, ORDER_INTENTS, OrderIntent) if intent.run == run)
    return list({intent.id: intent for intent in found}.values())


def batches(settings: Settings, name: str) -> list[tuple[str, int, TickBatch]]:
    """The batches that name an instrument: source, offset, batch."""
    found = read(settings, TICKS, TickBatch)
    return [(f"{m.topic()}/{m.partition()}", int(m.offset() or 0), b) for m, b in found if name in b.names]


def candles(settings: Settings, name: str) -> list[tuple[str, int, Candle]]:
    """An instrument's candles: source, offset, candle."""
    found = read(settings, CANDLES, Candle)
    return [(f"{m.topic()}/{m.partition()}", int(m.offset() or 0), c) for m, c in found if c.instrument == name]
