"""What tasks printed, read from ``algo-logs``: first the last lines, then, without a gap, those that come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra import kafka
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.fleet import LogLine
from schemas.topics import ALGO_LOGS
from streams.console.errors import UnavailableError

BATCH = 1000
FIRST_LOOK = 2_000  # records of each partition, counted from its end; eight times more when they are too few
FARTHEST_LOOK = 250_000
WITHIN_S = 20.0


class LogReader:
    """Reads the lines of the tasks whose name is ``wanted``. Used by one thread at a time; close it at the end."""

    def __init__(self, of: Settings, wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self._reader: Consumer = kafka.consumer("algo-logs-reader", of, {"enable.partition.eof": True})

    def last(self, lines: int) -> list[LogLine]:
        """The last ``lines`` lines that there are now, oldest first. UnavailableError when Kafka does not answer.

        No more than the last ``FARTHEST_LOOK`` records of each partition are looked at.
        """
        try:
            spans = self._spans()
            look = FIRST_LOOK if lines else 0
            while True:
                starts = {p: max(low, high - look) for p, (low, high) in spans.items()}
                found = self._read_to_end(starts, spans)
                whole = all(starts[p] == low for p, (low, _) in spans.items())
                if len(found) >= lines or whole or look >= FARTHEST_LOOK:
                    break
                look *= 8
        except KafkaException as error:
            raise UnavailableError(f"Kafka did not give the log ({_said(error)}); see `./portfolio status`.") from error
        found.sort(key=lambda message: (message.timestamp()[1], message.partition(), message.offset()))
        return self._lines(found[-lines:] if lines else [])

    def more(self) -> list[LogLine]:
        """The lines that came since; never waits."""
        return self._lines(self._mine(self._reader.consume(BATCH, 0)))

    def close(self) -> None:
        """Hangs up."""
        self._reader.close()

    def _spans(self) -> dict[int, tuple[int, int]]:
        there = self._reader.list_topics(ALGO_LOGS.name, timeout=10).topics[ALGO_LOGS.name]
        if there.error is not None:
            raise KafkaException(there.error)
        return {
            p: self._reader.get_watermark_offsets(TopicPartition(ALGO_LOGS.name, p), timeout=10)
            for p in sorted(there.partitions)
        }

    def _read_to_end(self, starts: dict[int, int], spans: dict[int, tuple[int, int]]) -> list[Message]:
        """All wanted messages from these offsets to the ends; what is newer comes along."""
        self._reader.assign([TopicPartition(ALGO_LOGS.name, p, offset) for p, offset in starts.items()])
        left = {p for p, offset in starts.items() if offset < spans[p][1]}
        found: list[Message] = []
        deadline = time.monotonic() + WITHIN_S
        while left:
            messages = self._reader.consume(BATCH, 0.2)
            left -= {int(m.partition() or 0) for m in messages if _is_last(m, spans)}
            found += self._mine(messages)
            if time.monotonic() > deadline:
                raise UnavailableError(f"Kafka did not give the log within {WITHIN_S:.0f} s; see `./portfolio status`.")
        return found

    def _mine(self, messages: Iterable[Message]) -> list[Message]:
        mine = []
        for message in messages:
            if (error := message.error()) and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            if not error and self._wanted((message.key() or b"").decode("utf-8", "replace")):
                mine.append(message)
        return mine

    @staticmethod
    def _lines(messages: Iterable[Message]) -> list[LogLine]:
        lines = []
        for message in messages:
            try:
                lines.append(decode(LogLine, message.value() or b""))
            except UndecodableError:
                continue  # written by nobody of ours: `./portfolio tail algo-logs` shows it
        return lines


def _is_last(message: Message, spans: dict[int, tuple[int, int]]) -> bool:
    """Whether a partition has been read to where its end was, or is."""
    if error := message.error():
        return bool(error.code() == KafkaError._PARTITION_EOF)
    return int(message.offset() or 0) + 1 >= spans[int(message.partition() or 0)][1]


def _said(error: Exception) -> Any:
    inner = error.args[0] if error.args else error
    return inner.str() if isinstance(inner, KafkaError) else inner
