"""Asking the servers whether they answer, each in a thread of its own, so that no request ever waits for a dead one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from infra import cassandra, kafka, postgres
from infra.settings import Settings
from schemas.topics import TICKS
from streams.console.lag import Lag, LagHistory

CANDLES_GROUP = "candles"
log = structlog.get_logger(process="console")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said last."""

    state: Literal["ok", "down", "unknown"] = "unknown"
    detail: str = ""


class Probe:
    """Asks again and again; ``answer`` is the last word. ``ask`` raises when the server does not answer."""

    def __init__(self, name: str, ask: Callable[[], None], every_s: float) -> None:
        self.answer = Answer()
        self._name = name
        self._ask = ask
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"probe-{name}", daemon=True)

    def start(self) -> None:
        """Begins to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Asks no more. A question under way is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            before = self.answer.state
            try:
                self._ask()
                self.answer = Answer("ok")
            except Exception as error:  # noqa: BLE001 - whatever a driver raises, the server does not answer
                self.answer = Answer("down", (str(error).strip().splitlines() or [type(error).__name__])[0])
            if self.answer.state != before:
                log.info("server", server=self._name, state=self.answer.state, detail=self.answer.detail)
            self._stop.wait(self._every_s)


class Probes:
    """All servers that the platform needs, and the lag of the candle group."""

    def __init__(self, of: Settings) -> None:
        self._settings = of
        self._admin: AdminClient | None = None
        self._postgres: Any = None
        self._history = LagHistory()
        self.cassandra_session: Any = None  # None until Cassandra answered once
        self.lag: Lag | None = None
        self.kafka = Probe("kafka", self._ask_kafka, 1.0)
        self.cassandra = Probe("cassandra", self._ask_cassandra, 3.0)
        self.postgres = Probe("postgres", self._ask_postgres, 3.0)
        self._all = (self.kafka, self.cassandra, self.postgres)

    def start(self) -> None:
        """Begins to ask all of them."""
        for probe in self._all:
            probe.start()

    def stop(self) -> None:
        """Asks no more and hangs up."""
        for probe in self._all:
            probe.stop()
        if self.cassandra_session is not None:
            self.cassandra_session.cluster.shutdown()

    def _ask_kafka(self) -> None:
        """The group's committed offsets beside the ends of the log: one question that both needs and shows Kafka."""
        if self._admin is None:
            self._admin = kafka.admin(self._settings)
        every = [TopicPartition(TICKS.name, p) for p in range(kafka.partitions_of(TICKS, self._settings))]
        try:
            ends = self._offsets(every, OffsetSpec.latest())
            self._history.note(time.monotonic(), ends)
            committed = self._committed(every)
        except KafkaException as error:
            self.lag = None
            raise ConnectionError(f"Kafka at {self._settings.kafka_servers}: {error.args[0].str()}") from error
        if committed and len(committed) < len(every):  # a partition never committed is read from its start
            committed = self._offsets(every, OffsetSpec.earliest()) | committed
        self.lag = self._history.lag(committed)

    def _offsets(self, every: list[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
        assert self._admin is not None  # noqa: S101 - made by the caller
        futures = self._admin.list_offsets(dict.fromkeys(every, spec), request_timeout=5)
        return {at.partition: future.result().offset for at, future in futures.items()}

    def _committed(self, every: list[TopicPartition]) -> dict[int, int]:
        assert self._admin is not None  # noqa: S101 - made by the caller
        asked = [ConsumerGroupTopicPartitions(CANDLES_GROUP, every)]
        try:
            (future,) = self._admin.list_consumer_group_offsets(asked, request_timeout=5).values()
            return {at.partition: at.offset for at in future.result().topic_partitions if at.offset >= 0}
        except KafkaException as error:
            if "GROUP_ID_NOT_FOUND" in str(error):
                return {}
            raise

    def _ask_cassandra(self) -> None:
        if self.cassandra_session is None:
            self.cassandra_session = cassandra.connect(self._settings)
        self.cassandra_session.execute("SELECT key FROM system.local", timeout=3)

    def _ask_postgres(self) -> None:
        try:
            if self._postgres is None:
                self._postgres = postgres.connect(self._settings)
                self._postgres.autocommit = True
            with self._postgres.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Exception:
            self._postgres = None
            raise
