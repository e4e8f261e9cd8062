"""The simulator as a process of its own, driven as a client would drive it."""

from __future__ import annotations

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
WITHIN_S = 30.0
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


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """``python -m producers.simulator`` with a home and ports of its own."""
    yield from run(tmp_path_factory.mktemp("simulator"))


def run(home: Path, **more: str) -> Iterator[Simulator]:
    base = free_port_base()
    here = {name: value for name, value in os.environ.items() if not name.startswith("PORTFOLIO_")}
    here |= {"PORTFOLIO_HOME": str(home), "PORTFOLIO_PORT_BASE": str(base)} | more
    chosen = Settings(home=home, port_base=base, kite_api="", kite_ws="")
    log = (home / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "producers.simulator"], env=here, cwd=CHECKOUT, stderr=log)
    made = Simulator(chosen.kite_api_url, chosen.kite_ws_url)

    def answers() -> bool:
        assert process.poll() is None, (home / "log").read_text()
        try:
            return bool(made.health()["status"] == "ok")
        except httpx.TransportError:
            return False

    try:
        until(answers)
        yield made
    finally:
        process.terminate()
        assert process.wait(20) == 0, (home / "log").read_text()
        log.close()


@pytest.fixture(scope="session")
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
