"""When a task starts and stops by itself, in market time.

``<EXCHANGE> session`` starts it ``LEAD_US`` before each session of the exchange's calendar opens and stops it when the
session closes; holidays, special sessions and daylight saving are the calendar's. Five fields of cron (in the
exchange's time; holidays count as other days) start it, and it ends by itself or by a person's word. A local time that
a change to daylight saving leaves out counts as the instant that is as long after midnight; one that comes twice
counts the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal

from infra.clock import EXCHANGE
from schemas.calendar import MINUTE_US, Calendar, calendar_of
from streams.fleet.cron import Cron, parse_cron
from streams.fleet.errors import RequestError

LEAD_US = MINUTE_US
CRON_LATE_US = 10 * MINUTE_US  # a start by cron that was missed by less is made up
SESSION = re.compile(r"([A-Za-z]{2,10}) session")
What = Literal["start", "stop"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed schedule; ``cron`` None: by session."""

    calendar: Calendar
    cron: Cron | None


@lru_cache(maxsize=1024)
def parse_schedule(text: str, exchange: str = EXCHANGE) -> Schedule:
    """What a schedule says; ``exchange``: in whose time cron is. RequestError when it is none."""
    if match := SESSION.fullmatch(text.strip()):
        return Schedule(_calendar(match[1].upper()), None)
    if len(text.split()) == 5:
        return Schedule(_calendar(exchange), parse_cron(text))
    raise RequestError(f'{text!r} is no schedule: write "{EXCHANGE} session", or five fields of cron.')


def _calendar(exchange: str) -> Calendar:
    try:
        return calendar_of(exchange)
    except KeyError:
        raise RequestError(f"There is no calendar of exchange {exchange}: add it to calendar.toml.") from None


def exchange_of(instruments: list[str]) -> str:
    """The exchange in whose time a task's cron is: its first instrument's where there is a calendar of it."""
    code = instruments[0].partition(":")[0] if instruments else EXCHANGE
    try:
        calendar_of(code)
    except KeyError:
        return EXCHANGE
    return code


def due(schedule: Schedule, from_us: int, to_us: int) -> list[tuple[int, What]]:
    """What falls into ``(from_us, to_us]`` of market time, in order; of one instant, stops come first."""
    if to_us <= from_us:
        return []
    first = schedule.calendar.day_of(from_us) - timedelta(days=1)  # one more: a start lies before its session, a
    last = schedule.calendar.day_of(to_us) + timedelta(days=1)  # skipped local time after its own
    of_day = _by_cron if schedule.cron else _by_session
    found = {event for day in _days(first, last) for event in of_day(schedule, day) if from_us < event[0] <= to_us}
    return sorted(found, key=lambda event: (event[0], event[1] == "start"))


def closes_us(schedule: Schedule, start_us: int) -> int:
    """Until when a start that was missed is made up."""
    if schedule.cron:
        return start_us + CRON_LATE_US
    session = next(schedule.calendar.sessions_from(schedule.calendar.day_of(start_us)))
    return session.close_us


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _by_session(schedule: Schedule, day: date) -> Iterator[tuple[int, What]]:
    if session := schedule.calendar.session(day):
        yield session.open_us - LEAD_US, "start"
        yield session.close_us, "stop"


def _by_cron(schedule: Schedule, day: date) -> Iterator[tuple[int, What]]:
    if schedule.cron and schedule.cron.on(day):
        for at in schedule.cron.times:
            local = datetime.combine(day, at, schedule.calendar.zone)  # fold 0: the first of two
            yield int(local.timestamp()) * 1_000_000, "start"
