"""What single records do: judged once, put aside with a reason, never stopping the next one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.codec import encode
from schemas.orders import BrokerPosition, BrokerPositions, Position, PositionDifference
from schemas.topics import (
    BROKER_POSITIONS,
    COMMANDS,
    LIMITS,
    ORDER_EVENTS,
    ORDER_INTENTS,
    POSITION_DIFFERENCES,
    POSITIONS,
    Topic,
)
from streams.risk.intake import Intake, Outcome, Record
from tests.unit.streams.risk.build import NOW, Desk, S, intent, limit


class Nobody:
    """Obeys nothing."""

    def obey(self, *_: Any) -> list[Any]:
        raise AssertionError("no command was meant for risk")


class Room:
    """An intake and the offsets of its topics."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.book = self.desk.book
        self.intake = Intake(self.book, self.desk.market, lambda: self.desk.now_us, Nobody())
        self.intake.is_current = True

    def take(self, topic: Topic, *records: Any) -> Outcome:
        out = Outcome()
        for record in records:
            value = record if isinstance(record, bytes) else encode(record)
            self.intake.take(Record(topic.name, self.book.next.get(topic.name, 0), value, 1), out)
        self.intake.finish(out)
        return out


@pytest.fixture
def room() -> Room:
    return Room()


def test_an_intent_is_judged_once(room: Room) -> None:
    out = room.take(ORDER_INTENTS, intent("a1"), intent("a1", quantity=99), intent("a2"), intent("a1"))
    assert [(v.id, v.approved, v.offset) for v in out.verdicts] == [("a1", True, 0), ("a2", True, 2)]
    assert out.repeated == 2
    assert room.book.next[ORDER_INTENTS.name] == 4
    assert room.book.orders["a1"].state.quantity == 10


def test_what_the_brake_holds_counts_at_once(room: Room) -> None:
    room.intake.holds = {"algo:crossover": "HALTED"}
    assert room.take(ORDER_INTENTS, intent("a1")).verdicts[0].code == "HALTED"
    room.intake.holds = {}
    assert room.take(ORDER_INTENTS, intent("a2")).verdicts[0].approved


def test_an_intent_with_a_broken_id_gets_its_verdict_each_time(room: Room) -> None:
    out = room.take(ORDER_INTENTS, intent("no id!"), intent("no id!"))
    assert [v.code for v in out.verdicts] == ["BAD_ID", "BAD_ID"]


BROKEN = [b"", b"garbage", b"{", b'{"id": 7}', encode(intent("cut"))[:-3], encode(limit("platform", "notional", 1.0))]


@pytest.mark.parametrize("topic", [ORDER_INTENTS, ORDER_EVENTS, BROKER_POSITIONS, COMMANDS])
def test_what_cannot_be_read_is_put_aside_and_the_next_one_is_taken(room: Room, topic: Topic) -> None:
    out = room.take(topic, *BROKEN)
    assert [aside.record.offset for aside in out.aside] == list(range(len(BROKEN)))
    assert all(aside.reason for aside in out.aside)
    assert room.book.next[topic.name] == len(BROKEN)
    assert room.take(ORDER_INTENTS, intent("a1")).verdicts[0].approved


def test_a_limit_that_a_person_wrote_by_hand_holds_for_the_next_intent(room: Room) -> None:
    bare = json.dumps({"scope": "algo:crossover", "limit": "quantity", "value": 5}).encode()
    bad = [
        json.dumps({"scope": "algo:crossover", "limit": "quantity", "value": -5}).encode(),
        json.dumps({"scope": "the moon", "limit": "quantity", "value": 5}).encode(),
        json.dumps({"scope": "platform", "limit": "quantities", "value": 5}).encode(),
        json.dumps({"scope": "platform", "limit": "quantity", "value": "5"}).encode(),
        json.dumps({"scope": "platform", "limit": "quantity", "value": float("nan")}).encode(),
    ]
    out = room.take(LIMITS, bare, *bad)
    assert len(out.aside) == len(bad)
    assert all(aside.reason for aside in out.aside)
    (kept,) = room.book.limits.values()
    assert (kept.scope, kept.limit, kept.value, kept.unit, kept.at_us) == (
        "algo:crossover", "quantity", 5, "shares", NOW,
    )  # fmt: skip
    assert room.take(ORDER_INTENTS, intent("a1")).verdicts[0].code == "LIMIT_QUANTITY"
    room.take(LIMITS, replace(kept, removed=True))
    assert room.take(ORDER_INTENTS, intent("a2")).verdicts[0].approved


def test_positions_are_told_when_they_change(room: Room) -> None:
    room.take(ORDER_INTENTS, intent("a1"))
    filled = room.desk.hear("a1", "complete", filled=10)
    room.book.holdings.take_changed()
    other = replace(filled, order="ext-1", run="EXTERNAL", quantity=4, filled=4, average_price=90.0)
    out = room.take(ORDER_EVENTS, other, other, filled)
    assert out.filled
    assert [(topic, key, record.quantity) for topic, key, record in out.told] == [
        (POSITIONS, "paper/EXTERNAL/NSE:INFY/MIS", 4)
    ]
    assert isinstance(out.told[0][2], Position)
    assert not room.take(ORDER_EVENTS, other).told


def snapshot(at_us: int, *held: tuple[str, int]) -> BrokerPositions:
    return BrokerPositions("paper", at_us, [BrokerPosition(name, "MIS", quantity, 101.0) for name, quantity in held])


def told(out: Outcome) -> list[tuple[str, int, int]]:
    """State, ours and the broker's of the differences that are told."""
    found = [record for topic, _, record in out.told if topic is POSITION_DIFFERENCES]
    assert all(isinstance(record, PositionDifference) for record in found)
    return [(d.state, d.ours, d.brokers) for d in found]


def test_the_brokers_word_is_compared_once_all_is_read(room: Room) -> None:
    room.desk.hold(10)
    room.intake.is_current = False
    assert told(room.take(BROKER_POSITIONS, snapshot(NOW + 60 * S))) == []
    room.intake.is_current = True
    assert told(room.take(BROKER_POSITIONS, snapshot(NOW + 61 * S, ("NSE:INFY", 10)))) == []
    assert told(room.take(BROKER_POSITIONS, snapshot(NOW + 62 * S, ("NSE:INFY", 7)))) == [], "it may be on its way"
    assert told(room.take(BROKER_POSITIONS, snapshot(NOW + 63 * S, ("NSE:INFY", 7)))) == [("found", 10, 7)]
    assert room.take(ORDER_INTENTS, intent("a1")).verdicts[0].code == "DIFFERENCE"
    assert told(room.take(BROKER_POSITIONS, snapshot(NOW + 64 * S, ("NSE:INFY", 10)))) == [("gone", 10, 10)]
    assert room.take(ORDER_INTENTS, intent("a2")).verdicts[0].approved


def test_what_is_just_being_filled_is_not_compared(room: Room) -> None:
    room.desk.hold(10)
    room.take(BROKER_POSITIONS, snapshot(NOW + S))
    assert told(room.take(BROKER_POSITIONS, snapshot(NOW + S))) == [], "it was filled a second before"
    room.take(ORDER_INTENTS, intent("a1"))
    for seconds in range(60, 70):
        assert told(room.take(BROKER_POSITIONS, snapshot(NOW + seconds * S))) == [], "an order is under way"
    room.desk.hear("a1", "rejected")
    room.take(BROKER_POSITIONS, snapshot(NOW + 70 * S))
    assert told(room.take(BROKER_POSITIONS, snapshot(NOW + 71 * S))) == [("found", 10, 0)]
