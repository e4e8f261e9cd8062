"""Batches, gaps and states into Kafka, knowing what is acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from confluent_kafka import KafkaError, Message, Producer

from infra.kafka import dead_letter
from infra.metrics import FEED_GAPS, FEED_TICKS
from schemas.codec import encode
from schemas.market import FeedGap, FeedStatus
from schemas.orders import BrokerNotice
from schemas.ticks import TickBatch
from schemas.topics import BROKER_NOTICES, FEED_STATUS, TICKS
from schemas.topics import FEED_GAPS as GAPS

log = structlog.get_logger()


class Writer:
    """Writes a worker's records. ``on_lost(batch)`` tells of a batch that Kafka did not take."""

    def __init__(self, worker: str, producer: Producer, on_lost: Callable[[TickBatch], None]) -> None:
        self._worker, self._producer, self._on_lost = worker, producer, on_lost
        self._under_way = 0
        self._last_us = 0
        self.covered_us = 0  # market time up to which all that was received is acknowledged
        self._taken = 0  # ticks acknowledged that the metric does not know yet
        self._acknowledged = FEED_TICKS.labels(worker)

    def write(self, partition: int, batch: TickBatch) -> None:
        """Hands a batch to the producer's buffer; when that is full the batch counts as lost."""
        self._last_us, ticks = batch.sent_us, len(batch)

        def acknowledged(error: KafkaError | None, _: Message) -> None:
            self._under_way -= 1
            if error is not None:
                self._lost(batch, str(error))
                return
            self._taken += ticks
            if not self._under_way:
                self.covered_us = self._last_us

        self._under_way += 1
        try:
            self._producer.produce(TICKS.name, encode(batch), partition=partition, on_delivery=acknowledged)
        except BufferError:
            self._under_way -= 1
            self._lost(batch, "the buffer is full: Kafka has been away for too long")

    def poll(self) -> None:
        """Lets acknowledgements in; call it often."""
        self._producer.poll(0)
        if self._taken:
            self._acknowledged.inc(self._taken)
            self._taken = 0

    def heard(self, at_us: int) -> None:
        """The connection lived at this time, though nothing had to be written."""
        if not self._under_way:
            self.covered_us = max(self.covered_us, at_us)

    def gap(self, gap: FeedGap) -> None:
        """Tells of an interruption."""
        FEED_GAPS.labels(self._worker).inc()
        self._send(GAPS.name, encode(gap), partition=gap.partition)

    def status(self, status: FeedStatus) -> None:
        """Tells the state of a slot."""
        self._send(FEED_STATUS.name, encode(status), partition=status.slot, key=str(status.slot).encode())

    def notice(self, notice: BrokerNotice) -> None:
        """Hands on what a broker says of an order."""
        self._send(BROKER_NOTICES.name, encode(notice), partition=0, key=notice.provider.encode())

    def broken(self, frame: bytes, reason: str) -> None:
        """Puts a frame aside that could not be read."""
        log.warning("unreadable frame", reason=reason, size=len(frame))
        dead_letter(self._producer, TICKS, reason, frame, source=self._worker)

    def flush(self, timeout_s: float) -> None:
        """Waits for what is under way."""
        self._producer.flush(timeout_s)

    def _lost(self, batch: TickBatch, reason: str) -> None:
        log.error("ticks were lost", ticks=len(batch), reason=reason)
        self._on_lost(batch)

    def _send(self, topic: str, value: bytes, **where: Any) -> None:
        try:
            self._producer.produce(topic, value, **where)
        except BufferError:
            log.error("a record was lost", topic=topic, reason="the buffer is full")
