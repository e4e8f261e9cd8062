"""Orders, fills, positions and risk by REST, on what was folded and with no Kafka."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI

from infra.brake import read_brake, set_brake
from infra.settings import Settings
from streams.console.errors import UnavailableError
from streams.console.probes import Answer
from tests.unit.streams.console.client import Client
from tests.unit.streams.console.trading import DAY, app_of, trading_day


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return app_of(Settings(home=tmp_path_factory.mktemp("home"), port_base=40000), trading_day(cause=""))


@pytest.fixture
def client(app: FastAPI) -> Client:
    return Client(app)


def ids(said: dict[str, Any]) -> list[str]:
    return [row["id"] for row in said["orders"]]


def test_orders_come_latest_first_and_narrowed_down(client: Client) -> None:
    assert ids(client.get("/api/orders").json()) == ["ext-24112799", "p3", "o2", "o1"]
    narrowed = {
        "account=live": ["ext-24112799"], "algo=crossover": ["o2", "o1"], "algo=-": ["p3"], "instrument=tcs": [],
        "algo=external": ["ext-24112799"], f"day={DAY}&limit=1": ["ext-24112799"], "day=2026-11-26": [],
        "live=true": [], "instrument=infy&account=paper&limit=2": ["p3", "o2"],
    }  # fmt: skip
    assert {query: ids(client.get(f"/api/orders?{query}").json()) for query in narrowed} == narrowed
    first = client.get("/api/orders?limit=2").json()
    assert (first["more"], first["day"]) == (True, DAY)
    refused = next(row for row in client.get("/api/orders").json()["orders"] if row["id"] == "o2")
    assert (refused["status"], refused["code"], refused["limit"]) == (
        "refused",
        "LIMIT",
        "algo:crossover money-at-risk",
    )


def test_an_order_has_its_events_changes_and_fills(client: Client) -> None:
    said = client.get("/api/orders/p3").json()
    assert (said["order"]["status"], said["order"]["live"]) == ("cancelled", False)
    assert [(c["id"], c["action"], c["state"], c["task"]) for c in said["changes"]] == [
        ("p4", "cancel", "done", "asha")
    ]
    one = client.get("/api/orders/o1").json()
    assert [event["filled"] for event in one["events"]] == [0, 4, 10]
    assert [(fill["quantity"], fill["price"]) for fill in one["fills"]] == [(4, 1519.75), (6, 1519.75)]
    assert one["verdict"]["approved"]


def test_fills_and_positions(client: Client) -> None:
    trades = client.get("/api/trades").json()["trades"]
    assert [(t["order"], t["quantity"], t["value"]) for t in trades] == [
        ("ext-24112799", 10, 15197.5), ("o1", 6, 9118.5), ("o1", 4, 6079.0),
    ]  # fmt: skip
    said = client.get("/api/positions").json()
    (row,) = said["positions"]
    assert (row["run"], row["quantity"], row["price"], row["open"]) == ("crossover", 10, 1523.4, 36.5)
    assert (said["realised"], said["open"], said["charges"]) == (125.5, 36.5, 12.25)
    assert [(d["account"], d["ours"], d["brokers"]) for d in said["differences"]] == [("live", 5, 7)]
    assert [(b["instrument"], b["quantity"]) for b in said["broker"]] == [("NSE:TCS", 7)]
    assert client.get("/api/positions?algo=-").json()["positions"] == []


def test_an_order_is_explained(client: Client) -> None:
    said = client.get("/api/explain/o1").json()
    assert said["text"].startswith("Algo crossover wanted to buy 10 NSE:INFY limit 1,520.00 on paper: filled, 10 at ")
    steps = [(step["what"], step["after_ms"]) for step in said["steps"]]
    assert steps == [
        ("asked", 0.0), ("approved", 1.2), ("sending", 0.8), ("open", 1.0), ("open", 0.004), ("complete", 0.006),
    ]  # fmt: skip
    assert (said["position"]["quantity"], said["position_is_later"]) == (10, False)
    assert [breach["limit"] for breach in said["breaches"]] == ["drawdown"]
    assert [(state["scope"], state["state"]) for state in said["states"]] == [("algo:crossover", "REDUCING")]
    refused = client.get("/api/explain/o2").json()
    assert refused["verdict"]["numbers"] == {"value": 150_000.0, "used": 123_456.5, "wanted": 7_600_000.0}
    assert refused["steps"][-1]["what"] == "refused"


def test_risk_by_algo_and_stock(client: Client) -> None:
    said = client.get("/api/risk").json()
    assert (said["platform"]["day_max"], said["platform"]["change"], said["platform"]["change_percent"]) == (
        200_000.0, 40_000.0, 25.0,
    )  # fmt: skip
    assert (said["state"], said["algos"][0]["state"]) == ("ACTIVE", "REDUCING")
    assert [part["instrument"] for part in said["algos"][0]["parts"]] == ["NFO:NIFTY26DEC24500CE", "NSE:INFY"]
    assert said["algos"][0]["uses"][0]["share"] == 1.025
    assert said["breaches"][0]["scope"] == "algo:crossover"
    assert client.get("/api/risk?account=live").json()["algos"] == []
    assert len(client.get("/api/risk?instrument=INFY").json()["algos"][0]["parts"]) == 1


def test_limits_and_their_history(client: Client) -> None:
    rows = {(row["scope"], row["limit"]): row for row in client.get("/api/risk/limits").json()["limits"]}
    platform = rows["platform", "money-at-risk"]
    assert (platform["shown"], platform["used"], platform["actor"]) == ("₹5,00,000", 123_456.5, "ravi")
    assert "2% of capital" in rows["algo:*", "drawdown"]["text"]
    changes = client.get("/api/risk/limits/history").json()["changes"]
    assert [(c["before_shown"], c["after_shown"], c["actor"]) for c in changes] == [
        ("₹10,00,000", "₹5,00,000", "ravi"), ("", "2%", "asha"), ("", "₹10,00,000", "asha"),
    ]  # fmt: skip


ORDER = {"instrument": "INFY", "side": "buy", "quantity": 10}
QUANTITY = {"scope": "platform", "limit": "quantity", "value": 5}
BAD: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/api/orders?algo=crosover", None, 404, "did you mean crossover"),
    ("GET", "/api/orders?instrument=INFZ", None, 404, "did you mean NSE:INFY"),
    ("GET", "/api/orders?day=yesterday", None, 400, "write it as 2026-11-27"),
    ("GET", "/api/orders?account=demo", None, 422, "account"),
    ("GET", "/api/orders?limit=0", None, 422, "limit"),
    ("GET", "/api/trades?alog=x", None, 422, "'alog'"),
    ("GET", "/api/positions?algo=nobody", None, 404, "nobody"),
    ("GET", "/api/orders/p3x", None, 404, "./portfolio orders"),
    ("GET", "/api/orders/ext", None, 404, "did you mean ext-24112799"),
    ("GET", "/api/explain/nothing", None, 404, "There is no order"),
    ("POST", "/api/orders", ORDER | {"quantity": 0}, 422, "quantity"),
    ("POST", "/api/orders", ORDER | {"quantity": 1.5}, 422, "quantity"),
    ("POST", "/api/orders", ORDER | {"side": "hold"}, 422, "side"),
    ("POST", "/api/orders", ORDER | {"price": -1}, 422, "price"),
    ("POST", "/api/orders", ORDER | {"price": "inf"}, 422, "price"),
    ("POST", "/api/orders", ORDER | {"product": "BO"}, 422, "product"),
    ("POST", "/api/orders", ORDER | {"id": "has-a-dash"}, 422, "id"),
    ("POST", "/api/orders", ORDER | {"kind": "limit"}, 400, "needs a price"),
    ("POST", "/api/orders", ORDER | {"instrument": "NOSUCH"}, 404, "NOSUCH"),
    ("POST", "/api/orders", ORDER | {"id": "p3"}, 409, "another order's"),
    ("DELETE", "/api/orders/nothing", None, 404, "There is no order"),
    ("DELETE", "/api/orders/o1", None, 409, "it is complete"),
    ("PATCH", "/api/orders/p3", {"price": 5}, 409, "it is cancelled"),
    ("PATCH", "/api/orders/p3", {}, 400, "quantity, price or trigger"),
    ("GET", "/api/risk?algo=crosover", None, 404, "did you mean crossover"),
    ("GET", "/api/risk?day=2026-13-01", None, 400, "no date"),
    ("GET", "/api/risk/history", None, 503, "Cassandra"),
    ("GET", "/api/risk/history?days=0", None, 422, "days"),
    ("PUT", "/api/risk/limits", {"scope": "platfrom", "limit": "notional", "value": 5}, 400, "did you mean platform"),
    ("PUT", "/api/risk/limits", {"scope": "platform", "limit": "notion", "value": 5}, 400, "did you mean notional"),
    ("PUT", "/api/risk/limits", {"scope": "platform", "limit": "notional", "value": "much"}, 400, "no value"),
    ("PUT", "/api/risk/limits", {"scope": "platform", "limit": "notional", "value": -5}, 400, "at least 0"),
    ("PUT", "/api/risk/limits", {"scope": "algo:crosover", "limit": "notional", "value": 5}, 400, "mean crossover"),
    ("PUT", "/api/risk/limits", {"scope": "instrument:INFZ", "limit": "notional", "value": 5}, 404, "NSE:INFY"),
    (
        "PUT",
        "/api/risk/limits",
        {"scope": "platform", "limit": "quantity", "value": 5, "action": "stop"},
        400,
        "cannot",
    ),
    ("DELETE", "/api/risk/limits?scope=platform&limit=drawdown", None, 404, "money-at-risk"),
    ("POST", "/api/risk/halt", {"scope": "algo:crosover"}, 400, "did you mean crossover"),
    ("POST", "/api/risk/halt", {"scope": "instrument:NSE:INFY"}, 400, "account:NAME"),
    ("POST", "/api/risk/halt", {"scop": "platform"}, 422, "'scop'"),
    ("POST", "/api/risk/accept", {"scope": "platform"}, 400, "account:paper"),
    ("POST", "/api/risk/accept", {"scope": "account:paper"}, 409, "nothing to accept"),
    ("POST", "/api/risk/resume", {"scope": "account:nobody"}, 400, "paper and live"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), BAD)
def test_what_cannot_be_done_is_one_sentence(
    client: Client, app: FastAPI, method: str, path: str, body: Any, status: int, words: str
) -> None:
    answer = client.request(method, path, json=body)
    said = answer.json()
    assert (answer.status_code, list(said)) == (status, ["error"]), said
    assert words in said["error"]
    assert "\n" not in said["error"]
    assert said["error"].endswith((".", "?"))
    assert read_brake(app.state.console.settings.home) == {}  # and nothing is held by mistake


def test_a_brake_is_seen_everywhere(client: Client, app: FastAPI) -> None:
    home = app.state.console.settings.home
    set_brake(home, "platform", "HALTED", "asha", "a wild day")
    try:
        said = client.get("/api/risk").json()
        assert (said["state"], said["platform"]["state"], said["algos"][0]["state"]) == ("HALTED",) * 3
        assert [(s["scope"], s["source"], s["actor"]) for s in said["states"]] == [
            ("algo:crossover", "risk", "risk"), ("platform", "brake", "asha"),
        ]  # fmt: skip
        assert client.get("/api/market").json()["totals"]["trading"] == "HALTED"
        assert client.get("/api/health").json()["risk"]["trading"] == "HALTED"
    finally:
        set_brake(home, "platform", "ACTIVE", "asha")


@pytest.mark.parametrize("flatten", [False, True])
def test_a_halt_holds_when_kafka_is_down(client: Client, app: FastAPI, flatten: bool) -> None:
    console = app.state.console
    console.probes.kafka.answer = Answer("down", "it is away")
    try:
        answer = client.post("/api/risk/halt", json={"scope": "account:paper", "flatten": flatten})
        said = answer.json()
        assert (answer.status_code, said["held"], said["commands"]) == (200, True, [])
        assert "it is away" in said["warnings"][0]
        assert read_brake(console.settings.home)["account:paper"].state == "HALTED"
    finally:
        set_brake(console.settings.home, "account:paper", "ACTIVE", "asha")
        console.probes.kafka.answer = Answer()


def test_nothing_is_resumed_when_risk_cannot_be_told(
    client: Client, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = app.state.console

    def away(*_: Any, **__: Any) -> None:
        raise UnavailableError("Kafka did not take the change (it is away); see `./portfolio status`.")

    monkeypatch.setattr(console.risk_desk, "command", away)
    set_brake(console.settings.home, "platform", "HALTED", "asha")
    try:
        answer = client.post("/api/risk/resume", json={})
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("Risk cannot be told, so nothing is resumed: ")
        assert read_brake(console.settings.home)["platform"].state == "HALTED"
    finally:
        set_brake(console.settings.home, "platform", "ACTIVE", "asha")


def test_who_halts_while_another_resumes_is_right(app: FastAPI) -> None:
    desk, home = app.state.console.risk_desk, app.state.console.settings.home
    desk.hold("account:live", "HALTED", "asha", "again")
    since_us = read_brake(home)["account:live"].at_us
    desk.let_go("account:live", since_us - 1, "ravi", "")
    assert read_brake(home)["account:live"].state == "HALTED"
    desk.let_go("account:live", since_us, "ravi", "")
    assert read_brake(home) == {}
