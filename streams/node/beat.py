"""Heartbeats; and the lease, which lives as long as Kafka acknowledges them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer

from schemas.codec import encode
from schemas.topics import HEARTBEATS
from streams.node.statistics import INTERVAL_S, Statistics


class Beat:
    """Sends a heartbeat when it is due, one at a time: while Kafka is away none pile up."""

    def __init__(self, statistics: Statistics, node: str, lease: Path, to: Producer) -> None:
        self._statistics, self._key, self._lease, self._to = statistics, node.encode(), lease, to
        self._due = 0.0
        self._waiting = False
        self.made_us = 0  # when the last one was made
        self._acknowledged = 0.0  # monotonic time of the last acknowledgement; 0 before the first

    @property
    def is_online(self) -> bool:
        """Whether Kafka acknowledged a heartbeat lately."""
        return bool(self._acknowledged) and time.monotonic() - self._acknowledged < 3 * INTERVAL_S

    def pump(self, tasks: Mapping[str, str]) -> None:
        """Sends one if it is time."""
        now = time.monotonic()
        if self._waiting or now < self._due:
            return
        self._due = now + INTERVAL_S
        made = self._statistics.heartbeat(tasks)
        record, self.made_us = encode(made), made.at_us
        with contextlib.suppress(BufferError, KafkaException):
            self._to.produce(HEARTBEATS.name, record, self._key, on_delivery=self._told)
            self._waiting = True

    def hurry(self) -> None:
        """A task has changed: the next one is sent soon."""
        self._due = min(self._due, time.monotonic() + 0.5)

    def _told(self, error: Any, _: Any) -> None:
        self._waiting = False
        if error is None:
            self._acknowledged = time.monotonic()
            with contextlib.suppress(OSError):
                os.close(os.open(self._lease, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
                os.utime(self._lease)
