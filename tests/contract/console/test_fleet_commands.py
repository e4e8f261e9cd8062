"""`portfolio node` and `portfolio algo` as a person runs them, against the real console."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.cli.entrance import main
from infra.kafka import produce_all
from infra.settings import CHECKOUT, Settings
from schemas.fleet import LogLine
from schemas.topics import ALGO_LOGS
from streams.fleet.invitation import read_invitation
from tests.contract.console.conftest import until
from tests.contract.console.light import LightNode, now_us
from tests.contract.console.test_commands import COMMAND, run

SOME = ("--instruments", "NSE:CONSOLE38")
CROSSOVER = CHECKOUT / "streams/algo/examples/crossover.py"


@pytest.fixture(scope="module")
def shop(servers: Settings, console: httpx.Client, stocks: list[str]) -> Iterator[LightNode]:
    """A node that is up."""
    with LightNode("light-shop", servers) as node:
        until(lambda: state_of(console) == "up")
        yield node
    console.request("DELETE", "/api/feed", json={"instruments": stocks})


def state_of(console: httpx.Client) -> str | None:
    answer = console.get("/api/nodes/light-shop")
    return answer.json()["state"] if answer.is_success else None


def good(*arguments: str) -> str:
    done = run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def bad(*arguments: str) -> str:
    """The one sentence of a command that could not be done."""
    done = run(*arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    (sentence,) = done.stderr.strip().splitlines()
    return sentence


def test_an_algos_life(shop: LightNode, console: httpx.Client, servers: Settings, stocks: list[str]) -> None:
    name = ("--name", "by-hand")
    assert "by-hand is submitted" in good("algo", "submit", str(CROSSOVER), *name)
    assert "nothing changed" in good("algo", "submit", str(CROSSOVER), *name)
    assert "crossover.py:Crossover" in good("algo", "show", "by-hand")

    started = good(
        "algo", "start", "by-hand", "--node", "light-shop", "-i", "CONSOLE37", "--set", "fast=4", "--as", "mine"
    )
    (id_,) = {word.strip("()") for word in started.split() if len(word.strip("()")) == 32}
    assert started.splitlines()[-1] == "start mine@light-shop: done"
    assert shop.obeyed[-1].id == id_
    assert good("algo", "command", id_) == "start mine@light-shop: done\n"
    until(lambda: "running" in good("algo", "list"))
    row = next(row for row in json.loads(good("algo", "list", "--json"))["tasks"] if row["run"] == "mine")
    assert (row["instruments"], row["settings"], row["trading"]) == (["NSE:CONSOLE37"], {"fast": "4"}, "paper")

    texts = [f"said {n}" for n in range(5)]
    said = [LogLine("light-shop", "mine@light-shop", now_us() + n, "out", text) for n, text in enumerate(texts)]
    produce_all([(ALGO_LOGS, None, line.task, line) for line in said], servers)
    assert [line.split("  ", 1)[1].strip() for line in good("algo", "logs", "mine", "-n", "2").splitlines()] == texts[
        -2:
    ]

    assert "algo stop mine" in bad("algo", "remove", "by-hand")
    assert good("algo", "restart", "mine").splitlines()[-1] == "restart mine@light-shop: done"
    assert good("algo", "stop", "mine", "--node", "light-shop").splitlines()[-1] == "stop mine@light-shop: done"
    until(lambda: run("algo", "remove", "by-hand").returncode == 0)
    assert "by-hand" not in good("algo", "list")


def test_output_is_followed_until_ctrl_c(shop: LightNode, console: httpx.Client, servers: Settings) -> None:
    good("algo", "submit", str(CROSSOVER), "--name", "spoken")
    good("algo", "start", "spoken", "--node", "light-shop", *SOME)
    line = LogLine("light-shop", "spoken@light-shop", now_us(), "out", "before")
    produce_all([(ALGO_LOGS, None, line.task, line)], servers)
    with subprocess.Popen(
        [*COMMAND, "algo", "logs", "spoken", "-f", "--json"], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as follower:
        assert follower.stdout
        assert json.loads(follower.stdout.readline())["text"] == "before"
        line = LogLine("light-shop", "spoken@light-shop", now_us(), "err", "after", 3)
        produce_all([(ALGO_LOGS, None, line.task, line)], servers)
        heard = json.loads(follower.stdout.readline())
        assert (heard["text"], heard["source"], heard["dropped"]) == ("after", "err", 3)
        follower.send_signal(signal.SIGINT)
        assert follower.wait(20) == 0
    good("algo", "stop", "spoken")
    until(lambda: run("algo", "remove", "spoken").returncode == 0)


def test_a_refusal_and_a_silence_are_told(shop: LightNode, console: httpx.Client) -> None:
    good("algo", "submit", str(CROSSOVER), "--name", "unwanted")
    shop.refuses = "its disk is full"
    done = run("algo", "start", "unwanted", "--node", "light-shop", *SOME)
    shop.refuses = ""
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        1, "start unwanted@light-shop: refused: its disk is full",
    )  # fmt: skip
    shop.is_deaf = True
    said: dict[str, Any] = json.loads(good("algo", "stop", "unwanted", "--no-wait", "--json"))
    assert [command["fate"] for command in said["commands"]] == ["requested"]
    assert "not answered yet" in good("algo", "command", said["commands"][0]["id"], "--no-wait")
    shop.is_deaf = False
    until(lambda: run("algo", "remove", "unwanted").returncode == 0)


def test_nodes(shop: LightNode, console: httpx.Client) -> None:
    row = next(row for row in json.loads(good("node", "list", "--json"))["nodes"] if row["node"] == "light-shop")
    assert (row["state"], row["cores"], row["tags"]) == ("up", 4, ["light"])
    assert "light-shop" in good("node", "list")
    assert "light-shop.home" in good("node", "show", "light-shop")
    assert "is draining" in good("node", "drain", "light-shop")
    assert "is approved" in good("node", "approve", "light-shop")
    token = run("node", "token", "--valid", "10m", "--kafka", "log.example:9092", "--tag", "cloud")
    (command,) = token.stdout.splitlines()  # alone on standard output, ready to paste
    words = command.split()
    assert words[:3] == ["./portfolio", "node", "join"]
    assert read_invitation(words[3]).kafka == "log.example:9092"
    assert "within 10m" in token.stderr


def test_bad_input_is_one_sentence(
    shop: LightNode, console: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text("def (:\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no algo", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    good("algo", "submit", str(CROSSOVER), "--name", "fine")
    for words, said in (
        (("algo", "submit", str(tmp_path / "broken.py")), "broken.py line 1"),
        (("algo", "submit", str(tmp_path / "notes.txt")), "no Python file"),
        (("algo", "submit", str(tmp_path / "empty")), "no Python file"),
        (("algo", "submit", str(CROSSOVER.parent / "spread.py"), "--name", "fine"), "--replace"),
        (("algo", "start", "fine", "--node", "light-shop"), "at least one instrument"),
        (("algo", "start", "fine", "--node", "nowhere"), "There is no node nowhere"),
        (("algo", "start", "fined", "--node", "light-shop"), "did you mean fine"),
        (("algo", "start", "fine", "--node", "light-shop", "--set", "fast=500"), "from 1 to 50"),
        (("algo", "start", "fine", "--node", "light-shop", "-i", "NSE:NOSUCHTHING"), "NOSUCHTHING"),
        (("algo", "stop", "nothing"), "There is no run nothing"),
        (("algo", "logs", "nothing"), "There is no run nothing"),
        (("algo", "command", "nothing"), "no command"),
        (("node", "show", "nowhere"), "There is no node nowhere"),
        (("node", "approve", "light-shop"), "approved already"),
    ):
        assert main(list(words)) == 1
        (sentence,) = capsys.readouterr().err.strip().splitlines()
        assert said in sentence
    good("algo", "remove", "fine")
