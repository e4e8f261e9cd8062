"""Writes what comes of events: first each unit's state with its outbox, then what is in the outbox.

A unit's state is in the log before its orders are. When the process dies between the two, the next one finds the outbox
and sends it again; when it dies before, nothing has happened. Before a unit's next state is written, what its last
outbox had is acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, Producer

from infra import kafka
from infra.settings import Settings
from schemas.codec import UndecodableError, decode, encode
from schemas.fleet import AlgoRequest, AlgoState, Signal
from schemas.topics import ALGO_REQUESTS, ALGO_STATE, ORDER_INTENTS, SIGNALS, Topic
from streams.algo.events import Record
from streams.algo.reader import LogError, Reader
from streams.algo.saved import Saved, from_record

OUTBOX_BYTES = 16 << 20
SLOW_S = 10.0  # after this long without an answer it is said that Kafka is away


class Journal:
    """One run's records. ``tell`` gets a line when Kafka is away and when it is back."""

    def __init__(self, run: str, of: Settings, tell: Callable[[str], None]) -> None:
        self._run, self._tell = run, tell
        lean = {"queue.buffering.max.kbytes": 16_384, "delivery.report.only.error": True}
        lean["message.max.bytes"] = OUTBOX_BYTES  # before compression; Kafka's own limit is for what it gets
        self._producer: Producer = kafka.producer(of, lean)
        self._refused = ""

    def write(self, saved: Mapping[str, Saved]) -> None:
        """Writes units' states, waits for them, then sends their outboxes. LogError when Kafka refuses."""
        if not saved:
            return
        self.flush()
        for unit, values in saved.items():
            self._produce(ALGO_STATE, f"{self._run}/{unit}", values.to_record(self._run, unit))
        self.flush()
        self.send(record for values in saved.values() for record in values.outbox)

    def send(self, records: Iterable[Record]) -> None:
        """Sends records; :meth:`flush` waits for them."""
        for record in records:
            self._produce(*_where(record), record)
        self._producer.poll(0)

    def flush(self) -> None:
        """Waits until all is acknowledged, however long Kafka is away. LogError when it refuses a record."""
        began, told = time.monotonic(), False
        while self._producer.flush(1.0):
            if not told and time.monotonic() - began > SLOW_S:
                told = True
                self._tell("Kafka does not answer: waiting for it")
        if self._refused:
            raise LogError(f"Kafka refused a record of the algo: {self._refused}.")
        if told:
            self._tell("Kafka is back")

    def _produce(self, topic: Topic, key: str, record: Any) -> None:
        value = encode(record)
        place = {"partition": 0} if topic.partitions == 1 else {}  # whoever reads it reads no other
        while True:
            try:
                self._producer.produce(topic.name, value, key.encode(), on_delivery=self._failed, **place)
                return
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise LogError(f"A record of the algo cannot be written: {error.args[0].str()}.") from None

    def _failed(self, error: Any, _: Any) -> None:
        if error is not None:
            self._refused = self._refused or error.str()


def _where(record: Record) -> tuple[Topic, str]:
    if isinstance(record, Signal):
        return SIGNALS, record.name
    if isinstance(record, AlgoRequest):
        return ALGO_REQUESTS, record.task
    return ORDER_INTENTS, record.account


def read_states(
    run: str, reader: Reader, stopped: Callable[[], bool], tell: Callable[[str], None]
) -> dict[str, tuple[Saved, int]]:
    """Of each unit of a run what was last kept, and when Kafka got it (ms); what cannot be read is told."""
    found: dict[str, tuple[AlgoState, int]] = {}
    start = f"{run}/".encode()
    for message in reader.all_of(ALGO_STATE, stopped):
        key, value, at_ms = message.key() or b"", message.value(), message.timestamp()[1]
        if not key.startswith(start) or value is None:
            continue
        try:
            record = decode(AlgoState, value)
        except UndecodableError as error:
            tell(f"a kept state cannot be read, it is passed over: {error}")
            continue
        if record.instrument not in found or at_ms >= found[record.instrument][1]:
            found[record.instrument] = record, at_ms
    states = {}
    for unit, (record, at_ms) in found.items():
        try:
            states[unit] = from_record(record), at_ms
        except ValueError as error:
            tell(f"{error}; it begins anew")
    return states
