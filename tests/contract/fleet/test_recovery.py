"""The fleet is killed: its tables come back from their changelogs, and what happened meanwhile is folded."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType

from infra.kafka import admin, consumer, write_all
from infra.postgres import connect
from infra.settings import Settings
from schemas.fleet import AlgoEvent
from schemas.topics import TASKS
from streams.fleet.book import TOPICS
from streams.fleet.entries import KINDS
from tests.contract.fleet.conftest import Fleet, put, running
from tests.unit.streams.fleet.records import algo, beat, command, event, node, task
from tests.wait import until

STABLE = ("node", "state", "standing", "tags", "host", "cores", "history", "actor")


def now_us() -> int:
    return time.time_ns() // 1000


def fill(of: Settings) -> None:
    """A small fleet, and bytes that are no record."""
    at = now_us()
    put(of, "algos", "crossover", algo(submitted_us=at))
    for n in range(5):
        name, of_ = f"r{n}", f"recover@r{n}"
        put(of, "nodes", name, node(name, at_us=at))
        put(of, "heartbeats", name, *(beat(name, at + b, {of_: "running"}, interval_s=3600.0) for b in range(20)))
        put(of, "tasks", of_, task(of_, at_us=at))
        put(of, "commands", name, command(f"rc-{n}", of=of_, at_us=at))
        accepted = event("accepted", f"accepted-{n}", of_, at, command=f"rc-{n}")
        started = event("started", f"started-{n}", of_, at + 50, pid=100 + n)
        put(of, "algo-events", of_, accepted, started, event("done", f"d-{n}", of_, at + 60, command=f"rc-{n}"))


def seen(fleet: Fleet) -> dict[str, Any]:
    """Everything that does not change by time alone."""
    nodes = [n for n in fleet.get("/nodes")["nodes"] if n["node"].startswith("r")]
    return {
        "nodes": [{key: n[key] for key in STABLE} for n in nodes],
        "tasks": [t for t in fleet.get("/tasks")["tasks"] if t["run"] == "recover"],
        "algos": fleet.get("/algos")["algos"],
        "commands": [c for c in fleet.get("/commands")["commands"] if c["id"].startswith("rc-")],
    }


def lag(of: Settings) -> int:
    """Records of the fleet's topics that its group has not committed."""
    reader = consumer("fleet", of)
    try:
        places = reader.committed([TopicPartition(name, 0) for name in TOPICS], timeout=10)
        ends = {at.topic: reader.get_watermark_offsets(at, timeout=10)[1] for at in places}
        return sum(ends[at.topic] - max(at.offset, 0) for at in places)
    finally:
        reader.close()


def test_a_killed_fleet_comes_back_as_it_was_and_goes_on(servers: Settings) -> None:
    with running(servers) as fleet:
        fill(servers)
        until("the tasks", lambda: fleet.one("/tasks", task="recover@r4", state="running"), 30, 0.1)
        until("all commands", lambda: fleet.one("/commands", id="rc-4", fate="done"), 30, 0.1)
        before = seen(fleet)
        until("all offsets to be committed, so that only the changelogs can tell", lambda: lag(servers) == 0, 30)
        fleet.kill()
    at = now_us()
    put(servers, "algo-events", "recover@r0", event("exited", "rx-0", "recover@r0", at, exit_code=2, reason="bad"))
    with running(servers) as fleet:
        until("the event of the meantime", lambda: fleet.one("/tasks", task="recover@r0", state="failed"), 30, 0.1)
        after = seen(fleet)
        changed = [t["task"] for t, b in zip(after["tasks"], before["tasks"], strict=True) if t != b]
        assert changed == ["recover@r0"]
        assert {k: v for k, v in after.items() if k != "tasks"} == {k: v for k, v in before.items() if k != "tasks"}
        assert after["tasks"][1]["pid"] == 101
        assert [step["kind"] for step in after["tasks"][1]["history"]] == [
            "wanted running",
            "accepted",
            "started",
            "done",
        ]


def refusals(first: int, last: int) -> list[AlgoEvent]:
    """Events of a task, numbered in their reasons."""
    return [event("refused", f"torn-{n}", "torn@r9", now_us() + n, reason=str(n)) for n in range(first, last)]


def test_a_fleet_that_is_killed_while_it_folds_loses_nothing(servers: Settings) -> None:
    for attempt in range(3):
        with running(servers) as fleet:
            put(servers, "algo-events", "torn@r9", *refusals(attempt * 1000, attempt * 1000 + 1000))
            until("some of them", lambda n=attempt: last_refusal(fleet) >= n * 1000, 20, 0.002)
            fleet.kill()
    put(servers, "algo-events", "torn@r9", *refusals(3000, 3010))
    with running(servers) as fleet:
        history = fleet.one("/tasks", task="torn@r9")["history"]
    assert [step["reason"] for step in history] == [str(n) for n in range(2960, 3010)]  # the latest 50, each once


def last_refusal(fleet: Fleet) -> int:
    """The number of the last event that the fleet has folded; -1 for none."""
    steps = fleet.one("/tasks", task="torn@r9").get("history", [])
    return int(steps[-1]["reason"]) if steps else -1


def test_the_changelogs_are_compacted(servers: Settings) -> None:
    names = [f"fleet-{kind}-v1-changelog" for kind in KINDS]
    client = admin(servers)  # kept: its answers end with it
    found = client.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    assert [done.result(10)["cleanup.policy"].value for done in found.values()] == ["compact"] * len(names)


def test_broken_bytes_are_counted_and_passed_over(servers: Settings) -> None:
    with running(servers) as fleet:
        before = fleet.get("/health")["rejected"]
        write_all([(TASKS, 0, "broken", b"\x00garbage"), (TASKS, 0, "gone", None)], servers)
        put(servers, "tasks", "whole@r9", task("whole@r9", "stopped", now_us()))
        until("the record after it", lambda: fleet.one("/tasks", task="whole@r9"), 20, 0.1)
        assert fleet.get("/health")["rejected"] == before + 1


def test_commands_are_audited_with_their_fates(servers: Settings) -> None:
    with running(servers):
        put(servers, "commands", "r1", command("audit-1", of="audit@r1", at_us=now_us()))
        bad = replace(command("audit-bad", of="audit@r1", at_us=now_us()), arguments="{broken")
        put(servers, "commands", "r1", bad)
        fates = [event(kind, f"au-{kind}", "audit@r1", now_us(), command="audit-1") for kind in ("accepted", "done")]
        put(servers, "algo-events", "audit@r1", *fates, fates[0])  # the last one repeated
        assert until("the audit", lambda: audited(servers, "audit-1") == ("start", "asha", "done"), 30)
        assert audited(servers, "audit-bad") is None


def audited(of: Settings, id_: str) -> Any:
    with contextlib.closing(connect(of)) as by, by.cursor() as cursor:
        cursor.execute("SELECT verb, actor, fate FROM command_audit WHERE id = %s", (id_,))
        return cursor.fetchone()
