"""Orders, positions and risk by REST and on the command line, on real Kafka, with a light risk that answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import pytest

from infra.brake import read_brake
from infra.cassandra import connect
from infra.cli.entrance import main
from infra.clock import market_clock
from infra.kafka import end_offsets, produce_all, read_compacted
from infra.settings import Settings
from schemas.calendar import calendar_of
from schemas.codec import decode
from schemas.orders import OrderIntent
from schemas.risk import Limit, LimitUse
from schemas.topics import LIMITS, ORDER_INTENTS, TICKS, Topic
from streams.archive.risk import RiskWriter
from streams.console.trading_past import past_day, past_order, record_at
from tests.contract.console.conftest import until
from tests.contract.console.light_risk import LightRisk
from tests.unit.streams.console.trading import intent, part, point
from tests.unit.streams.prices.batches import Tick, batch_of

STOCK = "NSE:CONSOLE20"
BUY = {"instrument": "console20", "side": "buy", "quantity": 10}


@pytest.fixture(scope="module")
def risk(servers: Settings, console: httpx.Client, stocks: list[str]) -> Iterator[LightRisk]:
    """Answers; the instrument is streamed, so that nobody waits for its price."""
    console.post("/api/feed", json={"instruments": [STOCK]})
    with LightRisk(servers) as light:
        yield light
    console.request("DELETE", "/api/feed", json={"instruments": [STOCK]})


def order(console: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer = console.post("/api/orders", params={"wait_s": 20}, json=BUY | asked, headers={"portfolio-actor": "asha"})
    assert answer.is_success, answer.text
    return answer.json()  # type: ignore[no-any-return]


def records(of: Settings, topic: Topic, kind: Any) -> list[Any]:
    return [decode(kind, message.value()) for message in read_compacted(topic, of=of)]


def test_an_order_goes_the_whole_way(console: httpx.Client, risk: LightRisk, servers: Settings) -> None:
    said = order(console, reason="I like it")
    assert (said["settled"], said["done"], said["order"]["status"]) == (True, True, "complete")
    assert said["message"] == f"Order {said['id']} (buy 10 {STOCK} market, paper): filled, 10 at 1,520.00."
    (wish,) = [i for i in records(servers, ORDER_INTENTS, OrderIntent) if i.id == said["id"]]
    assert (wish.run, wish.task, wish.trading, wish.reason) == ("", "asha", "paper", "I like it")
    until(lambda: console.get("/api/positions?algo=-&instrument=console20").json()["positions"])
    explained = console.get(f"/api/explain/{said['id']}").json()
    assert [step["what"] for step in explained["steps"]][:3] == ["asked", "approved", "sending"]
    assert explained["position"]["quantity"] == 10
    assert [t["quantity"] for t in console.get("/api/trades?algo=-&limit=1").json()["trades"]] == [10]

    again = order(console, id="mine1")
    ends = end_offsets(ORDER_INTENTS.name, [0])
    assert order(console, id="mine1")["id"] == again["id"]
    assert end_offsets(ORDER_INTENTS.name, [0]) == ends  # asked twice, written once
    refused = order(console, quantity=5000)
    assert (refused["done"], refused["order"]["code"]) == (False, "QUANTITY")


def test_what_rests_is_modified_and_cancelled(console: httpx.Client, risk: LightRisk) -> None:
    rests = order(console, price=1490)
    assert (rests["settled"], rests["order"]["status"]) == (True, "open")
    path = f"/api/orders/{rests['id']}"
    changed = console.patch(path, params={"wait_s": 20}, json={"price": 1495.5}).json()
    assert (changed["done"], changed["order"]["price"]) == (True, 1495.5)
    gone = console.delete(path, params={"wait_s": 20, "reason": "enough"}).json()
    assert (gone["done"], gone["order"]["status"]) == (True, "cancelled")
    assert [c["action"] for c in console.get(path).json()["changes"]] == ["modify", "cancel"]
    assert console.delete(path).status_code == httpx.codes.CONFLICT


def test_an_algos_order_is_explained_from_its_tick(console: httpx.Client, risk: LightRisk, servers: Settings) -> None:
    now = market_clock().now_us()
    produce_all([(TICKS, 5, "", batch_of([Tick(STOCK, now - 900, 1519.5)]))], servers)
    place = f"{TICKS.name}/5/{end_offsets(TICKS.name, [5])[5] - 1}"
    wish = intent("algo7", instrument=STOCK, kind="market", price=0.0, at_us=now, cause=place)
    produce_all([(ORDER_INTENTS, 0, "paper", wish)], servers)
    until(lambda: console.get("/api/orders/algo7").is_success)
    said = until(lambda: (e := console.get("/api/explain/algo7").json())["fills"] and e)
    assert (said["cause"]["kind"], said["cause"]["record"]["last_price"]) == ("TickBatch", 1519.5)
    assert [step["what"] for step in said["steps"]][:3] == ["ticks", "asked", "approved"]

    assert (found := past_order(servers, "algo7"))
    assert (found.status, found.wish and found.wish.cause) == ("complete", place)
    assert past_order(servers, "nobodys") is None
    today = calendar_of("NSE").day_of(now)
    assert "algo7" in past_day(servers, market_clock(), today).orders
    assert past_day(servers, market_clock(), date(2031, 1, 3)).orders == {}
    assert record_at(servers, f"{TICKS.name}/5/999999999") is None


def test_limits_are_set_and_removed(console: httpx.Client, servers: Settings, stocks: list[str]) -> None:
    asked = {"scope": "instrument:console20", "limit": "notional", "value": "1.5 lakh", "reason": "small"}
    for value, was in (("1.5 lakh", None), ("2,00,000", 150_000.0)):
        said = console.put(
            "/api/risk/limits", json=asked | {"value": value}, headers={"portfolio-actor": "asha"}
        ).json()
        assert (said["before"] or {}).get("value") == was
    assert "₹2,00,000" in said["message"]
    (row,) = [r for r in console.get("/api/risk/limits").json()["limits"] if r["scope"] == f"instrument:{STOCK}"]
    assert (row["value"], row["actor"], row["reason"]) == (200_000.0, "asha", "small")
    gone = console.delete("/api/risk/limits", params={"scope": f"instrument:{STOCK}", "limit": "notional"})
    assert gone.json()["limit"] is None
    mine = [limit for limit in records(servers, LIMITS, Limit) if limit.scope == f"instrument:{STOCK}"]
    assert [(limit.value, limit.removed) for limit in mine] == [
        (150_000.0, False), (200_000.0, False), (200_000.0, True),
    ]  # fmt: skip
    newest = console.get("/api/risk/limits/history").json()["changes"][0]
    assert (newest["before"], newest["after"]) == (200_000.0, None)


def test_trading_is_halted_and_resumed(console: httpx.Client, risk: LightRisk, servers: Settings) -> None:
    asked = {"scope": "account:live", "reason": "a wild day"}
    said = console.post("/api/risk/halt", json=asked, headers={"portfolio-actor": "asha"}).json()
    assert (said["held"], said["warnings"]) == (True, [])
    hold = read_brake(servers.home)["account:live"]
    assert (hold.state, hold.actor, hold.reason) == ("HALTED", "asha", "a wild day")
    (row,) = said["commands"]
    assert console.get(f"/api/commands/{row['id']}", params={"wait_s": 20}).json()["fate"] == "done"
    command = risk.obeyed[-1]
    assert (command.verb, command.task, json.loads(command.arguments)) == (
        "halt", "account:live", {"reason": "a wild day", "flatten": False},
    )  # fmt: skip

    def sources() -> set[str]:
        return {s["source"] for s in console.get("/api/risk").json()["states"] if s["scope"] == "account:live"}

    until(lambda: sources() == {"risk", "brake"})
    assert console.post("/api/risk/resume", json=asked).json()["held"] is False
    assert read_brake(servers.home) == {}
    until(lambda: not sources())


def test_the_commands(
    console: httpx.Client, risk: LightRisk, servers: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    def good(*words: str) -> str:
        assert main([*words]) == 0, capsys.readouterr()
        return capsys.readouterr().out

    use = LimitUse("platform", "money-at-risk", 500_000.0, 123_456.0, "rupees", "block")
    algo = point("algo:crossover", parts=[part(instrument=STOCK)])
    today = replace(point(uses=[use]), day="2026-11-27")
    risk.say(today, algo)
    until(lambda: console.get("/api/risk").json()["platform"])
    bought = good("order", "buy", "console20", "1,000")
    assert "filled, 1,000 at 1,520.00" in bought
    id_ = bought.split()[1]
    assert id_ in good("orders", "--algo", "-", "--account", "paper")
    assert "1,000 of 1,000 filled" in good("explain", id_)
    assert json.loads(good("trades", "--json", "--limit", "1"))["trades"][0]["order"] == id_
    assert "CONSOLE20" in good("positions")
    assert "₹1,23,456" in good("risk")
    assert "at most ₹50,00,000" in good("risk", "set", "platform", "notional", "50 lakh", "--reason", "enough")
    assert "₹50,00,000" in good("risk", "limits")
    good("risk", "unset", "platform", "notional")
    assert "removed" in good("risk", "limits", "--history")
    assert "Risk has done it." in good("risk", "halt", "algo:crossover", "--reason", "x")
    assert "HALTED" in good("risk", "show")
    assert "Trading goes on" in good("risk", "resume", "algo:crossover")
    session = connect(servers)
    RiskWriter(session).write([replace(today, day="2026-11-26", day_max=100_000.0), today])
    session.cluster.shutdown()
    assert "2026-11-27" in good("risk", "history", "--days", "5", "--png", str(tmp_path / "risk.png"))
    assert (tmp_path / "risk.png").exists()
    assert "₹1,00,000" in good("risk", "--day", "2026-11-26")

    for words, said in (
        (("orders", "--algo", "crosover"), "did you mean crossover"),
        (("order", "buy", "NSE:CONSOLE2X", "1"), "did you mean"),
        (("order", "cancel", id_), "it is complete"),
        (("risk", "halt", "algo:crosover"), "did you mean crossover"),
        (("risk", "set", "platform", "notional", "much"), "no value"),
        (("risk", "accept", "paper"), "nothing to accept"),
    ):
        assert main([*words]) == 1
        told = capsys.readouterr().err
        assert said in told
        assert len(told.splitlines()) == 1
    assert main(["order", "buy", STOCK, "5,000"]) == 1  # refused
    assert "QUANTITY" in capsys.readouterr().out
    assert read_brake(servers.home) == {}
