"""Plans of requests: what is written, and one clear sentence for what cannot be done."""

from __future__ import annotations

import re
from typing import Any

import pytest

from streams.fleet.commands import plan_node, plan_remove, plan_restart, plan_start, plan_stop
from streams.fleet.errors import ConflictError, RequestError, UnknownNameError
from streams.fleet.fold import FleetState
from tests.unit.streams.fleet.records import NOW, READY, S, algo, beat, event, fleet, node, task

T = "crossover@desk"


def start(state: FleetState, **more: Any) -> Any:
    values: dict[str, Any] = {"run": "", "algo": "crossover", "nodes": ["desk"], "now_us": NOW, "actor": "ravi"}
    return plan_start(state, **(values | more))


def test_a_start_is_a_wish_and_a_command() -> None:
    (wish,) = start(fleet(*READY), instruments=["NSE:INFY", "NSE:INFY", "NSE:TCS"], settings={"fast": "7"})
    assert (wish.task.task, wish.task.wanted, wish.verb, wish.task.actor) == (T, "running", "start", "ravi")
    assert wish.task.instruments == ["NSE:INFY", "NSE:TCS"]
    assert wish.arguments["settings"] == {"fast": "7"}
    assert wish.arguments["task"] == T
    assert wish.package == wish.task.package == "ab" * 32


def test_a_scheduled_start_commands_nothing_yet() -> None:
    (wish,) = start(fleet(*READY), schedule="NSE session")
    assert (wish.task.wanted, wish.task.schedule, wish.verb) == ("stopped", "NSE session", None)


def test_a_run_on_two_nodes_is_two_tasks_that_share_its_settings() -> None:
    lab = (node("lab"), beat("lab"))
    wishes = start(fleet(*READY, *lab), run="both", nodes=["desk", "lab", "desk"], instruments=["NSE:INFY"])
    assert [wish.task.task for wish in wishes] == ["both@desk", "both@lab"]
    state = fleet(*READY, *lab, wishes[0].task)
    (more,) = start(state, run="both", nodes=["lab"])
    assert more.task.instruments == ["NSE:INFY"]
    with pytest.raises(ConflictError, match="is on node desk with other instruments"):
        start(state, run="both", nodes=["lab"], instruments=["NSE:TCS"])


@pytest.mark.parametrize("ended", [event("exited"), event("crash-loop"), event("exited", exit_code=1)])
def test_what_came_to_an_end_may_be_started_again(ended: Any) -> None:
    (wish,) = start(fleet(*READY, task(), event("started"), ended))
    assert wish.verb == "start"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"algo": "crosover"}, "There is no algo crosover; did you mean crossover."),
        ({"nodes": ["dest"]}, "There is no node dest; did you mean desk."),
        ({"nodes": []}, "Name at least one node"),
        ({"run": "Crossover"}, "'Crossover' is no name for a run"),
        ({"run": "a" * 41}, "is no name for a run"),
        ({"instruments": ["INFY"]}, "'INFY' is no instrument: write it as NSE:INFY."),
        ({"settings": {"fst": "5"}}, "Algo crossover: There is no parameter 'fst'; did you mean fast?"),
        ({"settings": {"fast": "1"}}, "Algo crossover: fast is an integer from 2 to 50, not '1'."),
        ({"settings": {"fast": "5.5"}}, "Algo crossover: fast is an integer from 2 to 50, not '5.5'."),
        ({"settings": {"share": "-1"}}, "Algo crossover: share is a number of at least 0.0, not '-1'."),
        ({"settings": {"share": "nan"}}, "Algo crossover: share is a number of at least 0.0, not 'nan'."),
        ({"settings": {"side": "short"}}, "Algo crossover: side is long or both, not 'short'."),
        ({"settings": {"loud": "maybe"}}, "Algo crossover: loud is true or false, not 'maybe'."),
        ({"schedule": "daily"}, "'daily' is no schedule: write \"NSE session\", or five fields of cron."),
        ({"schedule": "XYZ session"}, "There is no calendar of exchange XYZ"),
        ({"schedule": "61 9 * * *"}, "'61' is no minute of cron: it takes 0 to 59."),
        ({"trading": "real"}, "Trading is paper or live, not real."),
        ({"cpu": 5}, "Node desk has 4 cores"),
        ({"cpu": 0}, "Node desk has 4 cores"),
        ({"memory_mb": 1}, "A task on node desk may have 32 to 16384 MB, not 1."),
    ],
)
def test_a_mistake_is_one_sentence(more: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=re.escape(says)) as caught:
        start(fleet(*READY), **more)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("records", "now_us", "says"),
    [
        ([node(standing="pending")], NOW, "Node desk is pending: approve it with `./portfolio node approve desk`."),
        ([node(standing="draining")], NOW, "Node desk is draining."),
        ([node(standing="removed", reason="removed by asha")], NOW, "Node desk is removed: removed by asha."),
        ([], NOW + 60 * S, "Node desk is lost: no heartbeat for 60 s."),
        ([algo(python="3.13")], NOW, "Algo crossover needs Python 3.13, node desk has 3.11.9."),
        ([task(), event("started")], NOW, "Run crossover is on node desk already (running): stop or restart it."),
        ([task()], NOW, "Run crossover is on node desk already (starting): stop or restart it."),
        ([task(wanted="stopped", schedule="NSE session")], NOW, "Run crossover is on node desk with other schedule"),
        ([task(algo="spread"), event("started")], NOW, "A run named crossover is there already, of algo spread"),
        ([task(), event("started"), task(wanted="stopped")], NOW, "is on node desk already (running)"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(records: list[Any], now_us: int, says: str) -> None:
    with pytest.raises(ConflictError, match=re.escape(says)):
        start(fleet(*READY, *records), now_us=now_us)


def test_all_or_nothing() -> None:
    with pytest.raises(UnknownNameError, match="There is no node lab"):
        start(fleet(*READY), nodes=["desk", "lab"])


def test_a_stop_lifts_the_schedule() -> None:
    state = fleet(*READY, task(schedule="NSE session"), event("started"))
    (wish,) = plan_stop(state, "crossover", [], NOW + S, "ravi")
    assert (wish.task.wanted, wish.task.schedule, wish.verb) == ("stopped", "", "stop")
    assert wish.arguments == {"grace_s": 10.0}
    assert wish.package == ""


def test_one_task_of_a_run_can_be_meant() -> None:
    state = fleet(*READY, node("lab"), beat("lab"), task(), task("crossover@lab"))
    assert [w.task.node for w in plan_stop(state, "crossover", [], NOW, "ravi")] == ["desk", "lab"]
    assert [w.task.node for w in plan_stop(state, "crossover@lab", [], NOW, "ravi")] == ["lab"]
    assert [w.task.node for w in plan_stop(state, "crossover", ["desk"], NOW, "ravi")] == ["desk"]
    with pytest.raises(UnknownNameError, match="has no task on node roof; it has on desk, lab"):
        plan_stop(state, "crossover", ["roof"], NOW, "ravi")
    with pytest.raises(UnknownNameError, match="There is no run crosover; did you mean crossover"):
        plan_stop(state, "crosover", [], NOW, "ravi")


def test_what_does_not_run_is_not_stopped_again() -> None:
    with pytest.raises(ConflictError, match="does not run"):
        plan_stop(fleet(*READY, task(wanted="stopped")), "crossover", [], NOW, "ravi")


def test_what_runs_on_a_lost_node_can_be_stopped() -> None:
    state = fleet(*READY, task(), event("started"))
    assert plan_stop(state, "crossover", [], NOW + 3600 * S, "ravi")[0].task.wanted == "stopped"


def test_a_restart_takes_the_latest_package() -> None:
    state = fleet(*READY, task(), event("started"), algo(package="cd" * 32, submitted_us=NOW + 1))
    (wish,) = plan_restart(state, "crossover", [], NOW, "ravi")
    assert (wish.verb, wish.task.package, wish.package) == ("restart", "cd" * 32, "cd" * 32)


def test_a_restart_on_a_lost_node_is_refused() -> None:
    with pytest.raises(ConflictError, match="Node desk is lost"):
        plan_restart(fleet(*READY, task()), "crossover", [], NOW + 60 * S, "ravi")


def test_a_removal_is_final() -> None:
    state = fleet(*READY, task(schedule="NSE session"), event("started"))
    (wish,) = plan_remove(state, "crossover", [], NOW, "ravi")
    assert (wish.task.wanted, wish.task.schedule, wish.verb) == ("removed", "", "remove")
    with pytest.raises(UnknownNameError, match="There is no run crossover"):
        plan_stop(fleet(*READY, wish.task), "crossover", [], NOW, "ravi")


def test_a_node_is_approved_drained_and_removed() -> None:
    state = fleet(node(standing="pending", tags=["big"]), beat())
    approved, wishes = plan_node(state, "desk", "approve", NOW, "ravi")
    assert (approved.standing, approved.tags, approved.actor, wishes) == ("approved", ["big"], "ravi", [])
    state = fleet(*READY, task(), event("started"), task("other@desk", "stopped"))
    drained, wishes = plan_node(state, "desk", "drain", NOW, "ravi")
    assert (drained.standing, drained.reason) == ("draining", "drained by ravi")
    assert [(w.task.task, w.task.wanted, w.verb) for w in wishes] == [(T, "running", "stop")]
    removed, wishes = plan_node(state, "desk", "remove", NOW, "ravi")
    assert removed.standing == "removed"
    assert [(w.task.task, w.task.wanted, w.verb) for w in wishes] == [
        (T, "removed", "remove"),
        ("other@desk", "removed", "remove"),
    ]


@pytest.mark.parametrize(
    ("standing", "verb", "says"),
    [
        ("approved", "approve", "Node desk is approved already."),
        ("pending", "drain", "Node desk is pending: only an approved node can be drained."),
        ("removed", "approve", "Node desk was removed: let it join again with a new token."),
    ],
)
def test_a_node_is_not_moved_against_its_standing(standing: str, verb: Any, says: str) -> None:
    with pytest.raises(ConflictError, match=re.escape(says)):
        plan_node(fleet(node(standing=standing), beat()), "desk", verb, NOW, "ravi")
