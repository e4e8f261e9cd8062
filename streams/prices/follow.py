"""A thread that reads whole topics, without a consumer group, and hands every message to a fold.

That is how a process gets a copy of something that lives in the log: it folds the topic from its start (compacted
topics) or from a little before its end (ticks), and goes on for ever. A log that is away for a while is waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra import kafka
from infra.errors import UserError
from infra.settings import Settings, settings
from schemas.topics import Topic

BATCH = 1000
POLL_S = 0.2
AGAIN_S = 1.0
GATHERED = 256 * 1024  # bytes; so much comes at once
WAIT_MS = 250  # for a record, which is handed over at once; the end of a topic is noticed after this
log = structlog.get_logger(process="follow")


class Follower:
    """Keeps a fold of some topics up to date. ``take`` is called for each message under ``lock``.

    ``rewind_s``: None reads the topics from their start, else from that long before now; a mapping says it for some
    topics by name. ``most``: of those no more than so many of the last records of a partition, by the topic's name.
    ``every_second`` is called about once a second under the lock, once the topics' end was reached. ``gather_ms``:
    records may come by so much later, many together, which costs Kafka and this process less.
    """

    def __init__(
        self,
        name: str,
        topics: Iterable[Topic],
        take: Callable[[Message], None],
        of: Settings | None = None,
        *,
        rewind_s: float | Mapping[str, float] | None = None,
        most: Mapping[str, int] | None = None,
        every_second: Callable[[], None] | None = None,
        gather_ms: int = 0,
    ) -> None:
        self.lock = threading.Lock()
        self.caught_up = threading.Event()
        self.problem = ""  # one sentence while the log cannot be read
        self._topics = tuple(topics)
        self._take = take
        self._settings = of or settings()
        self._rewind_s = rewind_s
        self._most = most or {}
        self._every_second = every_second
        self._gather_ms = gather_ms
        self._next: dict[tuple[str, int], int] = {}  # the offset to be read next
        self._moved = threading.Condition(self.lock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow-{name}", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def wait_seen(self, topic: Topic, partition: int, offset: int, timeout_s: float = 10) -> bool:
        """Waits until the fold has taken in this message. False when it has not in time."""
        with self._moved:
            seen: Callable[[], bool] = lambda: self._next.get((topic.name, partition), 0) > offset  # noqa: E731
            return self._moved.wait_for(seen, timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (KafkaException, UserError) as error:
                self.problem = f"Kafka at {self._settings.kafka_servers} cannot be read: {_sentence(error)}"
                log.warning("reading interrupted", reason=self.problem)
                self._stop.wait(AGAIN_S)

    def _follow(self) -> None:
        more: dict[str, Any] = {
            "enable.partition.eof": True,
            "auto.offset.reset": "latest" if isinstance(self._rewind_s, (int, float)) else "earliest",
            "fetch.wait.max.ms": self._gather_ms or WAIT_MS,
            "fetch.min.bytes": GATHERED if self._gather_ms else 1,
        }
        reader = kafka.consumer("follower", self._settings, more)
        try:
            start = self._start(reader)
            reader.assign(start)
            behind = {(at.topic, at.partition) for at in start}
            self._read(reader, behind)
        finally:
            reader.close()

    def _start(self, reader: Consumer) -> list[TopicPartition]:
        """Where to begin: behind what was taken in already, else where the caller wanted."""
        start = []
        for topic in self._topics:
            there = reader.list_topics(topic.name, timeout=10).topics[topic.name]
            if there.error is not None:
                raise UserError(f"topic {topic.name} is not there ({there.error.str()}).")
            start += [TopicPartition(topic.name, p) for p in sorted(there.partitions)]
        chosen = [TopicPartition(at.topic, at.partition, OFFSET_BEGINNING) for at in start if self._rewind(at) is None]
        if recent := [at for at in start if self._rewind(at) is not None]:
            chosen += self._recent(reader, recent)
        for at in chosen:
            at.offset = self._next.get((at.topic, at.partition), at.offset)
        return chosen

    def _rewind(self, at: TopicPartition) -> float | None:
        return self._rewind_s.get(at.topic) if isinstance(self._rewind_s, Mapping) else self._rewind_s

    def _recent(self, reader: Consumer, wanted: list[TopicPartition]) -> list[TopicPartition]:
        """Each partition's first offset within its time, or its end when nothing is as young."""
        fresh = [at for at in wanted if not self._rewind(at)]
        for at in fresh:
            at.offset = OFFSET_END
        since = {(at.topic, at.partition): time.time() - (self._rewind(at) or 0) for at in wanted if at not in fresh}
        # the ends are asked first: what is written between the two questions is read, not passed over
        ends = {where: reader.get_watermark_offsets(TopicPartition(*where), timeout=10)[1] for where in since}
        times = [TopicPartition(*where, int(at_s * 1000)) for where, at_s in since.items()]
        found = reader.offsets_for_times(times, timeout=10) if times else []
        for at in found:
            end = ends[at.topic, at.partition]
            at.offset = max(at.offset if at.offset >= 0 else end, end - self._most.get(at.topic, end))
        return fresh + found

    def _read(self, reader: Consumer, behind: set[tuple[str, int]]) -> None:
        due = 0.0
        while not self._stop.is_set():
            messages = reader.consume(BATCH, POLL_S)
            now = time.monotonic()
            with self._moved:
                for message in messages:
                    self._handle(message, behind)
                if messages:
                    self._moved.notify_all()
                if not behind:
                    self.caught_up.set()
                if self._every_second and self.caught_up.is_set() and now >= due:
                    due = now + 1
                    self._every_second()

    def _handle(self, message: Message, behind: set[tuple[str, int]]) -> None:
        at = (str(message.topic()), int(message.partition() or 0))
        if error := message.error():
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            behind.discard(at)
        else:
            self._take(message)
            self._next[at] = int(message.offset() or 0) + 1
        self.problem = ""


def _sentence(error: Exception) -> str:
    inner = error.args[0] if error.args else error
    return str(inner.str() if isinstance(inner, KafkaError) else inner)
