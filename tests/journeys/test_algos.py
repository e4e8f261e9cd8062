"""A trader's first hour with algos: the examples signal by themselves, an own one goes from file to log and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import Platform
from tests.wait import until

MINE = '''
"""Says hello for each minute."""

from streams.algo import Algo, Candle, param


class Greeter(Algo):
    """Greets each candle."""

    candles = "1m"
    word: str = param("hello", choices=["hello", "namaste"], help="how to greet")
    every: int = param(1, low=1, high=9, help="candles between two greetings")

    def on_start(self) -> None:
        self.log(f"{self.word} {self.instrument}")
        self.signal("greeting", 1.0, word=self.word)
'''


def task(platform: Platform, name: str) -> dict[str, Any]:
    """A task's row; empty when there is none."""
    return next((row for row in platform.json("algo", "list")["tasks"] if row["task"] == name), {})


def is_running(platform: Platform, name: str) -> bool:
    return bool(task(platform, name).get("state") == "running")


def test_a_newcomer_sees_two_examples_signal(platform: Platform) -> None:
    tail = platform.start("tail", "signals", "--count", "1", "--json")

    def state() -> str:
        return next(str(row["state"]) for row in platform.json("node", "list")["nodes"] if row["node"] == "local")

    until("this computer is approved by itself", lambda: state() in ("up", "degraded"))
    tasks = platform.json("algo", "list")["tasks"]
    assert {"crossover", "spread"} <= {row["algo"] for row in tasks}
    said, _ = tail.communicate(timeout=90)
    assert json.loads(said)["run"] in {row["run"] for row in tasks}


def test_an_own_algo_from_file_to_log_and_back(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "greeter.py"
    file.write_text(MINE)
    assert "greeter" in platform.run("algo", "submit", str(file))
    shown = platform.json("algo", "show", "greeter")["algo"]
    assert [(p["name"], p["default"], p["low"], p["high"]) for p in shown["parameters"]][1] == ("every", 1, 1, 9)
    started = platform.run(
        "algo", "start", "greeter", "--node", "local", "-i", "NSE:INFY,NSE:TCS", "--set", "word=namaste"
    )
    assert "done" in started
    until("it runs", lambda: is_running(platform, "greeter@local"))
    until("it greets", lambda: platform.run("algo", "logs", "greeter").count("namaste NSE:") >= 2)
    assert "done" in platform.run("algo", "stop", "greeter")
    assert task(platform, "greeter@local")["state"] == "stopped"
    assert "done" in platform.run("algo", "restart", "greeter")
    until("it runs again", lambda: is_running(platform, "greeter@local"))
    platform.run("algo", "stop", "greeter")
    platform.run("algo", "remove", "greeter")
    assert "greeter" not in {row["name"] for row in platform.json("algo", "list")["algos"]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("algo", "start", "crosover", "--node", "local"), "crossover"),  # similar names are suggested
        (("algo", "start", "crossover", "--node", "locale"), "local"),
        (("algo", "start", "crossover", "--node", "local", "-i", "NSE:INFY", "--as", "x", "--set", "fast=500"), "50"),
        (("algo", "start", "crossover", "--node", "local", "-i", "NSE:INFY", "--as", "x", "--set", "fats=5"), "fast"),
        (
            ("algo", "start", "crossover", "--node", "local", "-i", "NSE:INFY", "--as", "x", "--schedule", "noon"),
            "cron",
        ),
        (("algo", "stop", "nothing"), "nothing"),
        (("algo", "submit", "no-such-file.py"), "no-such-file.py"),
        (("node", "approve", "nobody"), "nobody"),
        (("node", "join", "garbage"), "copy the whole join command"),
    ],
)
def test_a_mistake_is_named_in_one_sentence(platform: Platform, words: tuple[str, ...], says: str) -> None:
    said = platform.run(*words, ok=False)
    assert says in said
    assert len(said.strip().splitlines()) <= 3, said
