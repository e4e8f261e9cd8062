"""The fold of the feed's topics, and the plans made on it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import encode
from schemas.market import FeedPool, FeedStatus, Instrument, Subscription
from streams.console.errors import DoesNotFitError
from streams.console.feed import FeedState
from streams.console.plan import PER_WORKER, Layout, Write, plan_add, plan_remove

NOW = 1_000_000.0


def instrument(name: str) -> Instrument:
    exchange, _, symbol = name.partition(":")
    return Instrument(name, "kite", 1, exchange, symbol, symbol, "EQ", exchange, 0.05, 1)


def many(count: int, start: int = 0) -> list[Instrument]:
    return [instrument(f"NSE:S{n}") for n in range(start, start + count)]


def place_of(state: FeedState, name: str = "NSE:INFY") -> tuple[int, Subscription] | None:
    place = state.subscribed.current(name)
    return (place.slot, place.record) if place else None


def apply(state: FeedState, writes: list[Write], at_s: float = NOW) -> None:
    for write in writes:
        value = encode(write.record) if write.record else None
        state.take("subscriptions", write.slot, write.instrument.encode(), value, at_s)


def status(slot: int, state: str = "streaming") -> FeedState:
    return put_status(FeedState(), slot, "local-1", state, NOW)


def put_status(to: FeedState, slot: int, worker: str, state: str, at_s: float, *, covered: int = 9) -> FeedState:
    said = FeedStatus(slot, worker, state, "", 10, 5, covered, 42, "desk")  # type: ignore[arg-type]
    to.take("feed-status", slot, str(slot).encode(), encode(said), at_s)
    return to


def test_instruments_are_spread_evenly() -> None:
    state, layout = FeedState(), Layout(12, 12, 3, 3)
    apply(state, plan_add(state, many(100), "full", layout).writes)
    places = [place for name in state.subscribed if (place := state.subscribed.current(name))]
    slots, partitions = Counter(p.slot for p in places), Counter(p.record.partition for p in places)
    assert sorted(slots.values()) == sorted(partitions.values()) == [8] * 8 + [9] * 4


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "mode"]), st.integers(0, 30), st.integers(1, 12))))
def test_plans_keep_every_instrument_in_one_slot(steps: list[tuple[str, int, int]]) -> None:
    state, layout, wanted = FeedState(), Layout(4, 6, 1, 3), set[str]()
    for verb, start, count in steps:
        some = many(count, start)
        names = [i.instrument for i in some]
        if verb == "remove":
            apply(state, plan_remove(state, names))
            wanted -= set(names)
        else:
            before = {name: state.subscribed.current(name) for name in names}
            plan = plan_add(state, some, "ltp" if verb == "mode" else "full", layout)
            apply(state, plan.writes)
            assert sorted(plan.added + plan.changed + plan.unchanged) == sorted(names)
            for name in names:  # where it was, it stays
                after = state.subscribed.current(name)
                assert after is not None
                if old := before[name]:
                    assert (after.slot, after.record.partition) == (old.slot, old.record.partition)
            wanted |= set(names)
    assert set(state.subscribed) == wanted
    assert all(len(state.subscribed.slots(name)) == 1 for name in wanted)


def test_a_second_time_writes_nothing() -> None:
    state, layout = FeedState(), Layout(12, 12, 1, 3)
    apply(state, plan_add(state, many(5), "full", layout).writes)
    plan = plan_add(state, many(5), "full", layout)
    assert (plan.writes, plan.added, len(plan.unchanged)) == ([], [], 5)


def test_a_name_twice_is_written_once() -> None:
    assert len(plan_add(FeedState(), many(1) * 3, "full", Layout(12, 12, 1, 3)).writes) == 1


def test_what_does_not_fit_is_refused_with_what_to_do() -> None:
    layout = Layout(12, 12, 1, 3)
    assert len(plan_add(FeedState(), many(PER_WORKER), "full", layout).writes) == PER_WORKER
    with pytest.raises(
        DoesNotFitError, match=r"3001 instruments do not fit on 1 worker .*`./portfolio feed workers 2`"
    ):
        plan_add(FeedState(), many(PER_WORKER + 1), "full", layout)
    with pytest.raises(DoesNotFitError, match=r"9001 instruments .*: remove some first"):
        plan_add(FeedState(), many(3 * PER_WORKER + 1), "full", layout)


def test_when_it_is_full_modes_may_still_change() -> None:
    state, layout = FeedState(), Layout(12, 12, 1, 3)
    apply(state, plan_add(state, many(PER_WORKER + 1), "full", Layout(12, 12, 2, 3)).writes)
    assert len(plan_add(state, many(3), "ltp", layout).changed) == 3


@pytest.mark.parametrize(("workers", "capacity"), [(0, 3000), (1, 3000), (2, 6000), (3, 9000), (5, 12000), (99, 36000)])
def test_capacity_counts_whole_slots(workers: int, capacity: int) -> None:
    assert Layout(12, 12, workers, 12).capacity == capacity


def test_a_move_between_slots_is_one_instrument_all_the_time() -> None:
    state = FeedState()
    record = Subscription("NSE:INFY", token=1, partition=3)
    apply(state, [Write(1, "NSE:INFY", record)])
    apply(state, [Write(0, "NSE:INFY", record)], NOW + 1)
    assert place_of(state) == (0, record)
    assert [write.slot for write in plan_remove(state, ["NSE:INFY"])] == [0, 1]
    apply(state, [Write(1, "NSE:INFY", None)], NOW + 2)
    assert place_of(state) == (0, record)
    apply(state, [Write(0, "NSE:INFY", None), Write(5, "NSE:INFY", None)], NOW + 3)
    assert state.subscribed.current("NSE:INFY") is None


def test_people_may_write_json_and_garbage_is_counted() -> None:
    state = FeedState()
    state.take("subscriptions", 2, b"NSE:INFY", b'{"instrument": "NSE:INFY"}', NOW)
    state.take("subscriptions", 2, b"NSE:TCS", b'{"instrument": "NSE:TCS", "mode": "fast"}', NOW)
    for topic in ("subscriptions", "instruments", "feed-status", "feed-pools"):
        state.take(topic, 0, None, b"\xc3\x01garbage", NOW)
    assert place_of(state) == (2, Subscription("NSE:INFY"))
    assert (list(state.subscribed), state.bad_records) == (["NSE:INFY"], 5)


def test_workers_are_put_together_from_their_slots() -> None:
    state = FeedState()
    for slot in range(6):
        put_status(state, slot, f"local-{slot % 2 + 1}", "streaming", NOW + slot, covered=100 - slot)
    one, two = state.workers(NOW + 5)
    assert (one.worker, one.slots, one.instruments, one.ticks, one.covered_us) == ("local-1", [0, 2, 4], 30, 15, 96)
    assert (two.state, two.pid, two.host) == ("streaming", 42, "desk")
    put_status(state, 0, "local-2", "streaming", NOW + 6)  # a slot changes hands
    assert [worker.slots for worker in state.workers(NOW + 6)] == [[2, 4], [0, 1, 3, 5]]


@pytest.mark.parametrize(
    ("said", "silent_s", "owner", "state"),
    [("streaming", 1, "local-1", "streaming"), ("streaming", 60, None, "lost"),
     ("connecting", 1, "local-1", "connecting"), ("stopped", 60, None, "stopped")],
)  # fmt: skip
def test_who_owns_a_slot(said: str, silent_s: float, owner: str | None, state: str) -> None:
    folded = status(3, state=said)
    assert folded.owner(3, NOW + silent_s) == (owner, state)
    assert folded.owner(4, NOW) == (None, "unassigned")
    assert folded.workers(NOW + silent_s)[0].state == state


def test_a_lost_worker_says_for_how_long() -> None:
    assert status(3).workers(NOW + 61)[0].detail == "no sign of life for 61 s"
    assert status(3).workers(NOW + 100_000) == []


def test_pools() -> None:
    state = FeedState()
    assert state.wanted("local", 1) == 1
    state.take("feed-pools", 0, b"local", encode(FeedPool("local", 3)), NOW)
    assert state.wanted("local", 1) == 3
    state.take("feed-pools", 0, b"local", None, NOW)
    assert state.pools == {}
