"""The simulator as a process of its own, driven as a client would drive it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from kiteconnect import KiteConnect
from kiteconnect.exceptions import NetworkException
from websockets.sync.client import ClientConnection, connect

from infra.settings import CHECKOUT, Settings
from tests.conftest import free_port_base

R = TypeVar("R")
WITHIN_S, START_WITHIN_S = 30.0, 120.0
KEY, SECRET = "simulator", "simulator-secret"


def until(condition: Callable[[], R], within_s: float = WITHIN_S) -> R:
    """Waits until something is true, and returns it."""
    end = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return found


def patiently(call: Callable[[], R]) -> R:
    """Calls again while the rate limit refuses."""
    end = time.monotonic() + WITHIN_S
    while True:
        try:
            return call()
        except NetworkException:
            assert time.monotonic() < end
            time.sleep(0.1)


@dataclass(frozen=True)
class Simulator:
    """A running simulator's addresses."""

    rest: str
    ws: str

    def post(self, path: str, **query: Any) -> Any:
        answer = httpx.post(f"{self.rest}{path}", params=query, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def health(self) -> Any:
        return httpx.get(f"{self.rest}/health", timeout=10).json()

    def request_token(self) -> str:
        answer = httpx.post(f"{self.rest}/connect/login", data={"api_key": KEY})
        assert answer.status_code == 302
        return parse_qs(urlsplit(answer.headers["location"]).query)["request_token"][0]

    def log_in(self) -> KiteConnect:
        client = KiteConnect(KEY, root=self.rest, timeout=60)
        patiently(lambda: client.generate_session(self.request_token(), SECRET))
        return client

    def socket(self, token: str, key: str = KEY) -> Any:
        """A websocket, as a context."""
        query = urlencode({"api_key": key, "access_token": token})
        return connect(f"{self.ws}?{query}", compression=None, max_queue=None, open_timeout=10)


@pytest.fixture(scope="package")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """``python -m producers.simulator`` with a home and ports of its own."""
    yield from run(tmp_path_factory.mktemp("simulator"))


def run(home: Path, **more: str) -> Iterator[Simulator]:
    with contextlib.closing(Process(home, **more)) as process:
        yield process.simulator


class Process:
    """A simulator's process, which a test may kill and start again in the same home."""

    def __init__(self, home: Path, **more: str) -> None:
        base = free_port_base()
        here = {name: value for name, value in os.environ.items() if not name.startswith("PORTFOLIO_")}
        self._environment = here | {"PORTFOLIO_HOME": str(home), "PORTFOLIO_PORT_BASE": str(base)} | more
        self._log = home / "log"
        self.settings = Settings(home=home, port_base=base, kite_api="", kite_ws="")
        self.simulator = Simulator(self.settings.kite_api_url, self.settings.kite_ws_url)
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "producers.simulator"], env=self._environment, cwd=CHECKOUT, stderr=log
            )
        try:
            until(self._answers, START_WITHIN_S)
        except BaseException:
            self.kill()
            raise

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return bool(self.simulator.health()["status"] == "ok")
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._process.terminate()
        assert self._process.wait(20) == 0, self._log.read_text()


@pytest.fixture(scope="package")
def _session(simulator: Simulator) -> list[KiteConnect]:
    return [simulator.log_in()]


@pytest.fixture
def kite(simulator: Simulator, _session: list[KiteConnect]) -> KiteConnect:
    """A logged-in official client; logged in again if a test before has ended the session."""
    try:
        patiently(_session[0].profile)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, a new one is wanted
        _session[0] = simulator.log_in()
    return _session[0]


@pytest.fixture
def wire(simulator: Simulator, kite: KiteConnect) -> Iterator[ClientConnection]:
    """A raw websocket of its own."""
    until(lambda: simulator.health()["connections"] < 3)
    with simulator.socket(kite.access_token) as made:
        yield made
