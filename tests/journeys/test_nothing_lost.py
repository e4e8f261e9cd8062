"""While tapes play, processes are killed at random instants: what is stored equals the oracle, or the gap is marked."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import httpx
import pandas as pd
import pytest

from infra.console_client import PLAIN
from tests.journeys import tape
from tests.journeys.conftest import Platform
from tests.wait import until

TAPES = {"spy": "NYSE:SPYK", "bac": "NYSE:BACK", "ibm": "NYSE:IBMK"}
SPEED = "600"  # sixteen hours in 96 seconds


def kill(platform: Platform, victim: str) -> None:
    os.kill(feed_worker(platform) if victim == "worker" else platform.service(victim)["pid"], signal.SIGKILL)


def feed_worker(platform: Platform) -> int:
    """The process id of a worker, as the feed's supervisor knows it, whatever state Kafka is in."""

    def ids() -> list[int]:
        health = httpx.get(f"http://127.0.0.1:{platform.base + 100}/health", verify=PLAIN).json()
        return list(health["workers"].values())

    return until("a feed worker runs", ids)[0]


def freeze(pid: int, seconds: float) -> threading.Timer:
    """Stops a process now and lets it go on later."""
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))
    timer.start()
    return timer


@pytest.mark.timeout(600)
def test_kills_at_random_instants_lose_nothing_that_is_not_marked(platform: Platform) -> None:
    platform.workers(3)  # a dead one's share may go to the others, or wait for it
    chance = random.Random()
    seed = int(os.environ.get("JOURNEY_SEED", chance.randrange(10**6)))
    chance.seed(seed)
    playing = [platform.start(*tape.arguments(symbol, name, SPEED)) for symbol, name in TAPES.items()]
    frozen = None
    try:
        names = set(TAPES.values())
        until(
            "the tapes are streamed",
            lambda: (
                names
                <= {r["instrument"] for r in platform.json("feed", "list")["instruments"] if r["age_s"] is not None}
            ),
        )
        frozen = freeze(platform.service("cassandra")["pid"], 30)
        victims = chance.sample(["worker", "candles", "kafka"], 3)
        for victim in victims:
            time.sleep(chance.uniform(2, 9))  # the random instant itself, not a wait for anything
            kill(platform, victim)
        frozen.join()
        for command in playing:
            assert command.wait(240) == 0, command.stdout.read() if command.stdout else ""
    finally:
        for command in playing:
            command.kill()
        if frozen:
            frozen.join()
    until("candles runs", lambda: platform.service("candles")["state"] == "running", timeout_s=60)
    for symbol, name in TAPES.items():

        def unmarked(symbol: str = symbol, name: str = name) -> pd.DataFrame:
            wrong, marked = tape.differences(platform, symbol, name)
            return wrong[~wrong.index.isin(marked)]

        try:
            until(name, lambda: unmarked().empty, timeout_s=60, every_s=2)
        except AssertionError:
            pytest.fail(f"{name}, seed {seed}, {victims}: wrong and not marked\n{unmarked().to_string()}")
        _, marked = tape.differences(platform, symbol, name)
        assert len(marked) < 500, "the marks must name the gaps, not the day"
