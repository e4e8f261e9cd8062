"""Algos that misbehave, beside one that does not: each ends as said, and neither the node nor the other is harmed."""

from __future__ import annotations

import signal

import pytest

from schemas.fleet import AlgoEvent, Task
from tests.contract.node.computer import Computer
from tests.contract.node.programs import DAEMON, FLOOD, GREEDY, LOOP, POLITE, STUBBORN, bomb
from tests.wait import until


@pytest.fixture
def neighbour(computer: Computer) -> Task:
    task, _ = computer.run("neighbour", POLITE)
    computer.wait(task, "started")
    return task


def is_unharmed(computer: Computer, neighbour: Task) -> None:
    """The neighbour is the same process, prints on, and the agent tells so."""
    assert computer.process is not None
    assert computer.process.poll() is None
    assert [p.pid for p in computer.processes(neighbour)] == [computer.wait(neighbour, "started").pid]
    assert computer.kinds(neighbour) == ["accepted", "started", "done"]
    seen = len(computer.lines(neighbour))
    until("more lines", lambda: len(computer.lines(neighbour)) > seen)
    assert computer.health()["tasks"][neighbour.task] == "running"


def ends(computer: Computer, task: Task) -> AlgoEvent:
    """Stops it; nothing of it is left."""
    stop = computer.tell("stop", task, grace_s=1)
    computer.fate(stop, "done")
    assert not computer.processes(task)
    return computer.wait(task, "stopped")


@pytest.mark.parametrize(("program", "code"), [(LOOP, signal.SIGTERM), (STUBBORN, signal.SIGKILL)])
def test_a_loop_and_a_stubborn_one_are_stopped(computer: Computer, neighbour: Task, program: str, code: int) -> None:
    task, _ = computer.run("bad", program)
    until("it to be ready", lambda: computer.lines(task))
    stopped = ends(computer, task)
    assert stopped.exit_code == -code
    assert stopped.reason == ("" if code == signal.SIGTERM else "it did not end in time and was killed")
    is_unharmed(computer, neighbour)


def test_a_double_forked_grandchild_is_stopped_with_it(computer: Computer, neighbour: Task) -> None:
    task, _ = computer.run("daemon", DAEMON)
    until("both processes", lambda: len(computer.processes(task)) == 2 and computer.lines(task))
    ends(computer, task)
    is_unharmed(computer, neighbour)


@pytest.mark.parametrize(
    ("program", "why"), [(bomb(), "64 are allowed"), (GREEDY, "more than its 150 MB of memory")], ids=["bomb", "greedy"]
)
def test_a_fork_bomb_and_a_memory_eater_are_killed_and_tried_again(
    computer: Computer, neighbour: Task, program: str, why: str
) -> None:
    task, _ = computer.run("bad", program, memory_mb=150)
    first = computer.wait(task, "exited", timeout_s=60)
    assert why in first.reason
    assert first.reason.endswith("it is started again in 1 s")
    computer.wait(task, "exited", 2, timeout_s=60)
    ends(computer, task)
    is_unharmed(computer, neighbour)


def test_a_flood_is_cut_and_counted(computer: Computer, neighbour: Task) -> None:
    task, _ = computer.run("flood", FLOOD)
    until("lines that were left out", lambda: sum(line.dropped for line in computer.lines(task)) > 10_000)
    assert sum(path.stat().st_size for path in computer.folder(task.task).glob("log*")) < 5 << 20
    is_unharmed(computer, neighbour)
    ends(computer, task)
    told = [line.text for line in computer.lines(task, "node")]
    assert any("lines were left out" in text for text in told) or computer.lines(task)[-1].dropped
