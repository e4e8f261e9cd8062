"""Asking the servers whether they answer, each in a thread of its own, so that no request ever waits for a dead one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Literal

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

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
    """Asks again and again; ``answer`` is the last word, ``seen`` whether it ever answered. ``ask`` raises when the
    server does not answer, and gives a detail or nothing when it does."""

    def __init__(self, name: str, ask: Callable[[], str | None], every_s: float) -> None:
        self.answer = Answer()
        self.seen = False
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
                self.answer = Answer("ok", self._ask() or "")
                self.seen = True
            except Exception as error:  # noqa: BLE001 - whatever a driver raises, the server does not answer
                self.answer = Answer("down", (str(error).strip().splitlines() or [type(error).__name__])[0])
            if self.answer.state != before:
                log.info("server", server=self._name, state=self.answer.state, detail=self.answer.detail)
            self._stop.wait(self._every_s)


def ask_service(port: int) -> str:
    """What a service of this computer says of itself at ``/health``: a detail, or nothing. ConnectionError else."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        said = json.loads(answer.read(100_000))
        detail = str(said.get("detail") or "")
    except (OSError, HTTPException) as error:
        raise ConnectionError("it does not run, or not on this computer") from error
    except (ValueError, AttributeError):
        detail = ""
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise ConnectionError(detail or f"it answered with status {answer.status}")
    return detail


class Probes:
    """All servers that the platform needs, the services that orders need, and the lag of the candle group."""

    def __init__(self, of: Settings) -> None:
        self._settings = of
        self._consumer: Consumer | None = None
        self._postgres: Any = None
        self._history = LagHistory()
        self.cassandra_session: Any = None  # None until Cassandra answered once
        self.lag: Lag | None = None
        self.kafka = Probe("kafka", self._ask_kafka, 1.0)
        self.cassandra = Probe("cassandra", self._ask_cassandra, 3.0)
        self.postgres = Probe("postgres", self._ask_postgres, 3.0)
        self.risk = Probe("risk", lambda: ask_service(of.risk_web_port), 1.0)
        self.gateways = {
            "paper": Probe("paper", lambda: ask_service(of.paper_port), 1.0),
            "live": Probe("gateway", lambda: ask_service(of.gateway_port), 1.0),
        }  # by account
        self._all = (self.kafka, self.cassandra, self.postgres, self.risk, *self.gateways.values())

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
        """The group's committed offsets beside the ends of the log: one question that both needs and shows Kafka.

        A consumer that never joins asks: the admin client's requests for the same ended the process (a segmentation
        fault inside librdkafka 2.16) on a Kafka that had just started and knew no group yet.
        """
        if self._consumer is None:
            self._consumer = kafka.consumer(CANDLES_GROUP, self._settings)
        every = [TopicPartition(TICKS.name, p) for p in range(kafka.partitions_of(TICKS, self._settings))]
        try:
            spans = {at.partition: self._consumer.get_watermark_offsets(at, timeout=5) for at in every}
            self._history.note(time.monotonic(), {partition: span[1] for partition, span in spans.items()})
            said = self._consumer.committed(every, timeout=5)
        except KafkaException as error:
            self.lag = None
            raise ConnectionError(f"Kafka at {self._settings.kafka_servers}: {error.args[0].str()}") from error
        committed = {at.partition: at.offset for at in said if at.offset >= 0}
        # a partition that was never committed is read from its start
        starts = {partition: span[0] for partition, span in spans.items()} if committed else {}
        self.lag = self._history.lag(starts | committed)

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
