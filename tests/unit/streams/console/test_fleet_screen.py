"""Nodes, algos, output and fates as a terminal shows them, and options as a person types them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
import typer

from infra.cli.entrance import main
from infra.settings import settings
from schemas.fleet import LogLine
from streams.algo.cli import pairs, parts
from streams.algo.show import allowed, log_line, print_algo, print_algos
from streams.console import fleet_view as view
from streams.console.fates import fates, sentence, tell
from streams.console.fleet_screen import some
from streams.fleet.log import FleetLog
from streams.node.cli import seconds
from streams.node.show import print_node, print_nodes
from tests.conftest import forget, free_port_base
from tests.unit.streams.fleet.records import S, algo, beat, command, event, fleet, node, task

NOW = time.time_ns() // 1000


@pytest.fixture
def log() -> FleetLog:
    """A fleet with one of each."""
    made, now = FleetLog(settings()), time.time_ns() // 1000
    made.state = fleet(
        node(), beat(at_us=now + 70 * S, tasks={"crossover@desk": "running"}),
        algo(description="two [bold]averages[/]"),
        node("laptop", "pending"), task(instruments=[f"NSE:S{n}" for n in range(5)], trading="live"),
        task("crossover@gone"), event("crash-loop", of="crossover@gone", at_us=now, reason="it ended\x1b[31m 5 times",
        exit_code=3, restarts=5), command(at_us=now), event("done", command="c-1", at_us=now), at_us=now,
    )  # fmt: skip
    return made


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_nodes_are_told_in_a_line_each(log: FleetLog, capsys: pytest.CaptureFixture[str]) -> None:
    print_nodes(view.nodes_view(log).model_dump()["nodes"])
    heading, desk, laptop, *below = capsys.readouterr().out.splitlines()
    assert (
        " ".join(heading.split()) == "node state algos cpu memory disk clock heard load in/s out/s tags version address"
    )
    assert [
        word for word in ("degraded", "1/1", "25%", "36%", "+70 s", "0.50", "big", "10.0.0.7") if word not in desk
    ] == []
    assert "pending" in laptop
    assert "never" in laptop
    assert below[0].startswith("desk: its clock is 70 s ahead")
    assert "./portfolio node approve laptop" in below[1]
    print_nodes([])
    assert "node token" in capsys.readouterr().out


def test_a_narrow_terminal_keeps_what_counts(
    log: FleetLog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_nodes(view.nodes_view(log).model_dump()["nodes"])
    said = view.algos_view(log).model_dump()
    print_algos(said["algos"], said["tasks"])
    print_algo(view.algo_view(log, "crossover").model_dump())
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for words in (
        "desk    degraded    1/1  25%     25%   36%  +70 s",
        "crossover  gone  crash-loop, shall run",
        "candles:1m",
    ):
        assert words in out
    assert "crossover@gone: started again 5 times; it ended�[31m 5 times" in out


def test_one_node_is_told_whole(log: FleetLog, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (("desk", ("desk.home", "3.11.9", "crossover", "agent started")), ("laptop", ("never",))):
        print_node(view.node_view(log, name).model_dump())
        said = capsys.readouterr().out
        assert [word for word in words if word not in said] == []


def test_algos_and_their_tasks(log: FleetLog, capsys: pytest.CaptureFixture[str]) -> None:
    said = view.algos_view(log).model_dump()
    print_algos(said["algos"], said["tasks"])
    out = capsys.readouterr().out
    assert "two [bold]averages[/]" in out  # the author's words, not markup
    assert "NSE:S0, NSE:S1, NSE:S2 and 2 more" in out
    assert "crash-loop, shall run" in out
    assert "\x1b[31m" not in out  # nor orders to the terminal
    print_algos([], [])
    assert "algo submit" in capsys.readouterr().out


def test_an_algo_shows_its_parameters(log: FleetLog, capsys: pytest.CaptureFixture[str]) -> None:
    print_algo(view.algo_view(log, "crossover").model_dump())
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["fast", "int", "5", "2", "to", "50", "candles"] in lines
    assert ["share", "float", "0.5", "at", "least", "0"] in lines
    assert ["side", "str", "both", "long", "or", "both"] in lines
    assert ["loud", "bool", "false"] in lines
    assert any("exit 3" in " ".join(line) for line in lines)


@pytest.mark.parametrize(
    ("low", "high", "choices", "said"),
    [(2, 50, [], "2 to 50"), (0.5, None, [], "at least 0.5"), (None, 9, [], "at most 9"), (None, None, [], ""),
     (None, None, ["a", 1], "a or 1")],
)  # fmt: skip
def test_bounds_in_words(low: Any, high: Any, choices: list[Any], said: str) -> None:
    assert allowed({"low": low, "high": high, "choices": choices}) == said


def test_a_log_line_obeys_nobody() -> None:
    line = log_line(asdict(LogLine("desk", "a@desk", NOW, "err", "red \x1b[31malert\r\x07\tend\x9b2J", 7)))
    assert line.endswith(" desk ! [7 lines left out] red �[31malert��\tend�2J")
    assert log_line(asdict(LogLine("desk", "a@desk", NOW, "out", "plain"))).endswith(" desk   plain")


def test_names_in_short() -> None:
    assert [some(["a"] * n) for n in (0, 1, 3, 4)] == ["", "a", "a, a, a", "a, a, a and 1 more"]


def test_options_as_they_are_typed() -> None:
    assert parts(["a,b", " c", "a", ","]) == ["a", "b", "c"]
    assert pairs(["fast=5", "name=a=b", "empty="]) == {"fast": "5", "name": "a=b", "empty": ""}
    assert [seconds(text) for text in ("90", "90s", "30m", "1h", "2d")] == [90, 90, 1800, 3600, 172_800]
    for bad in (
        lambda: pairs(["fast"]),
        lambda: pairs(["=5"]),
        lambda: pairs(["a=1", "a=2"]),
        lambda: seconds("1 week"),
    ):
        with pytest.raises(typer.BadParameter):
            bad()


def fate(fate_: str, reason: str = "") -> dict[str, Any]:
    return {"id": "c-1", "verb": "start", "task": "a@desk", "fate": fate_, "reason": reason}


def test_a_fate_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence(fate("done")) == "start a@desk: done"
    assert sentence(fate("refused", "no room")) == "start a@desk: refused: no room"
    assert sentence(fate("requested")) == "start a@desk: not answered yet; `./portfolio algo command c-1` follows it."
    assert list(fates([fate("failed")])) == [fate("failed")]  # settled: the console is not asked
    tell({"message": "Well.", "commands": [fate("done")]}, as_json=False, wait=True)
    assert capsys.readouterr().out.splitlines() == [
        "Well.",
        "start a@desk: requested (command c-1)",
        "start a@desk: done",
    ]
    with pytest.raises(typer.Exit) as ended:
        tell({"message": "", "commands": [fate("done"), fate("refused", "no room")]}, as_json=True, wait=True)
    assert ended.value.exit_code == 1
    assert '"reason": "no room"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["node", "list"], 1, "./portfolio up"),
        (["algo", "start", "crossover", "--node", "desk"], 1, "./portfolio up"),
        (["algo", "logs", "crossover", "-f"], 1, "./portfolio up"),
        (["algo", "submit", "/nothing/there.py"], 1, "There is no file or folder /nothing/there.py"),
        (["algo", "start", "crossover"], 2, "--node"),
        (["algo", "start", "crossover", "--node", "desk", "--set", "fast"], 2, "KEY=VALUE"),
        (["node", "token", "--valid", "soon"], 2, "90s, 30m, 1h or 2d"),
    ],
)
def test_what_goes_wrong_here_is_one_sentence(
    words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTFOLIO_PORT_BASE", str(free_port_base()))  # where nothing runs
    forget()
    assert main(words) == status
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


@pytest.fixture(autouse=True)
def settings_read_anew() -> Iterator[None]:
    yield
    forget()


@pytest.mark.parametrize("words", [["node", "--help"], ["algo", "--help"], ["algo", "start", "--help"]])
def test_help_is_there(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "Usage: portfolio" in capsys.readouterr().out
