"""Events into Kafka: what is told is written in the end, however long Kafka is away while this process lives."""

from __future__ import annotations

from collections import deque
from typing import Any

import structlog
from confluent_kafka import KafkaError, Message, Producer

from infra import kafka
from infra.settings import Settings
from schemas.codec import encode
from schemas.topics import Topic

log = structlog.get_logger()


class Writer:
    """Plain writes to partition 0. What dies with the process is found again in the broker's order book."""

    def __init__(self, of: Settings) -> None:
        self._producer: Producer = kafka.producer(of, {"delivery.timeout.ms": 0})  # 0: for ever
        self._waiting: deque[tuple[str, bytes, bytes]] = deque()
        self.failure = ""  # why nothing can be written any more: only a new process helps

    @property
    def pending(self) -> int:
        """How many records Kafka has not acknowledged."""
        return len(self._waiting) + len(self._producer)

    def write(self, topic: Topic, key: str, record: Any) -> None:
        """Writes a record, now or when there is room."""
        self._waiting.append((topic.name, key.encode(), encode(record)))
        self.poll()

    def poll(self) -> None:
        """Lets acknowledgements in and hands on what waits; call it often."""
        self._producer.poll(0)
        while self._waiting:
            topic, key, value = self._waiting[0]
            try:
                self._producer.produce(topic, value, key, partition=0, on_delivery=self._delivered)
            except BufferError:
                return
            self._waiting.popleft()

    def flush(self, timeout_s: float) -> int:
        """Waits for what is under way; how much is left."""
        self.poll()
        left: int = self._producer.flush(timeout_s)
        return left + len(self._waiting)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.failure = error.str()
            log.error("a record was not written", reason=self.failure)
