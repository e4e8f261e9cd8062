"""What the fold does not hold any more, read from the log itself: an old order, an old day, the record behind an order.

Blocks for as long as it takes, one reader at a time: it is for a person who asks, not for a stream.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra import kafka
from infra.clock import EXCHANGE, Clock
from infra.settings import Settings
from schemas.calendar import calendar_of
from schemas.codec import UndecodableError, decode
from schemas.topics import TOPICS
from streams.archive.ask import midnight
from streams.console.errors import ApiError, UnavailableError
from streams.console.trading_log import ORDER_TOPICS, Order, TradingLog

WITHIN_S = 25.0  # a person does not wait for longer
ANSWER_S = 10.0
BATCH = 2000
MARGIN_S = 60.0  # what happened in a day may be written a little later
_one = threading.Lock()


@dataclass(frozen=True, slots=True)
class Found:
    """A record at its place in the log."""

    topic: str
    written_us: int  # wall clock
    record: Any


def past_order(of: Settings, id_: str) -> Order | None:
    """An order from the whole log. UnavailableError when Kafka does not answer, or there is too much to look through.

    What a message is about stands in its bytes as it is, so only those that have the id are decoded.
    """
    log, wanted = TradingLog(), id_.encode()

    def take(message: Message) -> bool:
        if wanted in (message.value() or b""):
            _fold(log, message)
        return True

    with _reading(of) as reader:
        starts = {t.name: reader.get_watermark_offsets(TopicPartition(t.name, 0), ANSWER_S)[0] for t in ORDER_TOPICS}
        _read(reader, starts, take)
    return log.orders.get(id_)


def past_day(of: Settings, clock: Clock, day: date) -> TradingLog:
    """The orders of a trading day. UnavailableError as above."""
    log, zone = TradingLog(), calendar_of(EXCHANGE).zone
    since_s, until_s = (clock.wall_us(midnight(day + timedelta(n), zone)) / 1e6 for n in (0, 1))

    def take(message: Message) -> bool:
        _fold(log, message)
        return bool(message.timestamp()[1] / 1000 < until_s + MARGIN_S)

    with _reading(of) as reader:
        asked = [TopicPartition(topic.name, 0, int((since_s - 1) * 1000)) for topic in ORDER_TOPICS]
        found = reader.offsets_for_times(asked, ANSWER_S)
        _read(reader, {at.topic: at.offset for at in found if at.offset >= 0}, take)
    return log


def record_at(of: Settings, place: str) -> Found | None:
    """The record at ``topic/partition/offset``; None when it is not kept any more.

    ApiError when there is no such place, or what lies there is no record.
    """
    topic, partition, offset = parse_place(place)
    at = TopicPartition(topic, partition, offset)
    with _reading(of) as reader:
        low, high = reader.get_watermark_offsets(TopicPartition(topic, partition), ANSWER_S)
        if not low <= offset < high:
            return None
        reader.assign([at])
        message = reader.poll(ANSWER_S)
    if message is None or message.error() or message.offset() != offset:
        return None
    try:
        record = decode(TOPICS[topic].record, message.value() or b"")
    except UndecodableError as error:
        raise ApiError(f"What lies at {place} is no record: {error}.") from error
    return Found(topic, message.timestamp()[1] * 1000, record)


def parse_place(place: str) -> tuple[str, int, int]:
    """Topic, partition and offset. ApiError when it is none of ours."""
    topic, _, rest = place.partition("/")
    partition, _, offset = rest.partition("/")
    if topic not in TOPICS or not (partition.isdigit() and offset.isdigit()):
        raise ApiError(f"{place!r} is no place in the log: it would be topic/partition/offset.")
    return topic, int(partition), int(offset)


class _reading:  # noqa: N801 - used as a function
    """A reader of its own; Kafka's troubles as UnavailableError."""

    def __init__(self, of: Settings) -> None:
        self._settings = of

    def __enter__(self) -> Consumer:
        _one.acquire()
        self._reader = kafka.consumer("console-past", self._settings, {"enable.partition.eof": True})
        return self._reader

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self._reader.close()
        finally:
            _one.release()
        if isinstance(error, KafkaException):
            reason = error.args[0].str() if isinstance(error.args[0], KafkaError) else str(error)
            raise UnavailableError(f"Kafka does not answer ({reason}); see `./portfolio status`.") from error


def _fold(log: TradingLog, message: Message) -> None:
    at = (str(message.topic()), message.key(), message.value(), int(message.offset() or 0))
    log.take(*at, message.timestamp()[1] / 1000)


def _read(reader: Consumer, starts: Mapping[str, int], take: Callable[[Message], bool]) -> None:
    """Each topic from its start until ``take`` says that it is enough, or to its end."""
    deadline, open_ = time.monotonic() + WITHIN_S, set(starts)
    reader.assign([TopicPartition(topic, 0, offset) for topic, offset in starts.items()])
    while open_:
        if time.monotonic() > deadline:
            raise UnavailableError("The log is too long to be looked through while you wait; ask for a day of it.")
        for message in reader.consume(BATCH, 0.2):
            topic = str(message.topic())
            if error := message.error():
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                open_.discard(topic)
            elif topic in open_ and not take(message):
                open_.discard(topic)
                reader.pause([TopicPartition(topic, 0)])
