"""What a node makes of a command whose signature is good."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from schemas.fleet import Command, Task
from streams.fleet.signing import RefusedError
from streams.node.orders import obey

TASK = Task("run@desk", "run", "algo", "ab" * 32, "desk", "running", 1, "test")


def command(verb: str = "start", task: str = TASK.task, arguments: Any = None, **changes: Any) -> Command:
    values = dataclasses.asdict(TASK) | changes if arguments is None else arguments
    text = values if isinstance(values, str) else json.dumps(values)
    return Command("c1", "desk", verb, task, TASK.package, text, "s", 1, 1, 2, "test")  # type: ignore[arg-type]


def test_a_start_is_taken_with_its_task() -> None:
    kept, said = obey(None, command(memory_mb=100), "approved")
    assert kept is not None
    assert (kept.task, kept.phase) == (dataclasses.replace(TASK, memory_mb=100), "fetching")
    assert [s.kind for s in said] == ["accepted"]


@pytest.mark.parametrize(
    ("given", "standing", "why"),
    [
        (command(), "pending", "waits for its approval"),
        (command("stop"), "pending", "waits for its approval"),
        (command(), "removed", "is removed"),
        (command("restart"), "removed", "is removed"),
        (command(), "draining", "starts nothing more"),
        (command("restart"), "draining", "starts nothing more"),
        (command(task="../../etc"), "approved", "no task's name"),
        (command(task="run@desk\n"), "approved", "no task's name"),
        (command(task="run@desk; rm -rf /"), "approved", "no task's name"),
        (command(task="other@desk"), "approved", "another task, node or package"),
        (command(node="elsewhere"), "approved", "another task, node or package"),
        (command(package="cd" * 32), "approved", "another task, node or package"),
        (command(memory_mb=1), "approved", "Python alone"),
        (command(cpu=0), "approved", "number of cores"),
        (command(cpu=float("nan")), "approved", "number of cores"),
        (command(surprise=1), "approved", "no field 'surprise'"),
        (command(memory_mb="512"), "approved", "is a int"),
        (command(arguments="[]"), "approved", "no JSON object"),
        (command(arguments="{"), "approved", "no task"),
        (command("stop", arguments={"grace_s": -1}), "approved", "between 0 and"),
        (command("stop", arguments={"grace_s": "soon"}), "approved", "cannot be used"),
        (command("stop", arguments={"grace_s": float("nan")}), "approved", "between 0 and"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(given: Command, standing: Any, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        obey(None, given, standing)


def test_a_draining_node_still_stops() -> None:
    kept, _ = obey(None, command(), "approved")
    kept, said = obey(kept, command("stop", arguments={"grace_s": 1}), "draining")
    assert kept is not None
    assert kept.phase == "stopped"
    assert said[-1].kind == "done"


@pytest.mark.parametrize("verb", ["stop", "remove"])
def test_a_removed_node_obeys_what_ends_its_tasks(verb: str) -> None:
    """The platform sends it with the removal, which may be read first."""
    kept, said = obey(None, command(verb), "removed")
    assert kept is None
    assert [s.kind for s in said] == ["accepted", "done"]
