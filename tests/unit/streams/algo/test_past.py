"""How far back windows reach, against counting minutes one at a time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.calendar import INTERVALS, MINUTE_US, calendar_of
from streams.algo.past import DAY_US, past_start
from tests.unit.streams.candles.ticks import OPENING


@settings(deadline=None)
@given(st.integers(0, 5 * 1440), st.sampled_from([i for i in INTERVALS if i != "1d"]), st.integers(1, 40))
def test_so_many_candles_lie_between_and_hardly_more(minutes: int, interval: str, count: int) -> None:
    now_us = OPENING + minutes * MINUTE_US
    start = past_start("NSE", now_us, interval, count)
    here, at, starts = calendar_of("NSE"), start, set()
    while at < now_us:
        session = here.session(here.day_of(at))
        if session and session.open_us <= at < session.close_us:
            starts.add(here.candle_start(at, interval))
        at += MINUTE_US
    days = {here.day_of(candle) for candle in starts}  # each may end amid a candle, as may the first and the last
    assert count <= len(starts) <= count + 2 + len(days)


def test_days_are_sessions() -> None:
    wednesday = OPENING + 60 * MINUTE_US  # 2023-11-15; the 14th was a session too, 11th to 12th a weekend
    assert past_start("NSE", wednesday, "1d", 3) == OPENING - 5 * DAY_US


def test_an_exchange_without_a_calendar_never_sleeps() -> None:
    assert past_start("CRYPTO", OPENING, "5m", 3) == OPENING - 20 * MINUTE_US
    assert past_start("CRYPTO", OPENING, "1d", 3) == OPENING - 4 * DAY_US
