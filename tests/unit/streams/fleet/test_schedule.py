"""Schedules: sessions with holidays and special sessions, cron, daylight saving, any splitting of the time."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.calendar import calendar_of
from streams.fleet.cron import parse_cron
from streams.fleet.errors import RequestError
from streams.fleet.schedule import LEAD_US, Schedule, closes_us, due, exchange_of, parse_schedule

IST, NEW_YORK = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")
DAY_US = 86_400_000_000
# New York: 2026-03-08 02:00 -> 03:00, 2026-11-01 02:00 -> 01:00
CHANGES = [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)]
SCHEDULES = [
    parse_schedule(text, exchange)
    for text, exchange in (
        ("NSE session", "NSE"), ("NYSE session", "NYSE"), ("MCX session", "NSE"), ("*/10 * * * *", "NYSE"),
        ("30 2 * * *", "NYSE"), ("30 1 * * *", "NYSE"), ("0 9 1,15 * mon", "NSE"),
    )
]  # fmt: skip


def us(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def local(at_us: int, zone: ZoneInfo = IST) -> str:
    return f"{datetime.fromtimestamp(at_us / 1e6, zone):%m-%d %H:%M}"


def of(text: str, first: date, days: int, exchange: str = "NSE") -> list[str]:
    schedule = parse_schedule(text, exchange)
    zone = schedule.calendar.zone
    begin = us(datetime.combine(first, time(), zone)) - 1
    end = us(datetime.combine(first + timedelta(days=days), time(), zone)) - 1
    return [f"{local(at, zone)} {what}" for at, what in due(schedule, begin, end)]


def test_a_session_starts_a_minute_early_and_stops_at_the_close() -> None:
    assert of("NSE session", date(2026, 1, 22), 2) == [
        "01-22 09:14 start", "01-22 15:30 stop", "01-23 09:14 start", "01-23 15:30 stop",
    ]  # fmt: skip


def test_weekends_and_holidays_have_none_and_special_sessions_have_their_own() -> None:
    assert of("NSE session", date(2026, 1, 24), 3) == []  # a weekend and Republic Day
    assert of("nse session", date(2026, 1, 31), 2) == ["02-01 09:14 start", "02-01 15:30 stop"]  # Budget, a Sunday
    assert of("NSE session", date(2025, 10, 21), 2) == ["10-21 13:44 start", "10-21 14:45 stop"]  # Muhurat, then shut


@pytest.mark.parametrize(("day", "utc"), [(date(2026, 3, 6), 14), (date(2026, 3, 9), 13), (date(2026, 11, 2), 14)])
def test_new_york_opens_at_half_past_nine_there_whatever_the_season(day: date, utc: int) -> None:
    schedule = parse_schedule("NYSE session")
    begin = us(datetime.combine(day, time(), UTC))
    start, stop = due(schedule, begin, begin + DAY_US)
    assert start == (us(datetime.combine(day, time(utc, 29), UTC)), "start")
    assert stop == (us(datetime.combine(day, time(utc + 7, 0), UTC)), "stop")


def test_a_local_time_that_is_left_out_comes_as_long_after_midnight() -> None:
    assert of("30 2 * * *", date(2026, 3, 7), 3, "NYSE") == [
        "03-07 02:30 start",
        "03-08 03:30 start",
        "03-09 02:30 start",
    ]


def test_a_local_time_that_comes_twice_counts_once() -> None:
    schedule = parse_schedule("30 1 * * *", "NYSE")
    begin = us(datetime(2026, 11, 1, tzinfo=NEW_YORK))
    assert due(schedule, begin, begin + DAY_US) == [(us(datetime(2026, 11, 1, 5, 30, tzinfo=UTC)), "start")]


@st.composite
def spans(draw: st.DrawFn) -> list[int]:
    """Ascending instants around a change of the clocks, or anywhere."""
    around = draw(st.sampled_from([*CHANGES, datetime(2026, 1, 25, tzinfo=UTC), datetime(2025, 10, 21, tzinfo=UTC)]))
    offsets = draw(st.lists(st.integers(-3 * DAY_US, 3 * DAY_US), min_size=2, max_size=8))
    minutes = draw(st.lists(st.integers(-3000, 3000).map(lambda m: m * 60_000_000), max_size=4))
    return sorted(us(around) + offset for offset in [*offsets, *minutes])


@given(st.sampled_from(SCHEDULES), spans())
def test_any_splitting_of_the_time_gives_the_same(schedule: Schedule, at: list[int]) -> None:
    whole = due(schedule, at[0], at[-1])
    parts = [event for a, b in pairwise(at) for event in due(schedule, a, b)]
    assert parts == whole
    assert whole == sorted(whole, key=lambda event: event[0])
    assert all(at[0] < instant <= at[-1] for instant, _ in whole)


@given(st.sampled_from(SCHEDULES[:3]), spans())
def test_starts_and_stops_of_sessions_take_turns(schedule: Schedule, at: list[int]) -> None:
    whats = [what for _, what in due(schedule, at[0], at[-1])]
    assert all(a != b for a, b in pairwise(whats))


@given(spans())
def test_sessions_are_those_of_the_calendar_in_every_zone(at: list[int]) -> None:
    calendar = calendar_of("NYSE")
    day, last = calendar.day_of(at[0]), calendar.day_of(at[-1])
    sessions = []
    while day <= last:
        if session := calendar.session(day):
            sessions += [(session.open_us - LEAD_US, "start"), (session.close_us, "stop")]
        day += timedelta(days=1)
    expected = [event for event in sessions if at[0] < event[0] <= at[-1]]
    assert due(parse_schedule("NYSE session"), at[0], at[-1]) == expected


def test_a_missed_start_is_made_up_until_the_close_or_for_ten_minutes() -> None:
    session, cron = parse_schedule("NSE session"), parse_schedule("0 9 * * *")
    start = us(datetime(2026, 1, 22, 9, 14, tzinfo=IST))
    assert local(closes_us(session, start)) == "01-22 15:30"
    assert local(closes_us(cron, start)) == "01-22 09:24"


def test_cron_is_in_the_time_of_the_first_instruments_exchange() -> None:
    assert exchange_of(["NYSE:IBM", "NSE:INFY"]) == "NYSE"
    assert exchange_of([]) == exchange_of(["XYZ:ABC"]) == "NSE"


FIELD = {
    "minute": st.sampled_from(["*", "*/7", "0", "5,35", "10-20", "10-50/15", "59"]),
    "hour": st.sampled_from(["*", "9", "9-15", "0,23", "*/6", "8-20/4"]),
    "day": st.sampled_from(["*", "1", "31", "15-20", "*/10", "29"]),
    "month": st.sampled_from(["*", "1", "2,8", "jan-mar", "*/5", "DEC"]),
    "weekday": st.sampled_from(["*", "1-5", "0", "7", "mon,wed", "Sat", "*/2", "5-7"]),
}
crons = st.builds(lambda *parts: " ".join(parts), *FIELD.values())


def meant(text: str) -> tuple[list[set[int]], bool]:
    """The sets of the five fields, as another parser reads them, and whether the day and the weekday are both bound.

    Only its parser is asked: its search for the next date misses 1 March after ``*/10`` in February.
    """
    ranges = [range(60), range(24), range(1, 32), range(1, 13), range(7)]
    fields = [set(every) if field == ["*"] else set(field) for field, every in zip(croniter.expand(text)[0], ranges)]  # noqa: B905
    words = text.split()
    return fields, not words[2].startswith("*") and not words[4].startswith("*")


@given(crons, st.dates(date(2024, 1, 1), date(2027, 12, 31)))
@settings(deadline=None)
@example("0 0 29 2 *", date(2024, 2, 1))
@example("0 0 */10 * *", date(2024, 2, 20))
def test_cron_means_what_it_means_elsewhere(text: str, first: date) -> None:
    (minutes, hours, days, months, weekdays), either = meant(text)
    expected = []
    for day in (first + timedelta(days=n) for n in range(40)):
        fits = (day.day in days, day.isoweekday() % 7 in weekdays)
        if day.month in months and (any(fits) if either else all(fits)):
            expected += [datetime.combine(day, time(h, m), IST) for h in sorted(hours) for m in sorted(minutes)]
    begin = us(datetime.combine(first, time(), IST)) - 1
    found = due(parse_schedule(text), begin, begin + 40 * DAY_US)
    assert found == [(us(at), "start") for at in expected]


@pytest.mark.parametrize(
    "text",
    [
        "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "-1 * * * *", "5-1 * * * *",
        "*/0 * * * *", "5/2 * * * *", "*-5 * * * *", "1, * * * *", "a * * * *", "* * * foo *", "@daily", "* * * *",
        "* * * * * *", "L * * * *", "0 0 30 2 *", "0 0 31 4,6 *", "1.5 * * * *", "٣ * * * *", "? * * * *", "",
        "NSE  session", "session", "NSE session 5",
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        parse_schedule(text)


@given(st.text(max_size=30))
def test_garbage_is_refused_and_nothing_worse(text: str) -> None:
    for parse in (parse_cron, parse_schedule):
        with suppress(RequestError):
            parse(text)
