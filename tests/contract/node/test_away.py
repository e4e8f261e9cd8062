"""Kafka away: paper algos go on, live ones end with their lease, and what happened in between is told afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.contract.node.computer import Computer
from tests.contract.node.programs import POLITE
from tests.wait import until


def pid_of_kafka() -> int:
    status = subprocess.run(
        [sys.executable, "-m", "infra.cli", "status", "--json"], capture_output=True, text=True, check=True
    )
    return next(int(row["pid"]) for row in json.loads(status.stdout)["services"] if row["name"] == "kafka")


def test_an_outage_ends_live_algos_only_and_is_told_afterwards(idle: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    idle.more["TEST_LEASE_S"] = "10"
    idle.decide("approved")
    idle.start()
    paper, _ = idle.run("paper", POLITE)
    ends, _ = idle.run("ends", "import time\ntime.sleep(600)")
    live, _ = idle.run("live", POLITE, trading="live")
    pids = {task.run: idle.wait(task, "started").pid for task in (paper, ends, live)}
    kafka = pid_of_kafka()
    os.kill(kafka, signal.SIGSTOP)
    try:
        until("the end of the live one", lambda: idle.status(live)["ended_us"], 60)
        os.kill(pids["ends"], signal.SIGKILL)
        until("a new process", lambda: idle.status(ends)["pid"] not in (0, pids["ends"]), 20)
        assert [p.pid for p in idle.processes(paper)] == [pids["paper"]]
        assert not idle.processes(live)
    finally:
        os.kill(kafka, signal.SIGCONT)
    lost = idle.wait(live, "lease-lost", timeout_s=60)
    assert "had not reached Kafka for 10 s" in lost.reason
    assert lost.at_us == idle.status(live)["ended_us"]
    assert idle.wait(ends, "exited").exit_code == -signal.SIGKILL
    assert idle.wait(ends, "started", 2).restarts == 1
    assert idle.kinds(paper) == ["accepted", "started", "done"]
    seen = len(idle.lines(paper))
    until("what it printed meanwhile and since", lambda: len(idle.lines(paper)) > seen + 10)
    found = [line.text for line in idle.lines(paper)]
    assert list(dict.fromkeys(found)) == ["ready", *(f"tick {n}" for n in range(1, len(set(found))))]
    assert sum(line.dropped for line in idle.lines(paper)) == 0
    idle.beat(lambda b: b.tasks == {paper.task: "running", ends.task: "running", live.task: "lease-lost"})
    idle.fate(idle.tell("start", live), "done")


def test_an_agent_that_starts_without_kafka_adopts_and_obeys_when_it_is_back(computer: Computer) -> None:
    task, _ = computer.run("run", POLITE)
    pid = computer.wait(task, "started").pid
    computer.kill()
    kafka = pid_of_kafka()
    os.kill(kafka, signal.SIGSTOP)
    try:
        computer.start()
        until("the agent", lambda: computer.health().get("tasks") == {task.task: "running"}, 30)
        assert computer.health()["online"] is False
    finally:
        os.kill(kafka, signal.SIGCONT)
    assert computer.wait(task, "adopted", timeout_s=60).pid == pid
    computer.fate(computer.tell("stop", task), "done")


@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_a_live_algo_is_not_started_by_a_node_that_was_away_for_longer_than_its_lease(
    idle: Computer, ending: str
) -> None:
    idle.more["TEST_LEASE_S"] = "6"
    idle.decide("approved")
    idle.start()
    live, _ = idle.run("live", POLITE, trading="live")
    paper, _ = idle.run("paper", POLITE)
    idle.wait(live, "started")
    idle.wait(paper, "started")
    idle.kill() if ending == "kill" else idle.stop()
    lease = idle.home / "node" / "lease"
    until("the lease to be out", lambda: time.time() - lease.stat().st_mtime > 7, 20)
    until("the end of the live one", lambda: not idle.processes(live))
    idle.start()
    idle.wait(live, "lease-lost")
    idle.wait(paper, "adopted" if ending == "kill" else "started", 1 if ending == "kill" else 2)
    assert idle.health()["tasks"] == {live.task: "lease-lost", paper.task: "running"}
    assert idle.kinds(live).count("started") == 1
    again = idle.tell("start", live)
    idle.fate(again, "done")
