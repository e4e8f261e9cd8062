"""How many workers this computer shall run: its record in ``feed-pools``, followed live."""

from __future__ import annotations

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from infra.kafka import consumer
from infra.settings import settings
from schemas.codec import UndecodableError, decode
from schemas.market import FeedPool
from schemas.topics import FEED_POOLS


class WantedWorkers:
    """Follows this computer's record; before there is one, the setting ``feed_workers``."""

    def __init__(self) -> None:
        self._pool = settings().feed_pool
        self._wanted: int | None = None
        self._consumer: Consumer = consumer(f"feed-pool-{self._pool}")
        self._consumer.assign([TopicPartition(FEED_POOLS.name, 0, OFFSET_BEGINNING)])

    def poll(self) -> int:
        """The number wanted now; quick."""
        for message in self._consumer.consume(100, 0):
            if message.error() is None and message.key() == self._pool.encode():
                self._wanted = self._read(message.value())
        return settings().feed_workers if self._wanted is None else self._wanted

    def close(self) -> None:
        """Ends the consumer."""
        self._consumer.close()

    def _read(self, value: bytes | None) -> int | None:
        if value is None:
            return None
        try:
            return max(0, decode(FeedPool, value).workers)
        except UndecodableError:
            return self._wanted
