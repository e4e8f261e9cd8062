"""Schedules, wishes and requests on the real log, with nodes that check signatures; the market's clock runs fast."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.clock import EXCHANGE, start_clock
from infra.settings import Settings
from schemas.calendar import MINUTE_US, calendar_of
from schemas.fleet import AlgoRequest
from tests.contract.fleet.conftest import Fleet, LightNode, light_node, put, running
from tests.unit.streams.fleet.records import algo, node, task
from tests.wait import until

SPEED = 1500.0  # a session of 6 h 15 min in 15 s


def now_us() -> int:
    return time.time_ns() // 1000


@pytest.fixture(scope="module")
def fast(servers: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet of a home whose market runs fast, on the same servers."""
    home: Path = tmp_path_factory.mktemp("fast")
    start_clock(home, SPEED)
    put(servers, "algos", "crossover", algo(submitted_us=now_us()))
    of = servers.model_copy(update={"home": home})
    with running(of, PORTFOLIO_HOME=str(home), PORTFOLIO_PORT_BASE=str(servers.port_base)) as fleet:
        yield fleet


@pytest.fixture
def lit(fast: Fleet, request: pytest.FixtureRequest) -> Iterator[LightNode]:
    """An approved node of its own for a test, known to be up."""
    name = "lit-" + str(request.node.name).removeprefix("test_").replace("_", "-")[:30].strip("-")
    with light_node(fast.settings, name) as made:
        put(fast.settings, "nodes", name, node(name, at_us=now_us()))
        until("the node to be up", lambda: fast.one("/nodes", node=name, state="up"), 20, 0.1)
        yield made


def kinds(fleet: Fleet, of: str) -> list[str]:
    return [step["kind"] for step in fleet.one("/tasks", task=of).get("history", [])]


def is_early(fleet: Fleet) -> bool:
    """Whether the session has most of its time still to come."""
    market_us = start_clock(fleet.settings.home, SPEED).now_us()
    return market_us - calendar_of(EXCHANGE).opening(market_us) < 90 * MINUTE_US


def test_a_session_starts_its_task_and_the_next_one_starts_it_anew(fast: Fleet, lit: LightNode) -> None:
    of = f"daily@{lit.name}"
    until("a session with time for a start", lambda: is_early(fast), 30, 0.05)  # else it is missed, rightly
    put(fast.settings, "tasks", of, task(of, "stopped", now_us(), schedule="NSE session"))
    until("the start in the open session", lambda: lit.obeyed[:1] == ["start"], 10, 0.05)
    assert fast.one("/tasks", task=of)["actor"] == "schedule"
    until("the next session", lambda: lit.obeyed == ["start", "restart"], 40, 0.1)
    until("its life", lambda: kinds(fast, of).count("started") == 2, 10, 0.1)
    assert "missed" not in kinds(fast, of)
    row = fast.one("/tasks", task=of)
    assert (row["state"], row["wanted"], row["schedule"]) == ("running", "running", "NSE session")


def test_a_session_that_the_market_clock_leaves_out_is_told(fast: Fleet, lit: LightNode) -> None:
    """New York opens when it is evening in India: the simulated clock has no evenings."""
    of = f"nightly@{lit.name}"
    put(fast.settings, "tasks", of, task(of, "stopped", now_us(), schedule="NYSE session"))
    until("the missed session", lambda: "missed" in kinds(fast, of), 60, 0.2)
    assert lit.obeyed == []
    missed = next(s for s in fast.one("/tasks", task=of)["history"] if s["kind"] == "missed")
    assert "09:29 was missed" in missed["reason"]


def test_cron_starts_in_market_time(fast: Fleet, lit: LightNode) -> None:
    of = f"cron@{lit.name}"
    put(fast.settings, "tasks", of, task(of, "stopped", now_us(), schedule="0 * * * *"))
    until("the start", lambda: lit.obeyed == ["start"], 15, 0.05)
    step = next(s for s in fast.one("/tasks", task=of)["history"] if s["kind"] == "wanted running")
    market = start_clock(fast.settings.home, SPEED).at_wall(step["own_us"])
    local = datetime.fromtimestamp(market / 1e6, UTC).astimezone(calendar_of(EXCHANGE).zone)
    assert local.minute < 45  # looked at every 0.5 s, which is 12 minutes here; a loaded machine is slower


def test_a_wish_outlives_a_node_that_was_away(fast: Fleet) -> None:
    of, name = "patient@lit-away", "lit-away"
    put(fast.settings, "nodes", name, node(name, at_us=now_us()))
    put(fast.settings, "tasks", of, task(of, at_us=now_us()))
    until("the wish", lambda: fast.one("/tasks", task=of, state="waiting"), 20, 0.1)
    with light_node(fast.settings, name) as back:
        until("the command", lambda: back.obeyed == ["start"], 30, 0.1)
        until("the task to run", lambda: fast.one("/tasks", task=of, state="running"), 20, 0.1)


def test_what_runs_against_the_wish_is_stopped(fast: Fleet, lit: LightNode) -> None:
    of = f"stray@{lit.name}"
    lit.tasks[of] = "running"
    put(fast.settings, "tasks", of, task(of, "stopped", now_us()))
    until("the stop", lambda: lit.obeyed == ["stop"], 30, 0.1)
    until("its end", lambda: fast.one("/tasks", task=of, state="stopped"), 20, 0.1)


def answered(fleet: Fleet, asked: AlgoRequest) -> dict[str, Any]:
    """The step that answers a request."""
    put(fleet.settings, "algo-requests", asked.task, asked)
    steps = lambda: fleet.one("/tasks", task=asked.task).get("history", [])  # noqa: E731
    return until("the answer", lambda: next((s for s in steps() if s["id"] == f"request-{asked.id}"), {}), 20, 0.1)


def test_algos_that_may_command_others(fast: Fleet, lit: LightNode) -> None:
    boss, worker, meek = f"boss@{lit.name}", f"worker@{lit.name}", f"meek@{lit.name}"
    put(fast.settings, "tasks", boss, task(boss, at_us=now_us(), may_command=True))
    put(fast.settings, "tasks", meek, task(meek, at_us=now_us()))
    put(fast.settings, "tasks", worker, task(worker, at_us=now_us()))
    until("all to run", lambda: len(lit.tasks) == 3, 30, 0.1)
    until("that to be known", lambda: fast.one("/tasks", task=worker, state="running"), 20, 0.1)
    step = answered(fast, AlgoRequest("q-1", meek, "stop", "worker", now_us(), "why not"))
    assert step["kind"] == "refused"
    assert "may not command others" in step["reason"]
    assert worker in lit.tasks
    step = answered(fast, AlgoRequest("q-2", boss, "stop", "worker", now_us(), "enough"))
    assert (step["kind"], step["reason"]) == ("done", "it asked to stop run worker (enough)")
    until("the stop", lambda: worker not in lit.tasks, 20, 0.1)
    until("that to be known", lambda: fast.one("/tasks", task=worker, state="stopped"), 20, 0.1)
    assert answered(fast, AlgoRequest("q-3", boss, "start", "worker", now_us(), "again"))["kind"] == "done"
    until("the start", lambda: worker in lit.tasks, 20, 0.1)
