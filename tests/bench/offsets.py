"""Where a topic ends and how far a group has come."""

from __future__ import annotations

import time

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

Spans = dict[int, tuple[int, int]]  # partition -> first offset, offset after the last


def committed(client: AdminClient, group: str, topic: str, spans: Spans) -> int:
    """Records of the spans whose offsets the group has committed."""
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in spans])
    found = client.list_consumer_group_offsets([wanted])[group].result(30).topic_partitions
    return sum(max(0, tp.offset - spans[tp.partition][0]) for tp in found)


def is_running(client: AdminClient, group: str) -> bool:
    """Whether the group's members have their partitions."""
    return client.describe_consumer_groups([group])[group].result(30).state is ConsumerGroupState.STABLE


def rewind(client: AdminClient, group: str, topic: str, spans: Spans) -> None:
    """Lets the group begin at the spans' first records; waits until its members of a run before are forgotten."""
    starts = [TopicPartition(topic, p, start) for p, (start, _) in spans.items()]
    until = time.monotonic() + 90
    while not _altered(client, ConsumerGroupTopicPartitions(group, starts)):
        if time.monotonic() > until:
            raise SystemExit(f"Group {group} still has members, though its worker was stopped.")
        time.sleep(0.2)


def _altered(client: AdminClient, wanted: ConsumerGroupTopicPartitions) -> bool:
    """Kafka refuses while the group has members: the whole, or each partition by itself."""
    try:
        done = client.alter_consumer_group_offsets([wanted])[wanted.group_id].result(30)
    except KafkaException:
        return False
    return all(tp.error is None for tp in done.topic_partitions)


def remove(client: AdminClient, topic: str, spans: Spans) -> None:
    """Deletes the spans' records and all before them."""
    for done in client.delete_records([TopicPartition(topic, p, end) for p, (_, end) in spans.items()]).values():
        done.result(60)
