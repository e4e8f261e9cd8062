"""`portfolio tail`: what a topic says, as it says it."""

from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra import kafka
from infra.errors import UserError
from infra.settings import Settings
from schemas.codec import UndecodableError, decode, decode_any
from schemas.market import Instrument, Subscription
from schemas.ticks import TickBatch
from schemas.topics import COMPACTED, INSTRUMENTS, SUBSCRIPTIONS, TICKS, TOPICS, Topic
from streams.prices.instruments import InstrumentBook
from streams.prices.lines import plain, record_text, rows_of, tick_json, tick_text
from streams.prices.subscribed import Subscribed

POLL_S = 0.25
BATCH = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be shown. ``instrument`` empty: of all; ``count`` 0: without end."""

    topic: Topic
    instrument: str = ""
    count: int = 0
    as_json: bool = False
    from_start: bool = False


def topic_of(name: str) -> Topic:
    """The topic of that name. UserError lists those that there are."""
    if topic := TOPICS.get(name):
        return topic
    close = difflib.get_close_matches(name, TOPICS, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UserError(f"There is no topic {name!r}.{hint} Topics: {', '.join(TOPICS)}.")


def instrument_of(text: str, of: Settings) -> str:
    """The full name of an instrument that a person means; UserError names close matches when there is none."""
    book = InstrumentBook()
    for message in kafka.read_compacted(INSTRUMENTS, of=of):
        try:
            book.put(_key(message), decode(Instrument, message.value()) if message.value() else None)
        except UndecodableError:
            continue  # its reader puts it aside
    return book.find(text).instrument


def is_subscribed(instrument: str, of: Settings) -> bool:
    """Whether the feed was asked for this instrument."""
    subscribed = Subscribed()
    for message in kafka.read_compacted(SUBSCRIPTIONS, of=of):
        if _key(message) != instrument:
            continue
        with contextlib.suppress(UndecodableError):
            record = decode(Subscription, message.value()) if message.value() else None
            subscribed.put(instrument, int(message.partition() or 0), record, message.timestamp()[1])
    return instrument in subscribed


def tail(wanted: Wanted, of: Settings) -> None:
    """Prints lines until there are ``count`` of them, or until it is stopped."""
    left = wanted.count or sys.maxsize
    with_state = wanted.topic.kept_ms == COMPACTED and not wanted.from_start
    try:
        more: dict[str, Any] = {"enable.partition.eof": True, "auto.offset.reset": "latest"}
        reader = kafka.consumer("tail", of, more)
        try:
            assignment = _assignment(reader, wanted.topic, from_start=with_state or wanted.from_start)
            reader.assign(assignment)
            batches = _batches(reader, {at.partition for at in assignment} if with_state else set())
            for messages in batches:
                for text in lines_of(messages, wanted):
                    sys.stdout.write(text + "\n")
                    left -= 1
                    if not left:
                        break
                sys.stdout.flush()
                if not left:
                    return
        finally:
            reader.close()
    except KafkaException as error:
        reason = error.args[0].str() if isinstance(error.args[0], KafkaError) else str(error)
        raise UserError(f"Kafka at {of.kafka_servers} does not answer ({reason}); see `./portfolio status`.") from error


def _assignment(reader: Consumer, topic: Topic, *, from_start: bool) -> list[TopicPartition]:
    there = reader.list_topics(topic.name, timeout=10).topics[topic.name]
    if there.error is not None:
        raise UserError(f"Kafka has no topic {topic.name} yet; `./portfolio up` makes it.")
    offset = OFFSET_BEGINNING if from_start else OFFSET_END
    return [TopicPartition(topic.name, partition, offset) for partition in sorted(there.partitions)]


def _batches(reader: Consumer, state_of: set[int]) -> Iterator[list[Message]]:
    """Messages as they come. Of a topic that is a state, first the last word on each key, without the removed ones."""
    last: dict[tuple[int, bytes | None], Message] = {}
    while True:
        messages = []
        for message in reader.consume(BATCH, POLL_S):
            if error := message.error():
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                state_of.discard(int(message.partition() or 0))
                if not state_of and last:
                    messages += [kept for kept in last.values() if kept.value() is not None]
                    last = {}
            elif int(message.partition() or 0) in state_of or last:
                at = (int(message.partition() or 0), message.key())
                last.pop(at, None)
                last[at] = message
            else:
                messages.append(message)
        yield messages


def lines_of(messages: Iterable[Message], wanted: Wanted) -> Iterator[str]:
    """The lines that messages of a topic make; a message that cannot be read makes a line that says so."""
    for message in messages:
        try:
            yield from _lines(message, wanted)
        except (UndecodableError, ValueError) as error:
            where = {"topic": wanted.topic.name, "partition": message.partition(), "offset": message.offset()}
            if wanted.as_json:
                yield _json({"unreadable": str(error), **where})
            else:
                yield f"unreadable: {wanted.topic.name}[{message.partition()}]@{message.offset()}: {error}"


def _lines(message: Message, wanted: Wanted) -> Iterator[str]:
    value = message.value()
    if wanted.topic is TICKS:
        batch = decode(TickBatch, value or b"")
        for row in rows_of(batch, wanted.instrument):
            yield _json(tick_json(batch, row)) if wanted.as_json else tick_text(batch, row)
        return
    key = _key(message)
    record = decode_any(value) if value else None
    if wanted.instrument and not _is_about(wanted.instrument, key, record):
        return
    if wanted.as_json:
        yield _json({"key": key, "removed": True} if record is None else record)
    else:
        yield record_text(key, record)


def _is_about(instrument: str, key: str, record: dict[str, Any] | None) -> bool:
    about = record or {}
    return instrument in (key, about.get("instrument")) or instrument in about.get("instruments", ())


def _key(message: Message) -> str:
    key = message.key()
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key or "")


def _json(record: dict[str, Any]) -> str:
    return orjson.dumps(record, default=plain, option=orjson.OPT_NON_STR_KEYS).decode()
