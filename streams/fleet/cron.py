"""Five fields of cron, strictly: minute, hour, day of the month, month, weekday (0 or 7 is Sunday).

A field is ``*``, a number, a range ``a-b``, either of the last with a step ``/n`` (``*/15``, ``9-15/2``), or several of
these with commas; months and weekdays also by their English names. When both the day and the weekday are restricted,
either is enough, as in every cron. No seconds, no ``@daily``, no ``L``, ``W`` or ``#``.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache

from streams.fleet.errors import RequestError

MONTHS = {name.lower(): n for n, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {name.lower(): (n + 1) % 7 for n, name in enumerate(calendar.day_abbr)}
LONGEST = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}  # days of a month that has not 31
FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, MONTHS),
    ("weekday", 0, 7, WEEKDAYS),
)
PART = re.compile(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/(\d+))?")


@dataclass(frozen=True, slots=True)
class Cron:
    """When: the local times of a day, and which days."""

    times: tuple[time, ...]  # ascending
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either: bool  # a day or a weekday is enough

    def on(self, day: date) -> bool:
        """Whether the day is one of its days."""
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_day or by_weekday if self.either else by_day and by_weekday)


@lru_cache(maxsize=1024)
def parse_cron(text: str) -> Cron:
    """The meaning of five fields. RequestError naming the field that is wrong, or when no day ever fits."""
    fields = text.lower().split()
    if len(fields) != len(FIELDS):
        raise RequestError(f"{text!r} has {len(fields)} fields; cron has five: minute hour day month weekday.")
    minutes, hours, days, months, weekdays = (
        _field(field, *limits) for field, limits in zip(fields, FIELDS, strict=True)
    )
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    if not either and not any(day <= LONGEST.get(month, 31) for month in months for day in days):
        raise RequestError(f"{text!r} names a day that no month of it has.")
    times = tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
    return Cron(times, days, months, frozenset(day % 7 for day in weekdays), either)


def _field(text: str, name: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = PART.fullmatch(part)
        if match is None:
            raise RequestError(f"{part!r} is no {name} of cron.")
        first, last, step = match.groups()
        if (first == "*" and last) or (step and first != "*" and not last) or step == "0":
            raise RequestError(f"{part!r} is no {name} of cron.")
        begin = low if first == "*" else _number(first, name, low, high, names)
        end = high if first == "*" else _number(last, name, low, high, names) if last else begin
        if begin > end:
            raise RequestError(f"{part!r} is no {name} of cron: the range goes backwards.")
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, name: str, low: int, high: int, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise RequestError(f"{text!r} is no {name} of cron: it takes {low} to {high}.")
    return int(text)
