"""What algos ask of others: done, refused with a reason, and never twice."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.fleet import AlgoRequest
from streams.fleet.fold import fold
from streams.fleet.requests import answer
from tests.unit.streams.fleet.records import NOW, READY, S, event, fleet, task

BOSS = task("boss@desk", may_command=True)


def request(verb: Any = "stop", run: str = "crossover", by: str = "boss@desk") -> AlgoRequest:
    return AlgoRequest("r-1", by, verb, run, NOW, "too much risk")


def test_an_allowed_algo_stops_another() -> None:
    state = fleet(*READY, BOSS, task(), event("started"))
    (wish,), told = answer(request(), state, NOW + S)
    assert (wish.task.task, wish.task.wanted, wish.verb, wish.task.actor) == (
        "crossover@desk", "stopped", "stop", "boss@desk",
    )  # fmt: skip
    assert told is not None
    assert (told.kind, told.task, told.reason) == (
        "done", "boss@desk", "it asked to stop run crossover (too much risk)",
    )  # fmt: skip


def test_an_allowed_algo_starts_another_as_it_was() -> None:
    state = fleet(*READY, BOSS, task(wanted="stopped", settings={"fast": "7"}))
    (wish,), told = answer(request("start"), state, NOW + S)
    assert (wish.task.wanted, wish.verb, wish.task.settings) == ("running", "start", {"fast": "7"})
    assert told is not None
    assert told.kind == "done"


@pytest.mark.parametrize(
    ("records", "asked", "reason"),
    [
        ([task("boss@desk"), task()], request(), "may not command others: start it with --may-command"),
        ([task("boss@desk", "stopped", may_command=True), task()], request(), "is not wanted"),
        ([task()], request(), "is not wanted"),
        ([BOSS], request(), "There is no run crossover"),
        ([BOSS, task(wanted="stopped")], request(), "does not run"),
        ([BOSS, task(), event("started")], request("start"), "Run crossover runs already"),
    ],
)
def test_what_may_not_be_is_refused_and_told(records: list[Any], asked: AlgoRequest, reason: str) -> None:
    wishes, told = answer(asked, fleet(*READY, *records), NOW + S)
    assert wishes == []
    assert told is not None
    assert told.kind == "refused"
    assert reason in told.reason
    assert told.reason.startswith(f"it asked to {asked.verb} run crossover (too much risk): ")


def test_a_request_is_answered_once() -> None:
    state = fleet(*READY, BOSS, task(), event("started"))
    _, told = answer(request(), state, NOW + S)
    assert answer(request(), fold(state, told, NOW + S), NOW + 2 * S) == ([], None)
