"""Where a topic ends and how far a group has come."""

from __future__ import annotations

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

Spans = dict[int, tuple[int, int]]  # partition -> first offset, offset after the last


def ends(client: AdminClient, topic: str, partitions: int) -> dict[int, int]:
    """The offset after the last record of each partition."""
    wanted = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(partitions)}
    return {tp.partition: done.result(30).offset for tp, done in client.list_offsets(wanted).items()}


def committed(client: AdminClient, group: str, topic: str, spans: Spans) -> int:
    """Records of the spans whose offsets the group has committed."""
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in spans])
    found = client.list_consumer_group_offsets([wanted])[group].result(30).topic_partitions
    return sum(max(0, tp.offset - spans[tp.partition][0]) for tp in found)


def rewind(client: AdminClient, group: str, topic: str, spans: Spans) -> None:
    """Lets the group begin at the spans' first records. It must have no members."""
    starts = [TopicPartition(topic, p, start) for p, (start, _) in spans.items()]
    client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, starts)])[group].result(30)


def remove(client: AdminClient, topic: str, spans: Spans) -> None:
    """Deletes the spans' records and all before them."""
    for done in client.delete_records([TopicPartition(topic, p, end) for p, (_, end) in spans.items()]).values():
        done.result(60)
