"""Changes written to the log and seen again: a request is answered when this process's own fold has taken them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException, Message, Producer

from infra import kafka
from infra.settings import Settings
from schemas.topics import Topic
from streams.console.errors import UnavailableError, UnseenError
from streams.prices.follow import Follower

PATIENCE_S = 10.0
LARGEST = 8 << 20  # bytes of a record: an algo's package is one
Record = tuple[Topic, int, str, bytes | None]  # topic, partition, key, value or None for a tombstone


class LogWriter:
    """Writes the records of one request. Its caller lets in one request at a time.

    ``patience_s``: how long Kafka may take for them.
    """

    def __init__(self, of: Settings, follower: Follower, patience_s: float = PATIENCE_S) -> None:
        self._settings = of
        self._follower = follower
        self._patience_s = patience_s
        self._producer: Producer | None = None

    def write(self, records: Sequence[Record]) -> None:
        """Writes, waits for the acknowledgements, then until the follower's fold has seen them.

        UnavailableError when Kafka does not take them; then none is written later. UnseenError when they are in the
        log, but not in the fold in time.
        """
        if not records:
            return
        ends: dict[tuple[str, int], int] = {}
        topics = {topic.name: topic for topic, *_ in records}
        self._acknowledged(records, ends)
        for (name, partition), offset in ends.items():
            if not self._follower.wait_seen(topics[name], partition, offset, self._patience_s):
                raise UnseenError("The change is written, but the console has not read it back yet; look again soon.")

    def put(self, record: Record) -> None:
        """Writes one record of a topic that is not followed; returns when Kafka has it. UnavailableError as above."""
        self._acknowledged([record], {})

    def _acknowledged(self, records: Sequence[Record], ends: dict[tuple[str, int], int]) -> None:
        failed: list[str] = []

        def note(error: Any, message: Message) -> None:
            if error:
                failed.append(error.str())
            else:
                at = (str(message.topic()), int(message.partition() or 0))
                ends[at] = max(ends.get(at, -1), int(message.offset() or 0))

        self._send(records, note, failed)
        if failed:
            raise UnavailableError(f"Kafka did not take the change ({failed[0]}); see `./portfolio status`.")

    def _send(self, records: Sequence[Record], note: Any, failed: list[str]) -> None:
        to = self._producer  # compared with None: a producer is falsy while its queue is empty
        if to is None:
            more = {"delivery.timeout.ms": int(self._patience_s * 1000), "message.max.bytes": LARGEST}
            to = kafka.producer(self._settings, more)
        try:
            for topic, partition, key, value in records:
                to.produce(topic.name, value, key.encode(), partition=partition, on_delivery=note)
                to.poll(0)
            if to.flush(self._patience_s + 2):
                failed.append("no answer in time")
        except (KafkaException, BufferError) as error:
            failed.append(str(error))
        if failed:  # nothing may be written later, when the person has long been told that it failed
            to.purge()
            to.flush(1)
        self._producer = None if failed else to
