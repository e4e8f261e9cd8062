"""Orders, fills, positions and explanations as a terminal shows them, and what people type."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from infra.cli.entrance import main
from infra.errors import UserError
from infra.settings import Settings
from schemas.fleet import Signal
from schemas.market import Candle
from streams.console import trading_screen as screen
from streams.console.explain import cause_of, steps_of
from streams.console.trading_cli import number
from streams.console.trading_models import OrderRow
from streams.console.trading_past import Found
from streams.console.trading_rows import order_row
from streams.console.trading_words import told
from tests.conftest import forget, free_port_base
from tests.unit.streams.console.client import Client
from tests.unit.streams.console.trading import INFY, NOW, S, app_of, event, folded, intent, trading_day, verdict
from tests.unit.streams.prices.batches import Tick, batch_of

EMPTY: dict[str, Any] = {
    "orders": [], "trades": [], "positions": [], "differences": [], "more": False, "day": "2026-11-27",
}  # fmt: skip
LONG = "R" * 20


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(app_of(Settings(home=tmp_path_factory.mktemp("home"), port_base=40000), trading_day(cause="")))


def printed(made: Any, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(made)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 150])
@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        ("orders", screen.orders_screen, ["p3", "asha", "cancelled", "o2: LIMIT: Money at risk", "1,519.75"]),
        ("trades", screen.trades_screen, ["3 fills: bought for ₹30,395", "ext-24112799"]),
        ("positions", screen.positions_screen, ["crossover", "₹36.50", "./portfolio risk accept live"]),
        ("explain/o1", screen.explanation_screen, ["+1.2 ms", "approved", "The position after it: 10 NSE:INFY"]),
        ("explain/o2", screen.explanation_screen, ["refused", "used 1,23,456.50, wanted"]),
    ],
)
def test_screens_fit_and_say_what_counts(client: Client, path: str, form: Any, words: list[str], width: int) -> None:
    text = printed(form(client.get(f"/api/{path}").json(), width), width)
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    assert [word for word in words if word not in flat] == []


@pytest.mark.parametrize("width", [80, 150])
def test_numbers_stand_at_the_right(client: Client, width: int) -> None:
    lines = printed(screen.orders_screen(client.get("/api/orders").json(), width), width).splitlines()
    ends = {re.search(r"\d,\d{3}\.\d\d(?=\s+(complete|refused|cancelled))", line) for line in lines[1:5]}
    assert len({found.end() for found in ends if found}) == 1


def test_long_ids_names_and_numbers_fit_a_narrow_terminal(client: Client) -> None:
    said = client.get("/api/orders").json()
    for row in said["orders"]:
        row |= {"id": LONG, "run": "a-run-with-a-rather-long-name-" * 2, "instrument": "NFO:BANKNIFTY26DEC52500CE",
                "quantity": 1_200_000, "status": "trigger-pending"}  # fmt: skip
    text = printed(screen.orders_screen(said, 80), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count(LONG) >= 4
    assert text.count("trigger-pending") == 4


@pytest.mark.parametrize(
    ("form", "words"),
    [(screen.orders_screen, "./portfolio order buy"), (screen.trades_screen, "./portfolio orders"),
     (screen.positions_screen, "Nothing is held")],
)  # fmt: skip
def test_nothing_says_what_to_do_next(form: Any, words: str) -> None:
    assert words in printed(form(EMPTY, 80), 80)


def test_what_others_wrote_is_no_markup(client: Client) -> None:
    said = client.get("/api/orders").json()
    said["orders"][0] |= {"reason": "[bold]\x1b[31mred", "run": "[red]x"}
    text = printed(screen.orders_screen(said, 150), 150)
    assert "[bold]" in text
    assert "[red]x" in text
    assert "\x1b" not in text


def row_of(*records: Any) -> OrderRow:
    return order_row(folded(records).orders["o1"])


def test_an_order_in_a_sentence() -> None:
    one = intent()
    said = {
        "risk has not answered yet": [one],
        "refused by risk, NO_PRICE: There is none": [one, verdict(one, "NO_PRICE", "There is none.")],
        "approved by risk; the gateway has not sent it yet": [one, verdict(one)],
        "open, 4 of 10 filled at 1,519.75": [one, event(one, "open", 4)],
        "filled, 10 at 1,519.75": [one, event(one, "complete", 10)],
        "rejected by the broker: no margin": [one, event(one, "rejected", reason="no margin")],
        "never sent again": [one, event(one, "unknown")],
    }
    for words, records in said.items():
        text = told(row_of(*records))
        assert words in text
        assert text.startswith("Order o1 (buy 10 NSE:INFY limit 1,520.00, paper): ")
        assert text.endswith(".")


def test_the_cause_is_told() -> None:
    batch = batch_of([Tick(INFY, NOW - 9, 1518.0), Tick("NSE:TCS", NOW - 8, 7.0), Tick(INFY, NOW - 5, 1519.5)])
    found = cause_of("ticks/3/41", Found("ticks", NOW, batch), INFY)
    assert (found.kind, found.at_us, found.record["last_price"]) == ("TickBatch", NOW - 5, 1519.5)
    assert found.text.startswith("NSE:INFY at 1,519.50, in a batch of 3 ticks")
    other = cause_of("ticks/3/41", Found("ticks", NOW, batch), "NSE:WIPRO")
    assert other.text.startswith("NSE:INFY at 1,519.50, NSE:TCS at 7.00, in a batch of 3 ticks")
    first, second = steps_of(folded([intent()]).orders["o1"], found)
    assert (first.what, first.place, second.what, second.after_ms) == ("ticks", "ticks/3/41", "asked", 0.005)
    signal = Signal("s1", "trend", "spread", "spread@desk", INFY, 0.5, NOW, {"why": "x"})
    assert cause_of("signals/0/7", Found("signals", NOW, signal), INFY).text == (
        "signal trend of NSE:INFY: 0.5, from spread"
    )
    candle = cause_of("candles/1/2", Found("candles", NOW, Candle(INFY, "5m", NOW, 1.0, 4.0, 0.5, 2.0, 9, -1)), INFY)
    assert (candle.at_us, candle.text) == (NOW + 300 * S, "5m candle of NSE:INFY from 10:30: 1.00 4.00 0.50 2.00")
    assert cause_of("ticks/3/41", None, INFY).text == "It is not kept any more."


def test_the_same_news_again_is_one_step() -> None:
    one = intent()
    log = folded([one, event(one, "open", 4), event(one, "open", 4, at_us=NOW + 9000, source="poll", task="x")])
    assert len(log.orders["o1"].events) == 2
    assert [step.what for step in steps_of(log.orders["o1"])] == ["asked", "open"]


def test_numbers_as_people_write_them() -> None:
    assert [number("N", text) for text in ("", "1,523.40", "₹5")] == [0, 1523.4, 5.0]
    assert number("N", "1,200", whole=True) == 1200
    for bad in ("ten", "1.5", "-"):
        with pytest.raises(UserError, match=re.escape(bad)):
            number("N", bad, whole=True)


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PORTFOLIO_PORT_BASE", str(free_port_base()))
    forget()
    yield
    forget()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["orders"], 1, "./portfolio up"),
        (["trades", "--day", "2026-11-27"], 1, "./portfolio up"),
        (["positions", "--json"], 1, "./portfolio up"),
        (["explain", "o1"], 1, "./portfolio up"),
        (["order", "buy", "INFY", "ten"], 1, "'ten' is no number"),
        (["order", "buy", "INFY", "10", "--price", "cheap"], 1, "'cheap' is no number"),
        (["order", "sell", "INFY"], 2, "QUANTITY"),
        (["order", "modify", "o1", "--quantity", "1.5"], 1, "no whole number"),
        (["order", "cancel", "o1"], 1, "./portfolio up"),
    ],
)
def test_what_goes_wrong_here_is_one_sentence(
    words: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == status
    told_ = capsys.readouterr().err
    assert said in told_
    assert "Traceback" not in told_


@pytest.mark.parametrize("words", [["orders", "-h"], ["order", "-h"], ["order", "sell", "-h"], ["explain", "-h"]])
def test_help_is_there(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "Usage: portfolio" in capsys.readouterr().out
