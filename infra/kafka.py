"""Kafka: clients configured from the settings, topics made from their declarations, dead letters."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

from infra.clock import market_clock
from infra.errors import UserError
from infra.metrics import DEAD_LETTERS
from infra.settings import Settings, settings
from schemas.codec import encode
from schemas.market import DeadLetter
from schemas.topics import PACKAGE_BYTES, TOPICS, Topic


def common(of: Settings | None = None) -> dict[str, Any]:
    """What every client needs: addresses and security."""
    chosen = of or settings()
    return {"bootstrap.servers": chosen.kafka_servers, **chosen.kafka_security}


def producer(of: Settings | None = None, config: Mapping[str, Any] | None = None) -> Producer:
    """A producer that waits for all replicas, keeps order, and holds on for five minutes when the log is away."""
    ours = {
        "acks": "all",
        "enable.idempotence": True,
        "compression.type": "lz4",
        "linger.ms": 0,
        "delivery.timeout.ms": 300_000,
        "queue.buffering.max.kbytes": 262_144,
        "log_level": 2,
    }
    return Producer(common(of) | ours | dict(config or {}))


def consumer(group: str, of: Settings | None = None, config: Mapping[str, Any] | None = None) -> Consumer:
    """A consumer of a group; commits only what it is told to. ``config``: further librdkafka settings."""
    ours = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest", "log_level": 2}
    return Consumer(common(of) | ours | dict(config or {}))


def admin(of: Settings | None = None) -> AdminClient:
    """An administration client."""
    return AdminClient(common(of) | {"log_level": 2})


def partitions_of(topic: Topic, of: Settings | None = None) -> int:
    """How many partitions a topic is made with."""
    return topic.partitions or (of or settings()).partitions


def make_topics(of: Settings | None = None) -> list[str]:
    """Makes the declared topics that are missing; returns their names. UserError when Kafka refuses."""
    chosen = of or settings()
    client = admin(chosen)
    there = client.list_topics(timeout=10).topics
    missing = [topic for name, topic in TOPICS.items() if name not in there]
    new = [NewTopic(t.name, partitions_of(t, chosen), chosen.kafka_replication, config=t.config) for t in missing]
    for name, done in (client.create_topics(new) if new else {}).items():
        try:
            done.result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise UserError(f"Kafka refused to make topic {name}: {error.args[0].str()}") from error
    for name, topic in TOPICS.items():
        if name in there and len(there[name].partitions) < partitions_of(topic, chosen):
            grown = client.create_partitions([NewPartitions(name, partitions_of(topic, chosen))])
            grown[name].result(30)
    return [topic.name for topic in missing]


def end_offsets(topic: str, partitions: Iterable[int], by: AdminClient | None = None) -> dict[int, int]:
    """The offset after the last record of each partition that a reader gets, asked in one request; blocks for a moment.

    What a transaction has not committed yet lies behind it. A consumer's own ``get_watermark_offsets`` waits behind its
    long fetches, half a second a partition. A broker that has just started may not know yet what it leads: it is asked
    again for half a minute, then KafkaException.
    """
    asked = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in partitions}
    client = admin() if by is None else by  # kept until the answers are in; an idle client is falsy
    deadline = time.monotonic() + 30
    while True:
        try:
            how = {"isolation_level": IsolationLevel.READ_COMMITTED, "request_timeout": 10}
            answers = client.list_offsets(asked, **how) if asked else {}
            return {place.partition: answer.result().offset for place, answer in answers.items()}
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.25)


def read_compacted(
    topic: Topic,
    partitions: Iterable[int] | None = None,
    of: Settings | None = None,
    timeout_s: float = 30,
    config: Mapping[str, Any] | None = None,
) -> Iterable[Message]:
    """Every message of these partitions (all by default) from the first to the last there is now, tombstones too."""
    chosen = of or settings()
    reader = consumer("reader", chosen, {"enable.partition.eof": True, **(config or {})})
    try:
        wanted = range(partitions_of(topic, chosen)) if partitions is None else list(partitions)
        spans = {p: reader.get_watermark_offsets(TopicPartition(topic.name, p), timeout=timeout_s) for p in wanted}
        open_partitions = {p for p, (low, high) in spans.items() if high > low}
        reader.assign([TopicPartition(topic.name, p, spans[p][0]) for p in open_partitions])
        while open_partitions:
            message = reader.poll(timeout_s)
            if message is None:
                raise UserError(
                    f"Kafka did not give topic {topic.name} within {timeout_s:.0f} s; see `./portfolio status`."
                )
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
                    continue
                raise KafkaException(message.error())
            if message.offset() + 1 >= spans[message.partition()][1]:
                open_partitions.discard(message.partition())
            yield message
    finally:
        reader.close()


def read_on(topic: str, start: int, of: Settings | None = None) -> Iterator[Message]:
    """What is committed in partition 0 of a topic from an offset on, up to the end that there is now.

    KafkaException when Kafka does not give it.
    """
    reader = consumer("reader", of, {"enable.partition.eof": True, "fetch.wait.max.ms": 10})
    try:
        reader.assign([TopicPartition(topic, 0, start)])
        while True:
            message = reader.poll(10)
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"topic {topic} cannot be read"))
            if error := message.error():
                if error.code() == KafkaError._PARTITION_EOF:
                    return
                raise KafkaException(error)
            yield message
    finally:
        reader.close()


def group_places(group: str, topic: str, partitions: Iterable[int], of: Settings | None = None) -> dict[int, int]:
    """Where a group goes on reading each partition: its committed offset, or the first there is. Blocks for a moment.

    KafkaException when Kafka does not tell.
    """
    asked = {TopicPartition(topic, partition): OffsetSpec.earliest() for partition in partitions}
    reader, client = consumer(group, of), admin(of)  # the client is kept until the answers are in
    try:
        firsts = {at.partition: answer for at, answer in client.list_offsets(asked, request_timeout=10).items()}
        places = reader.committed(list(asked), timeout=10) if asked else []
        if wrong := next((at.error for at in places if at.error), None):
            raise KafkaException(wrong)
        return {at.partition: max(at.offset, firsts[at.partition].result().offset) for at in places}
    finally:
        reader.close()


def spans(topics: Iterable[str], of: Settings | None = None) -> dict[str, tuple[int, int]]:
    """Of each topic's partition 0: its first offset, and the one after its last record. Blocks for a moment.

    KafkaException when Kafka does not tell.
    """
    places, client = [TopicPartition(topic, 0) for topic in topics], admin(of)
    firsts = client.list_offsets({at: OffsetSpec.earliest() for at in places}, request_timeout=10)
    ends = client.list_offsets({at: OffsetSpec.latest() for at in places}, request_timeout=10)
    return {at.topic: (firsts[at].result().offset, ends[at].result().offset) for at in places}


def dead_letter(
    to: Producer,
    topic: Topic,
    reason: str,
    payload: bytes,
    *,
    source: str,
    partition: int = -1,
    offset: int = -1,
) -> None:
    """Puts unusable bytes aside with the reason, and counts them."""
    letter = DeadLetter(topic.name, partition, offset, reason, payload, source, market_clock().now_us())
    DEAD_LETTERS.labels(topic.name).inc()
    with contextlib.suppress(BufferError):  # a full queue must not stop the stream; the count still tells
        to.produce(topic.dead_letters.name, encode(letter))


def flush(to: Producer, timeout_s: float = 30) -> None:
    """Waits until everything produced is acknowledged; UserError when it is not in time."""
    if left := to.flush(timeout_s):
        raise UserError(f"Kafka at {settings().kafka_servers} did not take {left} records within {timeout_s:.0f} s.")


def produce_all(records: Iterable[tuple[Topic, int | None, str, Any]], of: Settings | None = None) -> None:
    """Writes records (topic, partition or None, key, record or None for a tombstone) and waits for them."""
    to = producer(of)
    failed: list[str] = []
    note: Callable[[Any, Any], None] = lambda error, _: failed.append(str(error)) if error else None  # noqa: E731
    for topic, partition, key, record in records:
        value = None if record is None else encode(record)
        to.produce(
            topic.name,
            value,
            key.encode(),
            **({} if partition is None else {"partition": partition}),
            callback=note,
        )
        to.poll(0)
    flush(to)
    if failed:
        raise UserError(f"Kafka refused a record: {failed[0]}")


def write_all(
    records: Sequence[tuple[Topic, int, str, bytes | None]], of: Settings | None = None, timeout_s: float = 20
) -> dict[str, int]:
    """Writes encoded records (topic, partition, key, value) in their order; the offset after the last, by topic.

    UserError when Kafka does not take them in time; then none of them is written later.
    """
    to = producer(of, {"delivery.timeout.ms": int(timeout_s * 1000), "message.max.bytes": PACKAGE_BYTES + 65536})
    with contextlib.suppress(KafkaException):  # once it is connected; else it looks again only half a second later
        to.list_topics(timeout=1)
    ends: dict[str, int] = {}
    failed: list[str] = []

    def note(error: Any, message: Message) -> None:
        if error:
            failed.append(error.str())
        else:
            name = str(message.topic())
            ends[name] = max(ends.get(name, 0), int(message.offset() or 0) + 1)

    for topic, partition, key, value in records:
        to.produce(topic.name, value, key.encode(), partition=partition, on_delivery=note)
        to.poll(0)
    left = to.flush(timeout_s + 2)
    if left or failed:
        to.purge()
        to.flush(1)
        raise UserError(f"Kafka did not take the change ({failed[0] if failed else 'no answer in time'}).")
    return ends
