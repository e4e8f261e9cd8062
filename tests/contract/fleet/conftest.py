"""The fleet as a process of its own on real Kafka and PostgreSQL, and nodes that answer it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from infra.kafka import produce_all
from infra.settings import CHECKOUT, Settings
from schemas.topics import TOPICS
from tests.unit.streams.fleet.records import algo
from tests.wait import until


class Fleet:
    """What the fleet's web views say."""

    def __init__(self, of: Settings, process: subprocess.Popen[bytes]) -> None:
        self.settings, self.process = of, process
        self._url = f"http://127.0.0.1:{of.fleet_web_port}"

    def get(self, path: str) -> Any:
        """A view; None while it does not answer well."""
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"{self._url}{path}", timeout=5)
            return answer.json() if answer.status_code == httpx.codes.OK else None
        return None

    def one(self, path: str, **wanted: str) -> dict[str, Any]:
        """The one row of a view that has these values; empty when there is none."""
        rows = (self.get(path) or {}).get(path.partition("?")[0].strip("/"), [])
        return next((row for row in rows if all(row[k] == v for k, v in wanted.items())), {})

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def running(of: Settings, **environment: str) -> Iterator[Fleet]:
    """A fleet that knows its state; ended at the end."""
    command = [sys.executable, "-P", "-m", "streams.fleet"]
    surroundings = os.environ | {"PYTHONPATH": str(CHECKOUT)} | environment
    process = subprocess.Popen(command, cwd=CHECKOUT, env=surroundings)
    try:
        fleet = Fleet(of, process)
        until("the fleet to know its state", lambda: fleet.get("/health") or process.poll() is not None, 60, 0.1)
        assert process.poll() is None
        yield fleet
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def put(of: Settings, topic: str, key: str, record: Any) -> None:
    """Writes a record."""
    produce_all([(TOPICS[topic], 0, key, record)], of)


@pytest.fixture(scope="package")
def fleet(servers: Settings) -> Iterator[Fleet]:
    """A running fleet that has an algo, so that it does not submit the examples."""
    put(servers, "algos", "crossover", algo("crossover", submitted_us=time.time_ns() // 1000))
    with running(servers) as fleet:
        yield fleet
