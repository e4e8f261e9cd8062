"""`portfolio tail` and `portfolio watch` as a person runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.clock import market_clock
from infra.kafka import flush, produce_all, producer
from infra.settings import CHECKOUT, Settings
from schemas.market import FeedGap, Subscription
from schemas.topics import FEED_GAPS, SUBSCRIPTIONS, TICKS
from tests.command_line import portfolio_command
from tests.unit.streams.prices.batches import Tick, batch_of

COMMAND = [sys.executable, "-m", "infra.cli"]
ENDED = 60


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return portfolio_command(arguments, os.environ, ENDED)


@contextmanager
def writing(servers: Settings, *records: Any) -> Iterator[None]:
    """Writes the records again and again meanwhile: a reader from the end needs some that are new."""
    enough = threading.Event()

    def write() -> None:
        while not enough.wait(0.2):
            produce_all(records, servers)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def ticks(servers: Settings) -> Any:
    now = market_clock().now_us()
    batch = batch_of([Tick("NSE:CONSOLE30", now, 1523.4, volume=12), Tick("NSE:CONSOLE31", now, 7.0)], depth=True)
    return (TICKS, 5, "", batch)


def test_ticks_come_one_a_line(servers: Settings, stocks: list[str]) -> None:
    with writing(servers, ticks(servers)):
        done = run("tail", "ticks", "--count", "4")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all("NSE:CONSOLE3" in line and " | " in line for line in lines)


def test_one_instrument_as_json(servers: Settings, stocks: list[str]) -> None:
    with writing(servers, ticks(servers)):
        done = run("tail", "ticks", "-i", "console30", "-n", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert "NSE:CONSOLE30 is not subscribed" in done.stderr
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["instrument"], row["last_price"], len(row["bids"])) for row in made] == [
        ("NSE:CONSOLE30", 1523.4, 5)
    ] * 2


def test_a_state_is_shown_as_it_is_now(servers: Settings, stocks: list[str]) -> None:
    place = (SUBSCRIPTIONS, 6, "NSE:CONSOLE32")
    produce_all([(*place, Subscription("NSE:CONSOLE32", mode=mode)) for mode in ("ltp", "quote")], servers)  # type: ignore[arg-type]
    produce_all([(SUBSCRIPTIONS, 6, "NSE:CONSOLE33", Subscription("NSE:CONSOLE33"))], servers)
    produce_all([(SUBSCRIPTIONS, 6, "NSE:CONSOLE33", None)], servers)
    now = run("tail", "subscriptions", "-i", "NSE:CONSOLE32", "-n", "1", "--json")
    assert json.loads(now.stdout)["mode"] == "quote"
    whole = run("tail", "subscriptions", "-i", "NSE:CONSOLE33", "-n", "2", "--from-start")
    assert whole.stdout.splitlines()[-1] == "NSE:CONSOLE33  removed"
    produce_all([(*place, None)], servers)


def test_what_cannot_be_read_is_said_and_passed_over(servers: Settings, stocks: list[str]) -> None:
    to = producer(servers)
    to.produce(FEED_GAPS.name, b"\xc3\x01garbage!!", partition=0)
    flush(to)
    gap = FeedGap("1", "kite", "local-1", 3, ["NSE:CONSOLE30"], 1, 2, "silence")
    produce_all([(FEED_GAPS, 0, "0", gap)], servers)
    done = run("tail", "feed-gaps", "--from-start", "-n", "2")
    first, second = done.stdout.splitlines()
    assert first.startswith("unreadable: feed-gaps[0]@")
    assert "reason=silence" in second


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("tail", "tick"), 1, "Did you mean ticks? Topics: instruments,"),
        (("tail", "'"), 1, "There is no topic"),
        (("tail", "ticks", "-i", "NSE:CONSOLE3O"), 1, "did you mean NSE:CONSOLE3"),
        (("tail", "ticks", "-n", "0"), 2, "--count"),
        (("tail",), 2, "TOPIC"),
        (("watch", "--svg", "x.svg", "--width", "3"), 2, "--width"),
    ],
)
def test_mistakes_are_one_sentence(stocks: list[str], arguments: tuple[str, ...], status: int, words: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "setting", "words"),
    [
        (("tail", "candles"), ("PORTFOLIO_KAFKA", "127.0.0.1:1"), "Kafka at 127.0.0.1:1 does not answer"),
        (("watch", "--once"), ("PORTFOLIO_PORT_BASE", "1100"), "does not answer"),
    ],
)
def test_a_server_that_is_away_is_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], setting: tuple[str, str], words: str
) -> None:
    away = os.environ | {"PORTFOLIO_HOME": str(tmp_path), setting[0]: setting[1]}
    done = portfolio_command(arguments, away, ENDED)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("tail", "ticks"), ("watch",)])
@pytest.mark.parametrize("how", [signal.SIGINT, "closed"])
def test_it_ends_quietly(
    console: httpx.Client, servers: Settings, arguments: tuple[str, ...], how: signal.Signals | str
) -> None:
    with writing(servers, ticks(servers)):
        process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        if isinstance(how, str):
            process.stdout.close()
        else:
            process.send_signal(how)
        assert process.wait(ENDED) in (0, 130)
    assert process.stderr.read() == ""


def test_watch_prints_and_saves_a_picture(console: httpx.Client, stocks: list[str], tmp_path: Path) -> None:
    once = run("watch", "--once")
    assert once.returncode == 0, once.stderr
    assert "PORTFOLIO" in once.stdout
    assert "/api/docs" in once.stdout
    picture = tmp_path / "watch.svg"
    assert run("watch", "--svg", str(picture), "--seconds", "1").returncode == 0
    text = picture.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "@font-face" not in text  # a picture loads nothing
