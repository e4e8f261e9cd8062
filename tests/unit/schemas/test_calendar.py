"""The table of sessions: what is in it, and what is said of a mistake in it."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from schemas.calendar import TABLE, CalendarError, calendar_of, read_table

IST = ZoneInfo("Asia/Kolkata")


def hours(exchange: str, day: date) -> str:
    """Local hours of a day, as people write them."""
    calendar = calendar_of(exchange)
    session = calendar.session(day)
    if session is None:
        return "shut"
    return "-".join(
        f"{datetime.fromtimestamp(us / 1e6, UTC).astimezone(calendar.zone):%H:%M}"
        for us in (session.open_us, session.close_us)
    )


@pytest.mark.parametrize(
    ("exchange", "day", "expected"),
    [
        ("NSE", date(2026, 11, 23), "09:15-15:30"),
        ("NFO", date(2026, 11, 24), "shut"),  # Guru Nanak
        ("NSE", date(2026, 1, 15), "shut"),  # municipal elections
        ("NSE", date(2026, 2, 1), "09:15-15:30"),  # Budget, a Sunday
        ("NSE", date(2026, 2, 8), "shut"),
        ("NSE", date(2025, 10, 21), "13:45-14:45"),  # Muhurat
        ("CDS", date(2026, 11, 24), "shut"),
        ("CDS", date(2026, 11, 23), "09:00-17:00"),
        ("MCX", date(2026, 3, 6), "09:00-23:55"),  # New York's clocks change on 2026-03-08 and 2026-11-01
        ("MCX", date(2026, 3, 9), "09:00-23:30"),
        ("MCX", date(2026, 10, 30), "09:00-23:30"),
        ("MCX", date(2026, 11, 2), "09:00-23:55"),
        ("MCX", date(2026, 11, 24), "17:00-23:55"),
        ("MCX", date(2026, 10, 2), "shut"),
        ("NYSE", date(2026, 7, 3), "shut"),
        ("NASDAQ", date(2026, 11, 27), "09:30-13:00"),
    ],
)
def test_hours_are_those_of_the_circulars(exchange: str, day: date, expected: str) -> None:
    assert hours(exchange, day) == expected


def test_no_exchange_is_shut_for_long() -> None:
    for exchange in ("NSE", "CDS", "MCX", "NYSE"):
        days = [session.day for session, _ in zip(calendar_of(exchange).sessions_from(date(2024, 1, 1)), range(900))]  # noqa: B905
        assert max(b - a for a, b in itertools.pairwise(days)) <= timedelta(days=5)


GOOD = '[X]\nzone = "Asia/Kolkata"\nopens = 09:00:00\ncloses = 10:00:00\n'


def test_a_small_table_is_enough() -> None:
    assert set(read_table(GOOD + 'also = ["Y"]\n')) == {"X", "Y"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace("09:00:00", "11:00:00"), "exchange X: the hours of a day are no times in their order."),
        (GOOD.replace("09:00:00", '"nine"'), "exchange X: the hours of a day are no times in their order."),
        (GOOD.replace("Asia/Kolkata", "Asia/Bombai"), "exchange X: 'No time zone found with key Asia/Bombai'"),
        (GOOD.replace("zone", "zones"), "exchange X: there is no key zones."),
        (GOOD.replace('zone = "Asia/Kolkata"\n', ""), "exchange X: 'zone' is missing."),
        (GOOD + 'holidays = ["2026-01-26"]\n', "exchange X: 2026-01-26 is no date."),
        (GOOD + "special = [{ day = 2026-01-26, opens = 09:00:00 }]\n", "exchange X: 'closes' is missing."),
        (GOOD + "holidays = [2026-02-30]\n", "is no TOML"),
    ],
)
def test_a_mistake_in_the_table_is_named(text: str, says: str) -> None:
    with pytest.raises(CalendarError, match=re.escape(says)):
        read_table(text)


def test_the_table_beside_the_code_is_the_one_that_is_read() -> None:
    assert read_table(TABLE.read_text())["NSE"] == calendar_of("NSE")
