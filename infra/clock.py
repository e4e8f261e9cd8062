"""Market time: the one clock of the platform.

With the real market it is the wall clock. With the simulator it is a clock whose sessions follow each other
without a pause: when NSE's session ends at 15:30 the next trading day's opens at 09:15 in the same instant, so
that at whatever hour a person looks, a session is open and moving. The mapping is fixed when a home is first
started (``clock.json``: which instant of the wall is the opening of which day, and how fast it runs), is
the same in every process, and never goes back.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol

from infra.settings import settings
from schemas.calendar import Calendar, Session, calendar_of

EXCHANGE = "NSE"
HEAD_START_US = 45 * 60_000_000  # a newcomer's first session has already run this long


class Clock(Protocol):
    """Market time in microseconds since the epoch, UTC."""

    @property
    def speed(self) -> float:
        """Market seconds in a second of the wall clock."""
        ...

    def now_us(self) -> int:
        """Market time now."""
        ...

    def at_wall(self, wall_us: int) -> int:
        """Market time at an instant of the wall clock."""
        ...

    def wall_us(self, market_us: int) -> int:
        """When the wall clock shows (or showed) an instant of market time."""
        ...


@dataclass(frozen=True, slots=True)
class WallClock:
    """The real market's."""

    speed: float = 1.0

    def now_us(self) -> int:
        """The wall clock's time."""
        return time.time_ns() // 1000

    def at_wall(self, wall_us: int) -> int:
        """The same instant."""
        return wall_us

    def wall_us(self, market_us: int) -> int:
        """The same instant."""
        return market_us


class SessionClock:
    """The simulator's: sessions end to end from an anchor."""

    def __init__(self, anchor_wall_us: int, first_day: date, speed: float = 1.0) -> None:
        self.speed = speed
        self._anchor = anchor_wall_us
        self._first_day = first_day
        self._calendar: Calendar = calendar_of(EXCHANGE)
        self._coming = self._calendar.sessions_from(first_day)
        self._sessions: list[tuple[int, Session]] = []  # (market time elapsed at its open, session), in order
        self._end = 0
        self._growing = threading.Lock()

    def now_us(self) -> int:
        """Market time now."""
        return self.at_wall(time.time_ns() // 1000)

    def at_wall(self, wall_us: int) -> int:
        """Market time at an instant of the wall clock; before the anchor, the first opening."""
        elapsed = max(0, int((wall_us - self._anchor) * self.speed))
        while elapsed >= self._end:
            self._grow()
        start, session = next(entry for entry in reversed(self._sessions) if entry[0] <= elapsed)
        return session.open_us + elapsed - start

    def wall_us(self, market_us: int) -> int:
        """The reverse; for a time between two sessions, the instant of the later one's opening."""
        while not self._sessions or self._sessions[-1][1].close_us <= market_us:
            self._grow()
        start, session = next(entry for entry in self._sessions if entry[1].close_us > market_us)
        elapsed = start + max(0, market_us - session.open_us)
        return self._anchor + int(elapsed / self.speed)

    def _grow(self) -> None:
        with self._growing:  # one session too many does no harm
            session = next(self._coming)
            self._sessions.append((self._end, session))
            self._end += session.close_us - session.open_us

    def to_json(self) -> dict[str, object]:
        """What makes this clock again."""
        return {"anchor_wall_us": self._anchor, "first_day": self._first_day.isoformat(), "speed": self.speed}


def clock_file(home: Path) -> Path:
    """Where a home keeps its simulated clock."""
    return home / "clock.json"


def start_clock(home: Path, speed: float, wall_us: int | None = None) -> SessionClock:
    """The home's simulated clock, made at the first start. Another speed goes on from the same market time."""
    path = clock_file(home)
    wall = time.time_ns() // 1000 if wall_us is None else wall_us
    if path.exists():
        clock = read_clock(path)
        if clock.speed == speed:
            return clock
        now = clock.at_wall(wall)
        day = calendar_of(EXCHANGE).day_of(now)
        elapsed = now - calendar_of(EXCHANGE).opening(now)
        clock = SessionClock(wall - int(elapsed / speed), day, speed)
    else:
        today = datetime.fromtimestamp(wall / 1e6, UTC).astimezone(calendar_of(EXCHANGE).zone).date()
        day = next(d for d in (today - timedelta(days=n) for n in range(30)) if calendar_of(EXCHANGE).session(d))
        clock = SessionClock(wall - int(HEAD_START_US / speed), day, speed)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(clock.to_json()), encoding="utf-8")
    fresh.replace(path)  # another process never reads half of it
    return clock


def read_clock(path: Path) -> SessionClock:
    """The clock that a file describes."""
    made = json.loads(path.read_text(encoding="utf-8"))
    return SessionClock(made["anchor_wall_us"], date.fromisoformat(made["first_day"]), made["speed"])


@cache
def market_clock() -> Clock:
    """This process's clock, by the settings. A home's speed is what it was started with (``up --speed``)."""
    chosen = settings()
    if chosen.clock == "wall":
        return WallClock()
    path = clock_file(chosen.home)
    return read_clock(path) if path.exists() else start_clock(chosen.home, chosen.clock_speed)
