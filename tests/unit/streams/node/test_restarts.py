"""When a failed algo is started again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.node.restarts import FIRST_DELAY_S, LONGEST_DELAY_S, MOST_FAILURES, WINDOW_US, Failures

Gaps = st.lists(st.integers(min_value=-WINDOW_US, max_value=2 * WINDOW_US), max_size=30)


def test_the_delay_doubles_until_it_is_a_crash_loop() -> None:
    failures, delays = Failures(), []
    for second in range(MOST_FAILURES):
        failures = failures.and_at(second * 1_000_000)
        delays.append(failures.delay_s)
        assert failures.too_many == (second == MOST_FAILURES - 1)
    assert delays == [1, 2, 4, 8, 16]


def test_failures_of_long_ago_are_forgotten() -> None:
    failures = Failures()
    for hour in range(50):
        failures = failures.and_at(hour * 3_600_000_000)
        assert (failures.delay_s, failures.too_many) == (FIRST_DELAY_S, False)


@given(Gaps)
def test_whatever_the_clock_does_delays_are_bounded_and_enough_failures_at_once_end_it(gaps: list[int]) -> None:
    failures, now = Failures(), 10**15
    for gap in gaps:
        now += gap
        failures = failures.and_at(now)
        assert FIRST_DELAY_S <= failures.delay_s <= LONGEST_DELAY_S
    for _ in range(MOST_FAILURES):
        failures = failures.and_at(now)
    assert failures.too_many
