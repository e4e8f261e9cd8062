"""Wishes that are not fulfilled get their command again; those that a person must look at do not."""

from __future__ import annotations

from typing import Any

import pytest

from streams.fleet.fold import FleetState
from streams.fleet.reconcile import unfulfilled
from tests.unit.streams.fleet.records import NOW, READY, S, algo, beat, command, event, fleet, node, task

T = "crossover@desk"


def verbs(*records: Any, now_us: int, tasks: dict[str, str] | None = None) -> list[Any]:
    """What is asked for at an instant, with a heartbeat of that instant."""
    state = fleet(*READY, *records)
    return asked(fleet_at(state, now_us, tasks), now_us)


def fleet_at(state: FleetState, now_us: int, tasks: dict[str, str] | None = None) -> FleetState:
    from streams.fleet.fold import fold

    return fold(state, beat(at_us=now_us, tasks=tasks or {}), now_us)


def asked(state: FleetState, now_us: int) -> list[Any]:
    return [wish.verb for wish in unfulfilled(state, now_us)]


@pytest.mark.parametrize(
    ("records", "after_s", "verb"),
    [
        ([task()], 1, None),  # its command follows at once
        ([task()], 6, "start"),  # but this one never came
        ([task(), command()], 30, None),  # not answered yet
        ([task(), command()], 61, "start"),  # expired
        ([task(), command(), event("refused", command="c-1")], 6, None),
        ([task(), command(), event("refused", command="c-1")], 11, "start"),
        ([task(), command(), event("accepted", command="c-1")], 100, None),
        ([task(), command(), event("accepted", command="c-1")], 200, "start"),
        ([task(), command(), event("started")], 0, None),
        ([task(), command(), event("started"), event("exited")], 3600, None),
        ([task(), command(), event("started"), event("exited", exit_code=2)], 3600, None),
        ([task(), command(), event("crash-loop")], 3600, None),
        ([task(), command(), event("lease-lost")], 3600, None),
        ([task(), command(), event("done", command="c-1"), event("stopped")], 3600, "start"),
        ([task(), command(), event("done", command="c-1"), event("started")], 3600, "start"),  # its node lost it
        ([task(wanted="stopped")], 3600, None),
        ([task(wanted="stopped", schedule="NSE session")], 3600, None),
        ([task(wanted="removed"), command(verb="remove"), event("done", command="c-1")], 3600, None),
        ([task(wanted="removed"), command(verb="remove")], 3600, "remove"),
        ([event("started")], 3600, None),  # nobody's task
    ],
)
def test_what_is_asked_for_again(records: list[Any], after_s: int, verb: str | None) -> None:
    assert verbs(*records, now_us=NOW + after_s * S) == ([verb] if verb else [])


def test_what_runs_against_the_wish_is_stopped() -> None:
    at, runs = NOW + 90 * S, {T: "running"}
    stopped = [task(), event("started"), task(wanted="stopped"), command(verb="stop")]
    assert verbs(*stopped, now_us=NOW + 30 * S, tasks=runs) == []
    assert verbs(*stopped, now_us=at, tasks=runs) == ["stop"]
    assert verbs(*stopped, now_us=at) == []
    assert verbs(task(), event("started"), task(wanted="removed"), now_us=at, tasks=runs) == ["remove"]


def test_a_restart_that_never_came_is_asked_for_again() -> None:
    at, runs = NOW + 90 * S, {T: "running"}
    assert verbs(task(), event("started"), task(), command(verb="restart"), now_us=at, tasks=runs) == ["restart"]
    done = event("done", command="c-1")
    assert verbs(task(), event("started"), task(), command(verb="restart"), done, now_us=at, tasks=runs) == []


def test_patience_doubles() -> None:
    records: list[Any] = [task()]
    for n in range(1, 12):
        records += [command(f"c-{n}"), event("refused", f"e-{n}", command=f"c-{n}")]
        wait_s = min(600, 5 * 2**n)
        assert verbs(*records, now_us=NOW + (wait_s - 1) * S) == []
        assert verbs(*records, now_us=NOW + (wait_s + 1) * S) == ["start"]


@pytest.mark.parametrize(
    "away",
    [node(standing="pending"), node(standing="draining"), node(standing="removed")],
)
def test_a_node_that_may_not_is_not_asked_to_start(away: Any) -> None:
    assert verbs(task(), away, now_us=NOW + 60 * S) == []


def test_a_lost_node_is_asked_when_it_is_back() -> None:
    state = fleet(*READY, task(), command())
    assert asked(state, NOW + 3600 * S) == []
    assert asked(fleet_at(state, NOW + 3600 * S), NOW + 3600 * S) == ["start"]


def test_an_agent_that_was_just_started_is_left_to_resume_its_tasks() -> None:
    state = fleet(*READY, algo(), task(), command(), event("started"))
    at = NOW + 3600 * S
    from streams.fleet.fold import fold

    fresh = fold(state, beat(at_us=at, started_us=at - S), at)
    assert asked(fresh, at) == []
    later = fold(fresh, beat(at_us=at + 15 * S, started_us=at - S), at + 15 * S)
    assert asked(later, at + 15 * S) == ["start"]


def test_a_draining_node_still_stops_what_shall_stop() -> None:
    records = [task(), event("started"), task(wanted="stopped"), node(standing="draining")]
    assert verbs(*records, now_us=NOW + 60 * S, tasks={T: "running"}) == ["stop"]
