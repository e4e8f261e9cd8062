"""Reading topics in batches, each committed once it is dealt with, by a process that is known to be the only reader.

Without membership in a group: after a kill nobody's session has to run out before the next process goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from infra import kafka
from infra.settings import Settings
from schemas.topics import Topic

POLL_S = 0.25


def batches(
    group: str, topics: Sequence[Topic], of: Settings, go_on: Callable[[], bool], most: int = 1
) -> Iterator[list[Message]]:
    """Up to ``most`` messages at a time of all partitions, from where the group left off (else from their first).

    A batch is committed when the next one is asked for; what raises in between leaves it to be read again. Ends when
    ``go_on`` says so. KafkaException when Kafka is away.
    """
    reader = kafka.consumer(group, of, {"fetch.wait.max.ms": 500})
    try:
        reader.assign(_places(reader, topics))
        while go_on():
            messages = reader.consume(most, POLL_S)
            if not messages:
                continue
            for message in messages:
                if error := message.error():
                    raise KafkaException(error)
            yield messages
            ends = {(str(m.topic()), int(m.partition() or 0)): int(m.offset() or 0) + 1 for m in messages}
            reader.commit(offsets=[TopicPartition(*where, end) for where, end in ends.items()], asynchronous=False)
    finally:
        reader.close()


def _places(reader: Consumer, topics: Sequence[Topic]) -> list[TopicPartition]:
    all_ = [TopicPartition(topic.name, p) for topic in topics for p in range(_count(reader, topic))]
    places: list[TopicPartition] = reader.committed(all_, timeout=10)
    for at in places:
        if at.error:
            raise KafkaException(at.error)
        if at.offset < 0:
            at.offset = reader.get_watermark_offsets(at, timeout=10)[0]
    return places


def _count(reader: Consumer, topic: Topic) -> int:
    known = reader.list_topics(topic.name, timeout=10).topics[topic.name]
    if known.error is not None:
        raise KafkaException(known.error)
    return len(known.partitions)
