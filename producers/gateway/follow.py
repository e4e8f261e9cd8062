"""Following topics with the least delay, in a thread of its own: first all there is, then each record as it comes.

It belongs to no group: where to begin is said, and nothing is committed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra import kafka
from infra.metrics import DEAD_LETTERS
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.topics import TOPICS, Topic

BEGINNING, END = 0, -1
WAIT_S = 0.5  # how long a call waits when nothing comes; what comes ends it at once
BATCH = 1000
AGAIN_S = 1.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Followed:
    """A topic and where to begin: ``BEGINNING``, ``END``, or the first record of a time (Kafka's, milliseconds)."""

    topic: Topic
    since_ms: int = BEGINNING


class Follower:
    """Reads until told to stop. ``on_records(records, has_caught_up)`` is called in its thread, in the order of each
    partition; ``has_caught_up``: all that was there at the start has been given. Kafka away only means waiting."""

    def __init__(
        self, followed: Sequence[Followed], of: Settings, on_records: Callable[[list[Any], bool], None], name: str
    ) -> None:
        self._followed, self._settings, self._on_records = followed, of, on_records
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends soon."""
        self._stop.set()

    def _run(self) -> None:
        reader = kafka.consumer("reader", self._settings, {"enable.partition.eof": True})
        try:
            places = self._places(reader)
            if places is not None:
                reader.assign(places)
                self._read(reader, {place.topic for place in places})
        finally:
            reader.close()

    def _places(self, reader: Consumer) -> list[TopicPartition] | None:
        """Where to begin; asked until Kafka tells. None when told to stop before that."""
        while not self._stop.is_set():
            try:
                return [_place(reader, followed) for followed in self._followed]
            except KafkaException as error:
                log.warning("Kafka does not tell where its topics begin", reason=str(error))
                self._stop.wait(AGAIN_S)
        return None

    def _read(self, reader: Consumer, behind: set[str]) -> None:
        was_behind = True
        while not self._stop.is_set():
            first = reader.poll(WAIT_S)  # ``consume`` alone would wait for a whole batch
            if first is None:
                continue
            records = []
            for message in (first, *reader.consume(BATCH, 0)):
                if error := message.error():
                    if error.code() == KafkaError._PARTITION_EOF:
                        behind.discard(str(message.topic()))
                elif message.value() is not None:
                    records += _decoded(message)
            if records or (was_behind and not behind):
                self._on_records(records, not behind)
                was_behind = bool(behind)


def _place(reader: Consumer, followed: Followed) -> TopicPartition:
    place = TopicPartition(followed.topic.name, 0)
    # the end is asked for first: what is written while we ask must not fall between the two answers
    first, end = reader.get_watermark_offsets(place, timeout=10)
    if followed.since_ms == BEGINNING:
        place.offset = first
    elif followed.since_ms == END:
        place.offset = end
    else:
        asked = TopicPartition(followed.topic.name, 0, followed.since_ms)
        (found,) = reader.offsets_for_times([asked], timeout=10)
        place.offset = found.offset if found.offset >= 0 else end
    return place


def _decoded(message: Message) -> list[Any]:
    topic = TOPICS[str(message.topic())]
    try:
        return [decode(topic.record, message.value() or b"")]
    except UndecodableError as error:
        DEAD_LETTERS.labels(topic.name).inc()
        log.error("a record cannot be read", topic=topic.name, offset=message.offset(), reason=str(error))
        return []
