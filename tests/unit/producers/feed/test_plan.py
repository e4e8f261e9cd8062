"""Evening out and mending, for any contents of the slots."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from producers.feed.plan import Erase, Slots, Step, Write, even_out, mend
from schemas.market import Subscription

PARTITIONS = 12
Loads = st.lists(st.integers(0, 40), min_size=PARTITIONS, max_size=PARTITIONS)
Owners = st.lists(st.sampled_from("abcde"), min_size=PARTITIONS, max_size=PARTITIONS)


def subscription(name: str, partition: int = 0) -> Subscription:
    return Subscription(name, "kite", 1, "full", partition)


def slots_of(loads: list[int]) -> Slots:
    slots, number = Slots(), 0
    for slot, load in enumerate(loads):
        for _ in range(load):
            slots.put(slot, f"I{number}", subscription(f"I{number}", number % PARTITIONS), (number, 0), False)
            number += 1
    return slots


def apply(slots: Slots, steps: list[Step], at: int = 10**6) -> None:
    for n, step in enumerate(steps):
        if isinstance(step, Write):
            slots.put(step.slot, step.subscription.instrument, step.subscription, (at + n, 0), False)
        else:
            slots.put(step.slot, step.instrument, None, (at + n, 0), step.moved)


def worker_loads(slots: Slots, owners: dict[int, str]) -> Counter[str]:
    loads: Counter[str] = Counter(dict.fromkeys(owners.values(), 0))
    for slot, records in slots.held.items():
        loads[owners[slot]] += len(records)
    return loads


def contents(slots: Slots) -> list[str]:
    return sorted(name for records in slots.held.values() for name in records)


def test_a_hundred_over_three_is_33_33_34() -> None:
    slots = slots_of([9] * 4 + [8] * 8)
    owners = {slot: "abc"[slot // 4] for slot in range(PARTITIONS)}
    apply(slots, even_out(slots, owners))
    assert sorted(worker_loads(slots, owners).values()) == [33, 33, 34]


@given(Loads, Owners)
def test_evening_out_ends_even_loses_nothing_and_moves_no_more_than_needed(loads: list[int], names: list[str]) -> None:
    slots, owners = slots_of(loads), dict(enumerate(names))
    before, was = contents(slots), worker_loads(slots, owners)
    steps = even_out(slots, owners)
    apply(slots, steps)
    now = worker_loads(slots, owners)
    assert contents(slots) == before
    assert max(now.values()) - min(now.values()) <= 1
    needed = sum(max(0, was[w] - now[w]) for w in was)
    assert sum(isinstance(step, Write) for step in steps) == needed
    assert even_out(slots, owners) == []


@given(Loads, Owners)
def test_a_record_is_written_before_its_old_place_is_erased(loads: list[int], names: list[str]) -> None:
    slots, owners = slots_of(loads), dict(enumerate(names))
    written: set[str] = set()
    for step in even_out(slots, owners):
        if isinstance(step, Write):
            written.add(step.subscription.instrument)
        else:
            assert step.moved
            assert step.instrument in written


Puts = st.lists(
    st.tuples(
        st.integers(0, PARTITIONS - 1),
        st.sampled_from([f"I{n}" for n in range(6)]),
        st.sampled_from(["bare", "given", "gone"]),
    ),
    max_size=30,
)


@given(Puts)
def test_mending_leaves_each_instrument_once_complete_and_as_last_written(puts: list[tuple[int, str, str]]) -> None:
    slots = Slots()
    last: dict[str, str] = {}
    for at, (slot, name, what) in enumerate(puts):
        record = None if what == "gone" else Subscription(name) if what == "bare" else subscription(name, 3)
        slots.put(slot, name, record, (at, 0), False)
        last[name] = what
    known = {f"I{n}": 100 + n for n in range(5)}  # I5 is no instrument
    apply(slots, mend(slots, PARTITIONS, known.get))
    held = contents(slots)
    wanted = [name for name, what in last.items() if what != "gone" and name in known]
    assert held == sorted(wanted)
    for records in slots.held.values():
        for name, written in records.items():
            assert written.subscription.token == known[name]
            assert 0 <= written.subscription.partition < PARTITIONS
    assert mend(slots, PARTITIONS, known.get) == []


def test_an_instrument_that_moves_keeps_its_partition() -> None:
    slots = Slots()
    slots.put(0, "I1", Subscription("I1", "kite", 101, "full", 7), (1, 0), False)
    slots.put(5, "I1", Subscription("I1", mode="ltp"), (2, 0), False)  # written by hand, into another slot
    assert mend(slots, PARTITIONS, {"I1": 101}.get) == [
        Write(5, Subscription("I1", "kite", 101, "ltp", 7)),
        Erase(0, "I1", moved=True),
    ]
