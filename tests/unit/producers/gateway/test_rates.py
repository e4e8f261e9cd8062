"""No window ever holds more than it may, and cancels find room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producers.gateway.rates import Rates, Window, windows

LIMITS = (Window(1.0, 4, 1), Window(5.0, 9, 2))
steps = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 3.0]), st.booleans(), st.booleans()), max_size=80)


@given(steps)
def test_no_window_holds_too_many_however_late_a_call_starts(steps: list[tuple[float, bool, bool]]) -> None:
    rates, now, reserved = Rates(LIMITS), 0.0, 0
    started: list[float] = []
    for pause, is_cancel, starts in steps:
        now += pause
        if rates.room(now, is_cancel=is_cancel) > 0:
            rates.reserve()
            reserved += 1
        if starts and reserved:
            rates.start(now)
            started.append(now)
            reserved -= 1
    for window in LIMITS:
        for at in started:
            assert sum(1 for other in started if at - window.seconds < other <= at) <= window.most


def test_a_quarter_is_kept_for_cancels_and_kites_longer_limits_have_room() -> None:
    rates = Rates(windows(8))
    for _ in range(6):
        rates.reserve()
        rates.start(10.0)
    assert rates.room(10.5, is_cancel=False) == 0
    assert rates.room(10.5, is_cancel=True) == 2
    assert rates.room(11.0, is_cancel=False) == 6
    assert [window.seconds for window in windows(10)] == [1.0, 60.0, 86_400.0]
    assert all(window.most < most for window, most in zip(windows(10)[1:], (400, 5000), strict=True))
    assert [window.seconds for window in windows(11)] == [1.0]


def test_what_an_earlier_process_sent_counts() -> None:
    rates = Rates((Window(1.0, 4, 0),))
    rates.seed([99.5, 98.0, 99.2, 99.9], 99.0)
    assert rates.room(100.0, is_cancel=True) == 1


def test_when_an_earlier_process_sent_last_is_not_known() -> None:
    rates = Rates((Window(1.0, 4, 0), Window(60.0, 100, 0)))
    rates.seed([], 99.5)
    assert rates.room(100.0, is_cancel=True) == 0
    assert rates.room(100.5, is_cancel=True) == 4


def test_a_call_that_is_not_made_gives_its_place_back() -> None:
    rates = Rates((Window(1.0, 1, 0),))
    rates.reserve()
    assert rates.room(0.0, is_cancel=True) == 0
    rates.release()
    assert rates.room(0.0, is_cancel=True) == 1
