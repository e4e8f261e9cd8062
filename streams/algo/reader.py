"""Reads partitions from where it is told to, outside of any group: which ones, the run's membership decides.

A place in the log is a *source*, ``<topic>/<partition>``, and an offset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from infra import kafka
from infra.settings import Settings
from schemas.topics import Topic

BATCH = 500
WAIT_S = 30.0
LEAN: dict[str, Any] = {  # little memory, and no pause of a second when a queue is full
    "queued.max.messages.kbytes": 4096,
    "queued.min.messages": 1000,
    "fetch.queue.backoff.ms": 10,
    "fetch.message.max.bytes": 262_144,
    "enable.partition.eof": True,
}


class LogError(Exception):
    """The log is away or refuses something: nothing that the algo or its author can do about. One sentence."""


class Reader:
    """One consumer; :meth:`go` sends it somewhere, :meth:`read` reads on."""

    def __init__(self, of: Settings) -> None:
        self._settings = of
        self._consumer: Consumer = kafka.consumer("algo-reader", of, LEAN)
        self._admin: AdminClient = kafka.admin(of)
        self._partitions: dict[str, list[int]] = {}
        self.next: dict[str, int] = {}  # source -> the offset that is read next

    def sources(self, topic: Topic) -> list[str]:
        """All partitions of a topic. LogError when there is none of that name, or no Kafka."""
        if topic.name not in self._partitions:
            try:
                there = self._consumer.list_topics(topic.name, timeout=WAIT_S).topics[topic.name]
            except KafkaException as error:
                raise LogError(
                    f"Kafka at {self._settings.kafka_servers} does not answer: {error.args[0].str()}."
                ) from None
            if there.error is not None or not there.partitions:
                raise LogError(f"Kafka at {self._settings.kafka_servers} has no topic {topic.name}: is Portfolio up?")
            self._partitions[topic.name] = sorted(there.partitions)
        return [f"{topic.name}/{partition}" for partition in self._partitions[topic.name]]

    def ends(self, topic: Topic) -> dict[str, int]:
        """The offset after the last record of each source."""
        self.sources(topic)
        found = kafka.end_offsets(topic.name, self._partitions[topic.name], self._admin)
        return {f"{topic.name}/{partition}": offset for partition, offset in found.items()}

    def since(self, topic: Topic, wall_us: int) -> dict[str, int]:
        """The offset of each source's first record that Kafka got at this time or later; its end if there is none."""
        asked = [_place(source, max(wall_us // 1000, 0)) for source in self.sources(topic)]
        found = self._consumer.offsets_for_times(asked, timeout=WAIT_S)
        ends = self.ends(topic)
        return {
            name: place.offset if place.offset >= 0 else ends[name]
            for place in found for name in [f"{place.topic}/{place.partition}"]
        }  # fmt: skip

    def go(self, start: Mapping[str, int]) -> None:
        """Reads these sources from these offsets on, and no others."""
        self.next = dict(start)
        self._consumer.assign([_place(source, offset) for source, offset in start.items()])

    def read(self, timeout_s: float) -> list[Message]:
        """What there is, at once; the first of it is waited for."""
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        found = []
        for message in [first, *self._consumer.consume(BATCH, 0)]:
            if self._is_record(message):
                found.append(message)
        return found

    def read_to(self, ends: Mapping[str, int], stopped: Callable[[], bool]) -> Iterator[Message]:
        """Reads on until all these offsets are reached; what lies behind them may come too."""
        while not stopped() and any(self.next.get(source, end) < end for source, end in ends.items()):
            yield from self.read(0.5)

    def all_of(self, topic: Topic, stopped: Callable[[], bool]) -> Iterator[Message]:
        """Every record that a topic has now."""
        ends = self.ends(topic)
        self.go(dict.fromkeys((source for source, end in ends.items() if end), 0))
        yield from self.read_to({source: end for source, end in ends.items() if end}, stopped)

    def close(self) -> None:
        """Ends the consumer."""
        self._consumer.close()

    def _is_record(self, message: Message) -> bool:
        error, source, offset = message.error(), source_of(message), message.offset()
        if error is None:
            self.next[source] = offset + 1
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            self.next[source] = max(self.next.get(source, 0), offset)
        elif error.fatal() or (not error.retriable() and error.code() not in _PASSING):
            raise LogError(f"Kafka does not give {source}: {error.str()}.")
        return False


_PASSING = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE,
            KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._MAX_POLL_EXCEEDED)  # fmt: skip


def source_of(message: Message) -> str:
    """Where a message lies."""
    return f"{message.topic()}/{message.partition()}"


def _place(source: str, offset: int) -> TopicPartition:
    topic, _, partition = source.rpartition("/")
    return TopicPartition(topic, int(partition), offset)
