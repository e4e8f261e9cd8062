"""Orders and risk on the whole platform: one order explains itself, a limit breaks, the kill switch, and kills."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import portfolio
from tests.journeys import orders
from tests.journeys.conftest import Platform
from tests.journeys.network import computers
from tests.wait import until

STOCK = "NSE:SBIN"
HOLDER = '''
"""Buys at the first tick, and again whenever it has nothing."""

from streams.algo import Algo, Tick, param


class Holder(Algo):
    """Holds shares."""

    quantity: int = param(100, low=1, high=10_000, help="shares to hold")

    def on_tick(self, tick: Tick) -> None:
        self.target(self.quantity)
'''


def row_of(platform: Platform, order: str) -> dict[str, Any]:
    return next((row for row in platform.json("orders")["orders"] if row["id"] == order), {})


def held(platform: Platform, run: str) -> int:
    """Shares of a run, short ones too."""
    rows = platform.json("positions", "--algo", run)["positions"]
    return sum(abs(row["quantity"]) for row in rows)


def price_of(platform: Platform, instrument: str) -> float:
    rows = platform.api("/market", limit=1000)["instruments"]
    return float(next(row["last_price"] for row in rows if row["instrument"] == instrument))


def state_of(platform: Platform, scope: str = "platform") -> str:
    """Whether trading is on, as risk says it: ACTIVE where nothing is said."""
    rows = [row for row in platform.json("risk")["states"] if row["scope"] == scope and row["source"] == "risk"]
    return str(rows[0]["state"]) if rows else "ACTIVE"


def test_an_example_trades_and_its_order_explains_itself_from_tick_to_position(platform: Platform) -> None:
    def filled() -> dict[str, Any]:
        rows = platform.json("orders")["orders"]
        return next((r for r in rows if r["run"] in ("spread", "crossover") and r["status"] == "complete"), {})

    order = until("an example's order is filled", filled, timeout_s=120)
    told = platform.json("explain", order["id"])
    assert told["cause"]["place"].split("/")[0] in ("ticks", "candles")
    assert told["verdict"]["approved"]
    steps = [step["what"] for step in told["steps"]]
    for earlier, later in (("asked", "approved"), ("approved", "sending")):
        assert steps.index(earlier) < steps.index(later), steps
    assert sum(fill["quantity"] for fill in told["fills"]) == order["filled"] == order["quantity"]
    assert order["instrument"] in platform.run("explain", order["id"])


def test_a_person_buys_and_sells_live_and_a_mistake_is_named(platform: Platform) -> None:
    bought = platform.json("order", "buy", STOCK, "5", "--account", "live")
    assert bought["order"]["status"] == "complete", bought
    assert [row["tag"] for row in orders.at_the_simulator(platform)].count(bought["id"]) == 1
    until("they are held", lambda: held(platform, "-") >= 5)  # risk counts what it reads a moment later
    resting = platform.json(
        "order", "buy", STOCK, "5", "--account", "live", "--price", str(round(price_of(platform, STOCK) * 0.97))
    )
    assert resting["order"]["status"] == "open", resting
    platform.run("order", "cancel", resting["id"])
    until("it is cancelled", lambda: row_of(platform, resting["id"])["status"] == "cancelled")
    sold = platform.json("order", "sell", STOCK, "5", "--account", "live")
    assert sold["order"]["status"] == "complete", sold
    said = platform.run("order", "buy", "NSE:SBEN", "5", ok=False)
    assert "SBIN" in said
    said = platform.run("order", "buy", STOCK, "5", "--price", "600.01", ok=False)
    assert "TICK_SIZE" in said or "tick" in said


def test_a_drawdown_breaks_and_its_algo_on_another_computer_stops_and_is_flat(
    platform: Platform, tmp_path: Path
) -> None:
    file = tmp_path / "holder.py"
    file.write_text(HOLDER)
    with computers(("gamma",), tmp_path) as (gamma,):
        token = platform.json("node", "token", "--approve")
        agent = gamma.start("node", "join", token["blob"], "--name", "gamma")
        try:
            rows = lambda: {row["node"]: row["state"] for row in platform.json("node", "list")["nodes"]}  # noqa: E731
            until(f"gamma is up\n{gamma.said}", lambda: rows().get("gamma") == "up")
            platform.run("algo", "submit", str(file))
            platform.run("algo", "start", "holder", "--node", "gamma", "-i", STOCK, "--live")
            until("it holds its shares", lambda: held(platform, "holder") == 100)
            platform.run("risk", "set", "algo:holder", "drawdown", "1", "--action", "flatten")  # charges alone are more
            until("it is flat", lambda: held(platform, "holder") == 0)
            tasks = lambda: {row["run"]: row["state"] for row in platform.json("algo", "list")["tasks"]}  # noqa: E731
            until("it is stopped", lambda: tasks()["holder"] == "stopped")
            broken = [row for row in platform.json("risk")["breaches"] if row["scope"] == "algo:holder"]
            assert [row["limit"] for row in broken] == ["drawdown"], broken
            assert "drawdown" in platform.run("risk", "limits", "--history")
        finally:
            portfolio("node", "remove", "gamma", home=platform.home, base=platform.base)  # with the task that it has
            agent.wait(60)
            for words in (("unset", "algo:holder", "drawdown"), ("resume", "algo:holder")):
                portfolio("risk", *words, home=platform.home, base=platform.base)


@pytest.fixture
def resumed(platform: Platform) -> Iterator[None]:
    """Whatever becomes of the test, trading is on afterwards."""
    yield
    portfolio("risk", "resume", home=platform.home, base=platform.base)


@pytest.mark.usefixtures("resumed")
def test_the_kill_switch_holds_without_kafka_and_over_a_restart(platform: Platform) -> None:
    orders.kill_pid(platform.service("kafka")["pid"])
    platform.run("risk", "halt", "--reason", "a journey")
    assert '"HALTED"' in (platform.home / "brake.json").read_text()
    until("Kafka is back", lambda: platform.service("kafka")["state"] == "running")

    def refused() -> bool:
        portfolio("order", "buy", STOCK, "1", "--no-wait", home=platform.home, base=platform.base)
        return any(row["code"] == "HALTED" for row in platform.json("orders")["orders"])

    until("risk refuses because of the halt", refused, timeout_s=90, every_s=1)
    for name in ("risk", "paper"):
        orders.kill_pid(platform.service(name)["pid"])
    until("they are back", lambda: all(platform.service(n)["state"] == "running" for n in ("risk", "paper")))
    assert "HALTED" in platform.run("risk")
    platform.run("risk", "resume")
    until("trading is on", lambda: state_of(platform) == "ACTIVE")

    def is_filled() -> bool:
        done = portfolio("order", "buy", STOCK, "1", "--json", home=platform.home, base=platform.base)
        return done.returncode == 0 and json.loads(done.stdout)["order"]["status"] == "complete"

    until("an order is filled", is_filled, every_s=1)
    platform.run("order", "sell", STOCK, "1", "--no-wait")


@pytest.mark.timeout(400)
def test_kills_at_random_instants_send_no_order_twice_and_lose_none(platform: Platform) -> None:
    chance = random.Random()
    seed = int(os.environ.get("JOURNEY_SEED", chance.randrange(10**6)))
    chance.seed(seed)
    until("trading is on", lambda: state_of(platform) == "ACTIVE")
    price = round(price_of(platform, STOCK), 1)
    flood = orders.Flood(platform, "flood")
    victims = chance.sample(["risk", "gateway", "kafka"], 3)
    instants = {int(at): victim for at, victim in zip(sorted(chance.sample(range(300, 2200), 3)), victims, strict=True)}
    pids = {name: platform.service(name)["pid"] for name in victims}
    for asked in flood.ask(STOCK, price, seconds=25, a_second=100):
        if victim := instants.get(asked):
            orders.kill_pid(pids[victim])
    until("all is in the log", flood.written, timeout_s=90)

    def judged() -> bool:
        return len(flood.outcome().verdicts) == len(flood.ids)

    try:
        until(f"each has a verdict (seed {seed}, {victims})", judged, timeout_s=120, every_s=2)
    except AssertionError as error:
        error.add_note(flood.unjudged())
        raise

    def settled() -> bool:
        now = flood.outcome()
        approved = [v.id for v in now.verdicts.values() if v.approved]
        return all(i in now.orders and now.orders[i].status not in ("requested", "unknown") for i in approved)

    until(f"each approved one has come to an end or rests (seed {seed}, {victims})", settled, timeout_s=180, every_s=3)
    found, there = flood.outcome(), orders.tags(orders.at_the_simulator(platform))
    assert not found.twice, (seed, victims, found.twice[:5])
    approved = {v.id for v in found.verdicts.values() if v.approved}
    assert len(approved) > 100, {v.code for v in found.verdicts.values()}
    assert {i: n for i, n in there.items() if n > 1} == {}, (seed, victims)
    never = {i for i, state in found.orders.items() if state.status in ("lost", "not-sent")}
    mine = set(flood.ids)
    assert {i for i in there if i in mine} == {i for i in approved - never if found.orders[i].broker_order}, (
        seed,
        victims,
    )
