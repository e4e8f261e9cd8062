"""The contracts: no topic without schema and example, no schema without topic, nothing that breaks a reader."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from fastavro.schema import load_schema, parse_schema
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import AVRO, UndecodableError, decode, decode_any, encode, from_json
from schemas.market import Candle, FeedPool, Subscription
from schemas.orders import BrokerPosition, BrokerPositions
from schemas.ticks import COLUMNS, DEPTH, TickBatch, empty_batch
from schemas.topics import TOPICS, Topic

EXAMPLES = AVRO.parent / "examples"
GOLDEN = sorted(EXAMPLES.glob("*/*.json"))


def record_of(topic: Topic, values: dict[str, Any]) -> Any:
    """An example file's record; ticks as lists, bytes as text of code points."""
    if topic.record is not TickBatch:
        hints = get_type_hints(topic.record)
        return from_json(topic.record, {n: v.encode("latin-1") if hints[n] is bytes else v for n, v in values.items()})
    if not values["names"]:
        return empty_batch(values["provider"], values["worker"], values["sent_us"])
    columns = {name: np.array(values[name], dtype) for name, dtype in (COLUMNS | DEPTH).items()}
    return TickBatch(values["provider"], values["worker"], values["sent_us"], tuple(values["names"]), **columns)


def same(a: Any, b: Any) -> bool:
    if not isinstance(a, TickBatch):
        return bool(a == b)
    return a.names == b.names and all(np.array_equal(getattr(a, n), getattr(b, n)) for n in (*COLUMNS, *DEPTH))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_golden_messages_survive_the_bytes(path: Path) -> None:
    topic = TOPICS[path.parent.name]
    record = record_of(topic, json.loads(path.read_text()))
    again = decode(topic.record, encode(record))
    if topic.record is Candle:
        record = dataclasses.replace(record, first=tuple(record.first), last=tuple(record.last))
    assert same(again, record)
    assert set(decode_any(encode(record))) >= {f.name for f in dataclasses.fields(record)} - {"payload"}


def test_every_topic_has_an_example_and_every_example_a_topic() -> None:
    assert {path.parent.name for path in GOLDEN} == set(TOPICS)


def test_every_record_has_a_schema_and_every_schema_a_topic() -> None:
    records = {topic.record.__name__ for topic in TOPICS.values()}
    named = {parse_schema(load_schema(str(path)))["name"].rsplit(".")[-1] for path in AVRO.glob("*.avsc")}
    assert named == records


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_a_schema_has_the_fields_of_its_record(topic: Topic) -> None:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", topic.record.__name__).lower()
    newest = max(AVRO.glob(f"{name}.v*.avsc"), key=lambda path: int(path.name.split(".")[1][1:]))
    fields = [field["name"] for field in load_schema(str(newest))["fields"]]
    ours = [field.name for field in dataclasses.fields(topic.record)]
    if topic.record is TickBatch:
        ours.insert(4, "count")
    assert fields == ours


@given(st.binary(max_size=300))
def test_garbage_is_undecodable_and_nothing_worse(garbage: bytes) -> None:
    for topic in TOPICS.values():
        with pytest.raises(UndecodableError):
            decode(topic.record, garbage)


@given(st.data())
def test_a_broken_message_is_undecodable_or_a_record(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(GOLDEN))
    topic = TOPICS[path.parent.name]
    message = bytearray(encode(record_of(topic, json.loads(path.read_text()))))
    cut = message[: data.draw(st.integers(0, len(message) - 1))]
    with pytest.raises(UndecodableError):
        decode(topic.record, bytes(cut))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(UndecodableError):
        decode(topic.record, bytes(message))


def test_records_may_be_written_by_hand_as_json() -> None:
    assert decode(FeedPool, b'{"pool": "local", "workers": 3}') == FeedPool("local", 3)
    assert decode(Subscription, b'{"instrument": "NSE:INFY"}') == Subscription("NSE:INFY")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"pool": "local", "workers": "3"}', "FeedPool.workers is a int, not '3'"),
        (b'{"pool": "local", "worker": 3}', "FeedPool has no field 'worker'"),
        (b'{"pool": "local"}', "missing 1 required positional argument: 'workers'"),
        (b'{"pool": ', "Expecting value"),
    ],
)
def test_a_mistake_by_hand_is_named(text: bytes, says: str) -> None:
    with pytest.raises(UndecodableError, match=re.escape(says)):
        decode(FeedPool, text)


def test_records_in_records_may_be_written_by_hand_too() -> None:
    one = b'{"instrument": "NSE:INFY", "product": "MIS", "quantity": 5, %s}'
    text = b'{"account": "live", "at_us": 1, "positions": [' + one + b"]}"
    made = decode(BrokerPositions, text % b'"average_price": 1.5')
    assert made == BrokerPositions("live", 1, [BrokerPosition("NSE:INFY", "MIS", 5, 1.5)])
    with pytest.raises(UndecodableError, match="BrokerPosition has no field 'average'"):
        decode(BrokerPositions, text % b'"average": 1.5')
    with pytest.raises(UndecodableError, match="is a list of BrokerPosition, not of 7"):
        decode(BrokerPositions, b'{"account": "live", "at_us": 1, "positions": [7]}')


def test_a_record_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(UndecodableError, match="holds a FeedPool, not a Subscription"):
        decode(Subscription, encode(FeedPool("local", 1)))
