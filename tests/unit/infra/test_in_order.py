"""Records once and in order, from a consumer that repeats, skips and jumps as hypothesis likes."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from infra.in_order import FIRST_S, LONGEST_S, InOrder

STEPS = st.lists(st.tuples(st.sampled_from(["next", "jump", "back", "rebalance"]), st.integers(0, 30)), max_size=60)


@given(STEPS, st.integers(0, 10))
def test_whatever_is_delivered_each_record_is_taken_once_and_in_order(steps: list[tuple[str, int]], first: int) -> None:
    order, end = InOrder(), 40
    order.begin({"t": first}, 0.0)
    position, now, taken = first, 0.0, []
    for what, to in steps + [("next", 0)] * 400:
        now += 0.05
        if what == "jump":
            position = to
        elif what == "back":
            position = max(0, position - to)
        elif what == "rebalance":  # it goes on before or behind what was taken, and the reader from what it has done
            order.end()
            assert not order.takes("t", position, now), "nothing is taken while nobody knows where to begin"
            order.begin({"t": first + len(taken)}, now)
            position = to
        if position < end:
            if order.takes("t", position, now):
                taken.append(position)
            position += 1
        for topic, offset in order.overdue({"t": end}, now):
            assert topic == "t"
            position = offset
    assert taken == list(range(first, end))


def test_a_consumer_that_goes_on_well_is_left_alone() -> None:
    order = InOrder()
    order.begin({"t": 5, "u": 0}, 0.0)
    for n in range(100):
        assert order.takes("t", 5 + n, n * 0.01)
        assert not list(order.overdue({"t": 1000, "u": 7}, n * 0.01)), "others may wait while one is read"
    assert list(order.overdue({"t": 105, "u": 0}, 100.0)) == [], "there is no more"


def test_it_is_sent_back_again_with_more_and_more_patience() -> None:
    order = InOrder()
    order.begin({"t": 0}, 0.0)
    sent, now = [], 0.0
    while now < 60:
        now += 0.1
        sent += [now] * len(list(order.overdue({"t": 1}, now)))
    waits = [b - a for a, b in itertools.pairwise(sent)]
    assert sent[0] > FIRST_S
    assert waits == sorted(waits)
    assert max(waits) <= 2 * LONGEST_S + 0.2


def test_what_comes_early_is_waited_for_a_moment() -> None:
    order = InOrder()
    order.begin({"t": 0}, 0.0)
    assert not order.takes("t", 2, 1.0)
    assert list(order.overdue({"t": 3}, 1.1)) == []
    assert list(order.overdue({"t": 3}, 1.0 + FIRST_S)) == [("t", 0)]
    assert order.takes("t", 0, 2.0)
    assert order.takes("t", 1, 2.0)


def test_a_record_that_is_on_its_way_after_a_long_silence_is_left_alone() -> None:
    order = InOrder()
    order.begin({"t": 0}, 0.0)
    assert list(order.overdue({"t": 0}, 60.0)) == [], "there was nothing for a minute"
    assert list(order.overdue({"t": 1}, 60.1)) == [], "now there is"
    assert list(order.overdue({"t": 1}, 60.1 + FIRST_S)) == []
    assert list(order.overdue({"t": 1}, 60.2 + FIRST_S)) == [("t", 0)]
