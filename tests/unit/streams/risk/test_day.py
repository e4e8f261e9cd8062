"""Trading days of scopes: pure, and the same however often one looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendar import calendar_of
from streams.risk.day import Day, Totals, count_order, day_start_us, roll, take_mark, take_price, trading_day
from streams.risk.entries import pack, unpack

TODAY = "2026-06-01"
MONEY = st.integers(-(10**7), 10**7).map(lambda paise: paise / 100)
MARKS = st.lists(st.builds(Totals, MONEY.map(abs), MONEY, MONEY, MONEY.map(abs), MONEY), min_size=1, max_size=20)


def at(text: str) -> int:
    """An instant of India's time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=calendar_of("NSE").zone).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-06-01T00:00", "2026-06-01"), ("2026-06-01T09:15", "2026-06-01"), ("2026-06-01T23:59", "2026-06-01"),
        ("2026-05-31T23:59", "2026-05-29"), ("2026-05-30T12:00", "2026-05-29"),  # a Sunday, a Saturday
        ("2026-02-01T12:00", "2026-02-01"),  # a Sunday with a session
        ("2026-01-26T12:00", "2026-01-23"),  # a holiday, a Monday
    ],
)  # fmt: skip
def test_the_trading_day(instant: str, day: str) -> None:
    assert trading_day(at(instant)) == day
    assert trading_day(day_start_us(day)) == day
    assert trading_day(day_start_us(day) - 1) < day


@given(MARKS)
def test_a_day_has_the_largest_and_the_peaks_of_all_marks(marks: list[Totals]) -> None:
    day = Day("platform", TODAY, all_time_peak=50.0)
    for n, totals in enumerate(marks):
        day = take_mark(day, totals, n)
    last = marks[-1]
    assert day.day_max == max(0.0, *(m.money_at_risk for m in marks))
    if day.day_max > 0:  # the first that was as large
        assert day.day_max_us == next(n for n, m in enumerate(marks) if m.money_at_risk == day.day_max)
    assert (day.realised, day.open, day.charges, day.total) == (last.realised, last.open, last.charges, last.total)
    assert day.peak == max(0.0, *(m.profit for m in marks))
    assert day.all_time_peak == max(50.0, *(m.total for m in marks))
    assert day.drawdown == day.peak - last.profit >= 0
    assert day.drawdown_all_time == day.all_time_peak - last.total >= 0
    worst = max(max(0.0, *(m.profit for m in marks[: n + 1])) - mark.profit for n, mark in enumerate(marks))
    assert day.drawdown_max == max(0.0, worst)


@given(MARKS, st.lists(st.integers(1, 4), max_size=20))
def test_marks_that_say_nothing_new_change_nothing(marks: list[Totals], repeats: list[int]) -> None:
    once = often = Day("platform", TODAY)
    for n, totals in enumerate(marks):
        once = take_mark(once, totals, n)
        for _ in range(repeats[n] if n < len(repeats) else 2):
            often = take_mark(often, totals, n)
            assert take_mark(often, totals, n + 1) is often
    assert once == often


def test_a_new_day_begins_with_what_is_carried_over() -> None:
    day = take_mark(Day("algo:x", TODAY), Totals(100.0, 5.0, 7.0, 1.0, 40.0), 9)
    day = count_order(take_price(day, 95.0, 10), TODAY)
    assert roll(day, TODAY) is day
    assert roll(day, "2026-05-29") is day
    after = roll(day, "2026-06-02")
    assert (after.previous_day, after.previous_max, after.day_max, after.orders) == (TODAY, 100.0, 0.0, 0)
    assert (after.total, after.all_time_peak, after.peak, after.profit, after.drawdown) == (40.0, 40.0, 0.0, 0.0, 0.0)
    assert (after.price, after.price_before) == (95.0, 95.0)
    assert after.drawdown_all_time == 0.0


def test_orders_are_counted_by_their_day() -> None:
    day = count_order(count_order(Day("platform", TODAY), TODAY), TODAY)
    assert day.orders == 2
    assert count_order(day, "2026-05-29") is day  # of a day that is over
    assert count_order(day, "2026-06-02").orders == 1


def test_the_first_price_of_a_day_stays() -> None:
    day = take_price(Day("instrument:NSE:INFY", TODAY), 100.0, 1)
    assert (day.price, day.price_before) == (100.0, 100.0)
    later = take_price(day, 105.0, 2)
    assert (later.price, later.price_before) == (105.0, 100.0)
    assert take_price(later, 105.0, 3) is later


def test_a_day_goes_through_the_tables_unchanged() -> None:
    day = replace(Day("platform", TODAY), at_us=1, day_max=1.5, previous_day="2026-05-29", orders=3, price=0.05)
    assert unpack("days", pack(day)) == day
