"""Writing as the one in charge, on real Kafka: what is committed is read; who was in charge before writes no more."""

from __future__ import annotations

from uuid import uuid4

import pytest
from confluent_kafka import KafkaError, TopicPartition

from infra.fenced import FencedError, FencedWriter
from infra.fenced_tables import after_last
from infra.kafka import consumer
from infra.settings import Settings
from schemas.codec import decode
from schemas.orders import OrderSend
from schemas.topics import ORDER_SENDS


def send(id_: str) -> OrderSend:
    return OrderSend(id_, "paper", id_, "place", 1, "test")


def committed(of: Settings, prefix: str) -> list[str]:
    """The ids with this prefix that a reader is given, in the log's order."""
    reader = consumer("committed", of, {"enable.partition.eof": True, "fetch.wait.max.ms": 10})
    reader.assign([TopicPartition(ORDER_SENDS.name, 0, 0)])
    found = []
    while (message := reader.poll(10)) is not None:
        if error := message.error():
            assert error.code() == KafkaError._PARTITION_EOF
            break
        found.append(decode(OrderSend, message.value() or b"").id)
    reader.close()
    return [id_ for id_ in found if id_.startswith(prefix)]


def test_a_newer_writer_fences_off_the_older_one(servers: Settings) -> None:
    mark = uuid4().hex[:8]
    older = FencedWriter(f"test-{mark}", servers)
    older.take_charge()
    older.write((ORDER_SENDS, "paper", send(f"{mark}-{n}")) for n in range(3))
    assert committed(servers, mark) == [f"{mark}-{n}" for n in range(3)]
    older._producer.begin_transaction()  # it is frozen in the middle of its next one
    older._producer.produce(ORDER_SENDS.name, b"half done", b"paper", partition=0)
    older._producer.flush(10)

    newer = FencedWriter(f"test-{mark}", servers)
    newer.take_charge()
    newer.write([(ORDER_SENDS, "paper", send(f"{mark}-3"))])
    with pytest.raises(FencedError, match="Another process"):
        older._insist(lambda: older._producer.commit_transaction(10))
    with pytest.raises(FencedError):
        older.write([(ORDER_SENDS, "paper", send(f"{mark}-late"))])
    assert committed(servers, mark) == [f"{mark}-{n}" for n in range(4)]
    newer.write([])
    newer.write([(ORDER_SENDS, "paper", send(f"{mark}-4"))])
    assert committed(servers, mark)[-1] == f"{mark}-4", "it goes on"


def test_the_end_of_a_log_is_behind_its_last_committed_record(servers: Settings) -> None:
    writer = FencedWriter(f"test-{uuid4().hex[:8]}", servers)
    writer.take_charge()
    writer.write([(ORDER_SENDS, "paper", send("x"))])
    ends = {after_last(ORDER_SENDS.name, servers)}
    for _ in range(5):  # only Kafka's own marks are behind it then
        writer._producer.begin_transaction()
        writer._producer.produce(ORDER_SENDS.name, b"never", b"paper", partition=0)
        writer._producer.flush(10)
        writer._producer.abort_transaction(10)
        ends.add(after_last(ORDER_SENDS.name, servers))
    assert len(ends) == 1
    reader = consumer("ends", servers)
    _, end = reader.get_watermark_offsets(TopicPartition(ORDER_SENDS.name, 0), timeout=10)
    reader.close()
    assert ends.pop() == end - 11
