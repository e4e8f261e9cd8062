"""Orders as the journeys see them: what is asked for in the log, what came of it, what the simulator really has."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from confluent_kafka import KafkaError, Message, Producer, TopicPartition

from infra.clock import clock_file, read_clock
from infra.console_client import PLAIN
from infra.kafka import consumer, end_offsets, producer
from infra.settings import Settings
from schemas.codec import decode, encode
from schemas.order_state import OrderState, take
from schemas.orders import OrderEvent, OrderIntent, OrderVerdict
from schemas.topics import ORDER_EVENTS, ORDER_INTENTS, ORDER_VERDICTS
from tests.journeys.conftest import Platform


@dataclass
class Outcome:
    """All verdicts and orders of the log by the order's id; ``twice``: ids that were judged more than once."""

    verdicts: dict[str, OrderVerdict] = field(default_factory=dict)
    orders: dict[str, OrderState] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)


class Flood:
    """Asks for small orders straight in the log, as an algo would, at a steady pace."""

    def __init__(self, platform: Platform, run: str) -> None:
        self.settings = Settings(home=platform.home, port_base=platform.base)
        self.run, self.ids = run, []  # type: tuple[str, list[str]]
        self.refused: list[str] = []  # why Kafka's client gave something back; it was asked for again
        self._clock = read_clock(clock_file(platform.home))
        self._to: Producer = producer(self.settings)
        self._begins = {
            t.name: end_offsets(t.name, [0], _admin(self.settings))[0]
            for t in (ORDER_INTENTS, ORDER_VERDICTS, ORDER_EVENTS)
        }

    def ask(self, instrument: str, price: float, seconds: float, a_second: float) -> Iterator[int]:
        """Asks, and yields how many were asked for, after each; Kafka may be away meanwhile."""
        began = time.monotonic()
        for number in range(int(seconds * a_second)):
            while (left := began + number / a_second - time.monotonic()) > 0:
                time.sleep(left)
            side = "buy" if number % 2 == 0 else "sell"
            intent = OrderIntent(
                uuid4().hex[:20], "live", self.run, f"{self.run}@here", instrument, side, 1, "limit", price, 0.0,
                "live", self._clock.now_us(), "flood", valid_s=600,
            )  # fmt: skip
            self.ids.append(intent.id)
            self._produce(encode(intent))
            self._to.poll(0)
            yield number + 1

    def _produce(self, intent: bytes) -> None:
        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self.refused.append(error.str())
                self._produce(intent)

        self._to.produce(ORDER_INTENTS.name, intent, b"live", partition=0, on_delivery=delivered)

    def written(self) -> bool:
        """Whether all that was asked for is in the log."""
        return not self._to.flush(5)

    def unjudged(self) -> str:
        """Of what was asked for and has no verdict: how much there is, and how much of it is in the log."""
        missing = set(self.ids) - self.outcome().verdicts.keys()
        there = [decode(OrderIntent, value).id for value in self._read(ORDER_INTENTS.name)]
        return f"{len(missing)} without a verdict, {len(missing & set(there))} of them in the log; {self.refused[:3]}"

    def outcome(self) -> Outcome:
        """What the log says of what was asked for."""
        found, mine = Outcome(), set(self.ids)
        for topic in (ORDER_VERDICTS, ORDER_EVENTS):
            for value in self._read(topic.name):
                if topic is ORDER_VERDICTS:
                    verdict = decode(OrderVerdict, value)
                    if verdict.id in found.verdicts:
                        found.twice.append(verdict.id)
                    if verdict.id in mine:
                        found.verdicts[verdict.id] = verdict
                else:
                    event = decode(OrderEvent, value)
                    if event.order in mine:
                        found.orders[event.order] = take(found.orders.get(event.order), event)
        return found

    def _read(self, topic: str) -> Iterator[bytes]:
        reader = consumer("journey", self.settings, {"enable.partition.eof": True})
        try:
            reader.assign([TopicPartition(topic, 0, self._begins[topic])])
            while True:
                message = reader.poll(10)
                assert message is not None, f"Kafka does not give {topic}"
                if error := message.error():
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    return
                yield message.value() or b""
        finally:
            reader.close()


def _admin(of: Settings) -> Any:
    from infra.kafka import admin

    return admin(of)


def at_the_simulator(platform: Platform) -> list[dict[str, Any]]:
    """Every order that the simulated exchange has taken today."""
    answer = httpx.get(f"http://127.0.0.1:{platform.base + 80}/simulator/orders", timeout=30, verify=PLAIN)
    rows: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return rows


def tags(rows: list[dict[str, Any]]) -> Counter[str]:
    """How often each tag is there."""
    return Counter(row["tag"] for row in rows if row["tag"])


def kill_pid(pid: int) -> None:
    """With -9; one that is gone already is no matter."""
    import os
    import signal

    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
