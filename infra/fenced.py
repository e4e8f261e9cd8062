"""Writing as the one process in charge: Kafka's transactions fence off whoever was in charge before.

A process that was frozen, or cut off, and comes back does not know that another has taken its place. Kafka does: each
name has an epoch, :meth:`FencedWriter.take_charge` begins a new one, and from then on nothing that an older process
writes is ever committed. Readers take what is committed, which is librdkafka's default.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from infra import kafka
from infra.settings import Settings
from schemas.codec import encode
from schemas.topics import Topic

ANSWER_S = 10.0
AGAIN_S = 0.2
log = structlog.get_logger()
_GONE = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


class FencedError(Exception):
    """Another process is in charge now: this one must end."""


class FencedWriter:
    """The writer of a name; not for several threads at once. ``stopped``: gives up waiting for Kafka."""

    def __init__(self, name: str, of: Settings, stopped: threading.Event | None = None) -> None:
        self.name = name
        self._stopped = stopped or threading.Event()
        config = {"transactional.id": name, "transaction.timeout.ms": 30_000, "delivery.timeout.ms": 30_000}
        self._producer: Producer = kafka.producer(of, config)

    def take_charge(self) -> None:
        """Begins a new epoch; what an older process had under way is aborted. What was committed is in the log then."""
        self._insist(lambda: self._producer.init_transactions(ANSWER_S))

    def write(self, records: Iterable[tuple[Topic, str, Any]]) -> None:
        """Writes records (topic, key, record) all together, into partition 0, and returns when they are committed.

        FencedError when another process is in charge, or when it is told to stop first.
        """
        self.write_bytes([(topic.name, key.encode(), encode(record)) for topic, key, record in records])

    def write_bytes(self, wanted: Sequence[tuple[str, bytes, bytes | None]]) -> None:
        """The same for what is encoded already: topic, key, value or None for a tombstone."""
        while wanted:
            try:
                self._producer.begin_transaction()
                for topic, key, value in wanted:
                    self._producer.produce(topic, value, key, partition=0)
                self._insist(lambda: self._producer.commit_transaction(ANSWER_S))
                return
            except KafkaException as error:
                if not error.args[0].txn_requires_abort():
                    raise self._over(error) from error
                log.warning("a transaction is written again", reason=error.args[0].str())
                self._insist(lambda: self._producer.abort_transaction(ANSWER_S))

    def _insist(self, call: Any) -> None:
        """Calls again as long as Kafka says that it may. KafkaException when the transaction must be aborted."""
        while True:
            try:
                call()
                return
            except KafkaException as error:
                cause = error.args[0]
                if cause.txn_requires_abort():
                    raise
                if not cause.retriable() or self._stopped.is_set():
                    raise self._over(error) from error
                time.sleep(AGAIN_S)

    def _over(self, error: KafkaException) -> FencedError:
        cause = error.args[0]
        if cause.code() in _GONE:
            return FencedError(f"Another process is {self.name} now.")
        return FencedError(f"{self.name} cannot write any more: {cause.str()}")
