"""When exchanges are open: regular hours and an editable table of holidays and special sessions.

``calendar.toml`` beside this file is the table; a person may edit it. All arithmetic is in the exchange's own
time zone, so daylight saving is right where there is any.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MINUTE_US = 60_000_000
INTERVALS: dict[str, int] = {  # minutes; 0: the whole session day
    "1m": 1, "3m": 3, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "60m": 60, "1d": 0,
}  # fmt: skip
TABLE = Path(__file__).with_name("calendar.toml")


@dataclass(frozen=True, slots=True)
class Session:
    """One stretch of trading, ``[open_us, close_us)``."""

    day: date
    open_us: int
    close_us: int


@dataclass(frozen=True)
class Calendar:
    """One exchange's calendar."""

    exchange: str
    zone: ZoneInfo
    opens: time
    closes: time
    holidays: frozenset[date]
    special: dict[date, tuple[time, time]]  # instead of the regular hours, weekends included
    winter: tuple[ZoneInfo, time] | None = None  # closes then instead while that zone has no daylight saving

    def session(self, day: date) -> Session | None:
        """The session of a day, or None when the exchange is shut."""
        if day in self.special:
            opens, closes = self.special[day]
        elif day.weekday() >= 5 or day in self.holidays:
            return None
        else:
            opens, closes = self.opens, self._closes(day)
        return Session(day, self._us(day, opens), self._us(day, closes))

    def sessions_from(self, day: date) -> Iterator[Session]:
        """The sessions of this day and after, without end."""
        while True:
            if session := self.session(day):
                yield session
            day += timedelta(days=1)

    def day_of(self, at_us: int) -> date:
        """The exchange's local date at an instant."""
        return _local_date(self.zone, at_us // (15 * MINUTE_US))

    def opening(self, at_us: int) -> int:
        """The opening time of the local day of an instant: longer candles are aligned to it."""
        return _opening(self, self.day_of(at_us))

    def candle_start(self, minute_us: int, interval: str) -> int:
        """The start of the candle of ``interval`` in which the minute lies."""
        opening = self.opening(minute_us)
        width = INTERVALS[interval] * MINUTE_US
        return opening if not width else opening + (minute_us - opening) // width * width

    def _closes(self, day: date) -> time:
        if self.winter is None:
            return self.closes
        there, closes = self.winter
        return self.closes if datetime.combine(day, self.closes, self.zone).astimezone(there).dst() else closes

    def _us(self, day: date, at: time) -> int:
        return int(datetime.combine(day, at, self.zone).timestamp()) * 1_000_000


@lru_cache(maxsize=65536)
def _local_date(zone: ZoneInfo, quarter_hour: int) -> date:
    # every zone's offset is a multiple of 15 minutes, so a quarter of an hour has one date
    return datetime.fromtimestamp(quarter_hour * 900, UTC).astimezone(zone).date()


@lru_cache(maxsize=4096)
def _opening_of(exchange: str, day: date) -> int:
    here = calendar_of(exchange)
    session = here.session(day)
    return session.open_us if session else here._us(day, here.opens)


def _opening(here: Calendar, day: date) -> int:
    return _opening_of(here.exchange, day)


class CalendarError(ValueError):
    """The table cannot be used; the message says which entry is wrong."""


@cache
def _table() -> dict[str, Calendar]:
    return read_table(TABLE.read_text(encoding="utf-8"))


def read_table(text: str) -> dict[str, Calendar]:
    """The calendars of a table by exchange code. CalendarError, one sentence, when an entry is wrong."""
    made: dict[str, Calendar] = {}
    try:
        rows = tomllib.loads(text)
    except ValueError as error:
        raise CalendarError(f"{TABLE.name} is no TOML: {error}") from error
    for name, row in rows.items():
        calendar = _calendar(name, row, rows)
        for exchange in (name, *row.get("also", ())):
            made[exchange] = calendar
    return made


KEYS = {"zone", "also", "opens", "closes", "winter", "holidays", "holidays_of", "special"}


def _calendar(name: str, row: dict[str, Any], rows: dict[str, Any]) -> Calendar:
    """One exchange. CalendarError names what is wrong with it."""
    try:
        if unknown := sorted(set(row) - KEYS):
            raise ValueError(f"there is no key {unknown[0]}")
        holidays = [*row.get("holidays", ()), *rows.get(row.get("holidays_of", ""), {}).get("holidays", ())]
        if wrong := [day for day in holidays if type(day) is not date]:
            raise ValueError(f"{wrong[0]} is no date")
        (opens, closes), winter = _hours(row, "a day"), row.get("winter")
        return Calendar(
            exchange=name,
            zone=ZoneInfo(row["zone"]),
            opens=opens,
            closes=closes,
            holidays=frozenset(holidays),
            special={entry["day"]: _hours(entry, entry["day"]) for entry in row.get("special", ())},
            winter=(ZoneInfo(winter["zone"]), winter["closes"]) if winter else None,
        )
    except (ValueError, KeyError, TypeError, ZoneInfoNotFoundError) as error:
        what = f"{error} is missing" if type(error) is KeyError else str(error)
        raise CalendarError(f"{TABLE.name}, exchange {name}: {what}.") from error


def _hours(entry: dict[str, Any], of: object) -> tuple[time, time]:
    opens, closes = entry["opens"], entry["closes"]
    if not (type(opens) is time and type(closes) is time and opens < closes):
        raise ValueError(f"the hours of {of} are no times in their order")
    return opens, closes


def calendar_of(exchange: str) -> Calendar:
    """The calendar of an exchange code, as in ``NSE`` of ``NSE:INFY``. KeyError when the table has none."""
    try:
        return _table()[exchange]
    except KeyError:
        raise KeyError(f"no calendar for exchange {exchange!r}: add it to {TABLE.name}") from None
