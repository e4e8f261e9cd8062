"""The console as a process of its own, on real servers, with a few instruments to trade."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx
import pytest

from infra.kafka import produce_all
from infra.settings import CHECKOUT, Settings
from schemas.market import Instrument
from schemas.topics import INSTRUMENTS

R = TypeVar("R")
WITHIN_S = 60.0
STOCKS = [f"NSE:CONSOLE{n}" for n in range(40)]


def until(condition: Callable[[], R], within_s: float = WITHIN_S) -> R:
    """Waits until something is true, and returns it."""
    end = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError("it did not come to pass in time")
        time.sleep(0.05)
    return found


def stock(name: str, token: int) -> Instrument:
    exchange, _, symbol = name.partition(":")
    return Instrument(name, "kite", token, exchange, symbol, f"{symbol} LIMITED", "EQ", exchange, 0.05, 1)


def answers(client: httpx.Client) -> bool:
    """Whether the console is ready."""
    try:
        return client.get("/api/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="package")
def stocks(servers: Settings) -> list[str]:
    """Instruments that only these tests use."""
    made = [stock(name, 4_000_000 + 256 * n) for n, name in enumerate(STOCKS)]
    made += [stock("BSE:TWICE", 4_900_000), stock("MCX:TWICE", 4_900_001)]
    produce_all([(INSTRUMENTS, 0, instrument.instrument, instrument) for instrument in made], servers)
    return STOCKS


@pytest.fixture(scope="package")
def console(servers: Settings, stocks: list[str]) -> Iterator[httpx.Client]:
    """A client of a running console."""
    process = subprocess.Popen([sys.executable, "-m", "streams.console"], cwd=CHECKOUT, env=os.environ.copy())
    try:
        with httpx.Client(base_url=servers.console_url, timeout=30) as client:
            until(lambda: answers(client))
            yield client
    finally:
        process.terminate()
        assert process.wait(20) in (0, -15)
