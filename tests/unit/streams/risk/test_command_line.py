"""`portfolio risk` on the terminal: screens, pictures, and the switch when nothing runs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.brake import read_brake
from infra.cli.entrance import main
from infra.errors import UserError
from infra.settings import Settings
from streams.risk import show
from streams.risk.plot import save_png
from tests.conftest import forget, free_port_base
from tests.unit.streams.console.client import Client
from tests.unit.streams.console.trading import app_of, trading_day


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(app_of(Settings(home=tmp_path_factory.mktemp("home"), port_base=40000), trading_day(cause="")))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home where nothing runs."""
    monkeypatch.setenv("PORTFOLIO_HOME", str(tmp_path))
    monkeypatch.setenv("PORTFOLIO_PORT_BASE", str(free_port_base()))
    forget()
    yield tmp_path
    forget()


def printed(made: Any, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(made)
    return console.export_text()


def days(count: int) -> dict[str, Any]:
    rows = [
        {
            "day": f"2026-11-{n + 1:02}", "day_max": 100_000.0 * n, "previous_max": 100_000.0 * (n - 1),
            "change": 100_000.0, "change_percent": 100.0, "profit": -1500.0 * n, "drawdown_max": 20.0,
            "realised": 5.0, "open": -6.0, "charges": 7.0, "drawdown_all_time": 9.0, "orders": 12,
        }
        for n in range(count)
    ]  # fmt: skip
    return {"scope": "algo:crossover", "days": rows, "minutes": []}


@pytest.mark.parametrize("width", [80, 150])
def test_risk_fits_and_says_what_counts(client: Client, width: int) -> None:
    text = printed(show.risk_screen(client.get("/api/risk").json(), width), width)
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    for words in ("trading is ACTIVE", "₹2,00,000 +25.0%", "NFO:NIFTY26DEC24500CE", "102%",
                  "algo:crossover is REDUCING", "₹20,000 is its limit", "./portfolio risk accept live"):  # fmt: skip
        assert words in flat


@pytest.mark.parametrize("width", [80, 150])
def test_limits_fit(client: Client, width: int) -> None:
    for path, form in (("limits", show.limits_screen), ("limits/history", show.limit_history_screen)):
        text = printed(form(client.get(f"/api/risk/{path}").json(), width), width)
        assert max(map(len, text.splitlines())) <= width
        assert "₹5,00,000" in text


def test_nothing_says_what_to_do_next() -> None:
    assert "./portfolio risk set" in printed(show.limits_screen({"limits": []}, 80), 80)
    assert "./portfolio risk set" in printed(show.limit_history_screen({"changes": []}, 80), 80)
    assert "with its first order" in printed(show.history_screen(days(0), 80), 80)


@pytest.mark.parametrize("width", [80, 150])
def test_days_are_bars(width: int) -> None:
    lines = printed(show.history_screen(days(9), width), width).splitlines()
    assert max(map(len, lines)) <= width
    bars = [line.count("█") for line in lines[2:]]
    assert bars == sorted(bars)
    assert (bars[0], bars[-1] >= 8) == (0, True)


@pytest.mark.parametrize("count", [1, 40])
def test_a_picture_is_made(tmp_path: Path, count: int) -> None:
    save_png(days(count), tmp_path / "risk.png")
    assert (tmp_path / "risk.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no picture to make"):
        save_png(days(0), tmp_path / "risk.png")
    with pytest.raises(UserError, match="cannot be written"):
        save_png(days(3), tmp_path / "nowhere" / "risk.png")


@pytest.mark.parametrize(
    ("words", "scope", "state"),
    [
        (["halt", "--reason", "a wild day"], "platform", "HALTED"),
        (["halt", "account:live", "--flatten"], "account:live", "HALTED"),  # nothing can be closed: nothing may leave
        (["reduce", "algo:crossover"], "algo:crossover", "REDUCING"),
    ],
)
def test_the_switch_needs_nothing_that_runs(
    words: list[str], scope: str, state: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["risk", *words]) == 0
    said = capsys.readouterr().out
    assert "at this computer's gateways, by its brake; risk was not told" in said
    assert len(said.splitlines()) == 1
    assert [(held, hold.state) for held, hold in read_brake(home).items()] == [(scope, state)]


def test_the_switch_speaks_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["risk", "halt", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["held"], said["commands"]) == (True, [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["halt", "instrument:NSE:INFY"], "account:NAME or algo:RUN"),
        (["halt", "platfrom"], "did you mean platform"),
        (["halt", "account:papr"], "paper and live"),
        (["resume"], "Nothing is resumed, since risk cannot be told"),
        ([], "./portfolio up"),
        (["set", "platform", "notional", "5"], "./portfolio up"),
        (["history", "--days", "3"], "./portfolio up"),
    ],
)
def test_what_goes_wrong_here_is_one_sentence_and_holds_nothing(
    words: list[str], said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["risk", *words]) == 1
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert read_brake(home) == {}


@pytest.mark.parametrize("words", [["-h"], ["set", "-h"], ["halt", "-h"]])
def test_help_is_there(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["risk", *words]) == 0
    assert "Usage: portfolio" in capsys.readouterr().out
