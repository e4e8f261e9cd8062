"""What people see: states with their reasons, and the fate of commands."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson
import pytest

from streams.fleet.fold import FleetState
from streams.fleet.views import algo_views, command_views, node_view, node_views, task_view, task_views
from tests.unit.streams.fleet.records import NOW, READY, S, beat, command, event, fleet, node, task

T = "crossover@desk"


def looks(state: FleetState, now_us: int = NOW) -> tuple[str, str]:
    view = task_view(state, T, now_us)
    return view.state, view.reason


@pytest.mark.parametrize(
    ("records", "after_s", "state", "reason"),
    [
        ([node(), beat()], 1, "up", ""),
        ([node(), beat()], 9, "up", ""),
        ([node(), beat()], 11, "degraded", "its heartbeat is late by 6 s"),
        ([node(), beat()], 16, "lost", "no heartbeat for 16 s"),
        ([node(), beat(at_us=NOW + 61 * S)], 0, "degraded", "its clock is 61 s ahead"),
        ([node(), beat(at_us=NOW - 61 * S)], 0, "degraded", "its clock is 61 s behind"),
        ([node(), beat(disk_used=240 << 30)], 0, "degraded", "its disk is 96 % full"),
        (
            [node(), beat(memory_used=16 << 30, at_us=NOW - 7 * S)],
            0,
            "degraded",
            "its clock is 7 s behind; its memory is 100 % full",
        ),
        ([node(standing="draining", reason="drained by asha"), beat()], 0, "draining", "drained by asha"),
        ([node(standing="draining"), beat()], 20, "lost", "no heartbeat for 20 s"),
        ([node(standing="removed", reason="removed by asha"), beat()], 0, "removed", "removed by asha"),
        ([node(standing="pending"), beat()], 0, "pending", "approve it with `./portfolio node approve desk`"),
        ([beat()], 0, "pending", "approve it with `./portfolio node approve desk`"),
        ([node()], 0, "lost", "it was never heard of; is its agent running?"),
    ],
)
def test_a_node_has_a_state_and_a_reason(records: list[Any], after_s: int, state: str, reason: str) -> None:
    view = node_view(fleet(*records), "desk", NOW + after_s * S)
    assert (view.state, view.reason) == (state, reason)


def test_a_node_shows_what_its_heartbeat_said_and_what_is_wanted() -> None:
    state = fleet(*READY, task(), task("other@desk"), beat(at_us=NOW, tasks={T: "running"}))
    view = node_view(state, "desk", NOW + 2 * S)
    assert (view.running, view.wanted) == ([T], [T, "other@desk"])
    assert (view.heartbeat_age_s, view.clock_offset_s, view.tags) == (2.0, 0.0, ["big"])
    assert (view.cores, view.cpu, view.memory_total, view.addresses) == (4, 0.25, 16 << 30, ["10.0.0.7"])


def test_a_lost_node_runs_nothing_that_anybody_knows_of() -> None:
    state = fleet(*READY, task(), event("started", pid=9), beat(tasks={T: "running"}))
    assert looks(state) == ("running", "")
    assert looks(state, NOW + 20 * S) == ("unknown", "node desk: no heartbeat for 20 s")
    assert node_view(state, "desk", NOW + 20 * S).running == []


@pytest.mark.parametrize(
    ("records", "state", "reason"),
    [
        ([task()], "starting", ""),
        ([task(), command()], "starting", ""),
        ([task(), command(), event("refused", command="c-1", reason="no")], "refused", "no"),
        ([task(), command(), event("accepted", command="c-1"), event("failed", command="c-1", reason="full")],
         "failed", "full"),
        ([task(), event("started", pid=1)], "running", ""),
        ([task(), event("started", pid=1), event("exited", reason="done")], "finished", "done"),
        ([task(), event("started"), event("exited", exit_code=2, reason="bad file")], "failed", "bad file"),
        ([task(), event("started"), event("crash-loop", reason="5 times")], "crash-loop", "5 times"),
        ([task(), event("crash-loop"), task(at_us=NOW + 1)], "starting", ""),
        ([task(), event("started"), event("lease-lost", reason="cut off")], "lease-lost", "cut off"),
        ([task(), event("started"), task(wanted="stopped"), event("stopped")], "stopped", ""),
        ([task(wanted="stopped", schedule="NSE session")], "scheduled", "it waits for its schedule: NSE session"),
        ([task(wanted="stopped")], "stopped", ""),
        ([event("started")], "unwanted", "it runs, but nobody asked for it"),
        ([task(), beat(tasks={T: "waiting"})], "restarting", ""),
    ],
)  # fmt: skip
def test_a_task_has_a_state_and_a_reason(records: list[Any], state: str, reason: str) -> None:
    assert looks(fleet(*READY, *records)) == (state, reason)


def test_a_task_waits_for_its_node() -> None:
    assert looks(fleet(*READY, task()), NOW + 60 * S) == ("waiting", "node desk is lost: no heartbeat for 60 s")
    drained = fleet(*READY, task(), event("stopped"), node(standing="draining", reason="drained by asha"))
    assert looks(drained) == ("waiting", "node desk is draining: drained by asha")


def test_a_task_that_its_node_does_not_know_any_more_is_not_running() -> None:
    state = fleet(*READY, task(), event("started", at_us=NOW), beat(at_us=NOW + S, tasks={}))
    assert looks(state) == ("starting", "")


def test_removed_tasks_are_shown_only_when_asked_for() -> None:
    state = fleet(*READY, task(wanted="removed"))
    assert task_views(state, NOW) == []
    assert [view.state for view in task_views(state, NOW, removed=True)] == ["removed"]


@pytest.mark.parametrize(
    ("kinds", "after_s", "fate", "reason"),
    [
        ([], 1, "requested", ""),
        ([], 61, "expired", "its node did not answer in time"),
        (["accepted"], 61, "accepted", ""),
        (["accepted"], 200, "failed", "its node accepted it, but never said that it was done"),
        (["accepted", "done"], 200, "done", "why"),
        (["accepted", "failed"], 1, "failed", "why"),
        (["refused"], 1, "refused", "why"),
    ],
)
def test_a_command_has_a_fate(kinds: list[str], after_s: int, fate: str, reason: str) -> None:
    state = fleet(command(), *(event(kind, command="c-1", reason="why") for kind in kinds))
    view = command_views(state, NOW + after_s * S)[0]
    assert (view.id, view.fate, view.reason) == ("c-1", fate, reason)


def test_commands_come_newest_first_and_of_a_task_when_asked() -> None:
    state = fleet(command("c-1"), command("c-2", of="other@lab"), command("c-3"))
    assert [view.id for view in command_views(state, NOW)] == ["c-3", "c-2", "c-1"]
    assert [view.id for view in command_views(state, NOW, task=T, limit=1)] == ["c-3"]


def test_an_answer_to_an_unknown_command_is_no_command() -> None:
    assert command_views(fleet(event("done", command="c-9")), NOW) == []


def test_an_algo_shows_its_parameters_and_tasks() -> None:
    view = algo_views(fleet(*READY, task(), task("old@desk", "removed")))[0]
    assert (view.name, view.tasks, view.parameters[0]["low"]) == ("crossover", [T], 2)


def test_views_are_json() -> None:
    state = fleet(*READY, task(), command(), event("accepted", command="c-1"), event("started", pid=4))
    for view in (*node_views(state, NOW), *task_views(state, NOW), *algo_views(state), *command_views(state, NOW)):
        assert orjson.loads(orjson.dumps(view)) == orjson.loads(orjson.dumps(dataclasses.asdict(view)))
