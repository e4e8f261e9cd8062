"""Log-in: tokens once, for minutes, until six in the morning; and the limits on requests."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import pytest

from producers.simulator.errors import KiteError
from producers.simulator.limits import A_SECOND, RateLimits
from producers.simulator.sessions import REQUEST_TOKEN_S, Sessions
from schemas.calendar import calendar_of

SECRET = "secret"


@dataclass
class Times:
    """Both clocks of a test: seconds of the wall, and the market's time."""

    wall: float = 1_000_000.0
    market: datetime = datetime(2026, 11, 20, 11, 0, tzinfo=calendar_of("NSE").zone)
    speed: float = 1.0

    def now_us(self) -> int:
        return int(self.market.timestamp() * 1e6)

    def wall_us(self, market_us: int) -> int:
        return market_us


@pytest.fixture
def times() -> Times:
    return Times()


def door(times: Times, secret: str = SECRET) -> Sessions:
    return Sessions("key", secret, times, lambda: times.wall)


def log_in(sessions: Sessions, request_token: str | None = None, secret: str = SECRET) -> str:
    token = request_token or sessions.request_token("key")
    checksum = hashlib.sha256(f"key{token}{secret}".encode()).hexdigest()
    return sessions.access_token("key", token, checksum)


def test_a_session_lives_until_six_the_next_morning(times: Times) -> None:
    sessions = door(times)
    token = log_in(sessions)
    times.market = times.market.replace(day=21, hour=5, minute=59)
    assert sessions.is_valid("key", token)
    times.market = times.market.replace(hour=6, minute=0)
    assert not sessions.is_valid("key", token)


def test_a_session_outlives_a_restart_but_not_another_secret(times: Times) -> None:
    token = log_in(door(times))
    assert door(times).is_valid("key", token)
    assert not door(times, "other").is_valid("key", token)
    assert not door(times).is_valid("other", token)


@pytest.mark.parametrize("token", ["", "x", "A" * 32, "é" * 32, "A" * 31])
def test_made_up_tokens_are_refused(times: Times, token: str) -> None:
    assert not door(times).is_valid("key", token)


def test_a_request_token_serves_once_and_for_minutes(times: Times) -> None:
    sessions = door(times)
    token = sessions.request_token("key")
    log_in(sessions, token)
    with pytest.raises(KiteError, match="invalid or has expired"):
        log_in(sessions, token)
    late = sessions.request_token("key")
    times.wall += REQUEST_TOKEN_S + 1
    with pytest.raises(KiteError, match="invalid or has expired"):
        log_in(sessions, late)


def test_the_checksum_is_checked(times: Times) -> None:
    with pytest.raises(KiteError, match="checksum") as refusal:
        log_in(door(times), secret="wrong")
    assert (refusal.value.status, refusal.value.error_type) == (403, "TokenException")


def test_sessions_end_one_by_one_and_all_at_once(times: Times) -> None:
    sessions = door(times)
    first, second = log_in(sessions), log_in(sessions)
    times.wall += 1
    third = log_in(sessions)
    sessions.end(third)
    assert [sessions.is_valid("key", token) for token in (first, second, third)] == [True, True, False]
    sessions.end_all()
    assert not sessions.is_valid("key", first)
    times.wall += 1
    assert sessions.is_valid("key", log_in(sessions))


@pytest.mark.parametrize(("kind", "allowed"), A_SECOND.items())
def test_one_request_too_many_in_a_second_is_refused(kind: str, allowed: int) -> None:
    now = [0.0]
    limits = RateLimits(lambda: now[0])
    for _ in range(allowed):
        limits.count("key", kind)
    with pytest.raises(KiteError) as refusal:
        limits.count("key", kind)
    assert (refusal.value.status, refusal.value.error_type) == (429, "NetworkException")
    limits.count("another key", kind)
    now[0] = 1.0
    limits.count("key", kind)


def count(limits: RateLimits, times: int, kind: str = "orders") -> int:
    """How many of so many requests are let through."""
    through = 0
    for _ in range(times):
        with suppress(KiteError):
            limits.count("key", kind)
            through += 1
    return through


def test_orders_are_limited_by_minute_and_by_day_too() -> None:
    now, day = [0.0], ["Monday"]
    limits = RateLimits(lambda: now[0], day=lambda: day[0])
    through = 0
    while now[0] < 60:
        through += count(limits, 12)
        now[0] += 1.0
    assert through == 400
    while through < 5000:
        through += count(limits, 10)
        now[0] += 1.5
    now[0] += 60
    assert count(limits, 10) == 0
    day[0] = "Tuesday"
    assert count(limits, 10) == 10


def test_a_raised_limit_is_that_of_other_requests_too_and_the_only_one_of_orders() -> None:
    now = [0.0]
    limits = RateLimits(lambda: now[0], orders_per_s=6000)
    assert count(limits, 6001) == count(limits, 6001, "other") == 6000
    now[0] = 1.0
    assert count(limits, 10) == 10
    assert count(limits, 5, "quote") == 1
    assert count(RateLimits(lambda: 0.0, orders_per_s=2), 5) == 2
