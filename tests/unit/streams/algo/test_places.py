"""Where a run's instruments are: the same for all of its tasks, in whatever order they read the slots."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import encode
from schemas.market import Subscription
from streams.algo.places import Partitions

NAME = "NSE:TCS"
SLOTS = 4
Record = tuple[int, bytes, bytes | None, int]  # slot, key, value, milliseconds


def record(at_ms: int, slot: int, partition: int | None, name: str = NAME) -> Record:
    """A record of ``subscriptions``; ``partition=None``: a tombstone."""
    return slot, name.encode(), None if partition is None else encode(Subscription(name, partition=partition)), at_ms


def fold(records: list[Record]) -> tuple[int, set[str]]:
    found = Partitions([NAME])
    for one in records:
        found.take(*one)
    return found.of(NAME), found.dropped


@st.composite
def stories(draw: Any) -> tuple[list[Record], tuple[int, set[str]]]:
    """What a feed writes of an instrument: added, moved, removed, added again; and what holds in the end."""
    records: list[Record] = []
    slot, partition = -1, -1
    for at_ms in range(1, 1 + draw(st.integers(0, 12))):
        new = draw(st.integers(0, SLOTS - 1))
        if slot < 0:
            slot, partition = new, draw(st.integers(0, 11))
            records.append(record(at_ms, slot, partition))
        elif draw(st.booleans()):
            records.append(record(at_ms, slot, None))
            slot = -1
        elif new != slot:
            records += [record(at_ms, new, partition), record(at_ms, slot, None)]
            slot = new
    return records, (partition, {NAME} if records and slot < 0 else set())


@given(stories(), st.permutations(range(SLOTS)), st.booleans())
def test_all_tasks_agree_in_whatever_order_they_read_the_slots(
    story: tuple[list[Record], tuple[int, set[str]]], order: list[int], is_compacted: bool
) -> None:
    records, wanted = story
    slots = [[one for one in records if one[0] == slot] for slot in order]
    if is_compacted:
        slots = [slot[-1:] for slot in slots]
    found = fold([one for slot in slots for one in slot])
    if wanted[1] and is_compacted:  # what is gone may have left tombstones only
        assert found in ((-1, set()), wanted)
    else:
        assert found == wanted


@given(stories(), st.randoms())
def test_reading_the_slots_in_turns_gives_the_same(
    story: tuple[list[Record], tuple[int, set[str]]], random: Any
) -> None:
    records, wanted = story
    left = [[one for one in records if one[0] == slot] for slot in range(SLOTS)]
    read: list[Record] = []
    while any(left):
        read.append(random.choice([slot for slot in left if slot]).pop(0))
    assert fold(read) == wanted


@pytest.mark.parametrize("bad", [b"garbage", encode(Subscription(NAME))])
def test_what_was_written_by_hand_waits_for_the_feed_to_mend_it(bad: bytes) -> None:
    found = Partitions([NAME])
    assert not found.take(2, NAME.encode(), bad, 1)
    assert found.of(NAME) == -1
    assert found.take(*record(2, 2, 7))
    assert not found.take(3, NAME.encode(), bad, 3)
    assert (found.of(NAME), found.dropped) == (7, set())


def test_changes_are_told_and_others_instruments_ignored() -> None:
    found = Partitions([NAME])
    take = found.take
    assert not take(*record(1, 0, 3, "NSE:INFY"))
    assert take(*record(2, 0, 3))
    assert not take(*record(3, 0, 3))
    assert not take(*record(4, 1, 3))  # it moves
    assert not take(*record(4, 0, None))
    assert take(*record(5, 1, None))
    assert found.dropped == {NAME}
    assert take(*record(6, 0, 3))
    assert found.dropped == set()
