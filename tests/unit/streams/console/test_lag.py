"""Lag in seconds, from offsets alone."""

from streams.console.lag import Lag, LagHistory


def noted(*ends: tuple[float, dict[int, int]]) -> LagHistory:
    made = LagHistory()
    for at_s, offsets in ends:
        made.note(at_s, offsets)
    return made


def test_nothing_is_known_before_the_first_commit() -> None:
    assert LagHistory().lag({0: 1}) is None
    assert noted((1.0, {0: 5})).lag({}) is None


def test_a_group_at_the_end_has_none() -> None:
    assert noted((1.0, {0: 5, 1: 7})).lag({0: 5, 1: 7}) == Lag(0, 0.0)


def test_seconds_reach_back_to_when_the_log_ended_there() -> None:
    history = noted(*((float(second), {0: second * 10, 1: 50}) for second in range(10)))
    assert history.lag({0: 70, 1: 50}) == Lag(20, 2.0)
    assert history.lag({0: 75, 1: 50}) == Lag(15, 2.0)
    assert history.lag({0: 90, 1: 40}) == Lag(10, 9.0)  # behind since before the first note


def test_a_group_that_is_ahead_of_the_last_note_is_not_behind() -> None:
    assert noted((1.0, {0: 5})).lag({0: 9}) == Lag(0, 0.0)
