"""Writing as the one in charge, on real Kafka: what is committed is read; who was in charge before writes no more."""

from __future__ import annotations

from uuid import uuid4

import pytest

from infra.fenced import FencedError, FencedWriter
from infra.kafka import read_on
from infra.settings import Settings
from schemas.codec import decode
from schemas.orders import OrderSend
from schemas.topics import ORDER_SENDS


def send(id_: str) -> OrderSend:
    return OrderSend(id_, "paper", id_, "place", 1, "test")


def committed(of: Settings, prefix: str) -> list[str]:
    """The ids with this prefix that a reader is given, in the log's order."""
    found = [decode(OrderSend, message.value() or b"").id for message in read_on(ORDER_SENDS.name, 0, of)]
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
