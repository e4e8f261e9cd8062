"""What people see of the fleet: nodes, tasks, algos and commands, worked out from the fold and the time now.

``now_us`` is the wall clock. The views are plain records: ``dataclasses.asdict`` makes them JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from schemas.fleet import Algo, Standing, Task
from streams.fleet.fold import CommandEntry, FleetState, Step, TaskEntry
from streams.fleet.states import Fate, NodeState, clock_offset_s, fate_of, is_live, node_of, node_state, task_state


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node. What only a heartbeat tells is None or empty until there was one. Sizes are bytes."""

    node: str
    state: NodeState
    reason: str  # one sentence; why it is degraded, lost, pending or removed
    standing: Standing
    tags: list[str]
    addresses: list[str]
    host: str
    version: str
    python: str
    cores: int | None
    cpu: float | None  # 0 to 1
    load: float | None
    memory_used: int | None
    memory_total: int | None
    disk_used: int | None
    disk_total: int | None
    received_bps: float | None
    sent_bps: float | None
    agent_memory: int | None
    clock_offset_s: float | None  # positive: the node's clock is ahead
    heartbeat_age_s: float | None
    started_us: int | None
    running: list[str]  # tasks
    wanted: list[str]
    actor: str  # who decided last
    history: list[Step]


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task. ``state``: what its node says (running, restarting, ...), or starting, waiting (for its node), scheduled,
    stopped, finished, failed, refused, crash-loop, lease-lost, removed, unknown (its node is lost), unwanted."""

    task: str
    run: str
    algo: str
    node: str
    wanted: str
    state: str
    reason: str
    pid: int | None
    restarts: int
    since_us: int | None  # of the state
    exit_code: int | None
    schedule: str
    trading: str
    instruments: list[str]
    settings: dict[str, str]
    package: str
    may_command: bool
    memory_mb: int
    cpu: float
    actor: str
    history: list[Step]


@dataclass(frozen=True, slots=True)
class AlgoView:
    """An algo that can be started. ``parameters`` as its author declared them."""

    name: str
    description: str
    entry: str
    parameters: list[dict[str, Any]]
    inputs: list[str]
    package: str
    python: str
    files: int
    size: int
    submitted_us: int
    actor: str
    tasks: list[str]


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command and its fate."""

    id: str
    node: str
    verb: str
    task: str
    actor: str
    fate: Fate
    reason: str
    at_us: int
    expires_us: int
    signer: str
    steps: list[Step]


def node_view(state: FleetState, name: str, now_us: int) -> NodeView:
    """One node. KeyError when it is not known."""
    entry = state.nodes[name]
    beat, decided = entry.heartbeat, entry.decided
    looks, reason = node_state(entry, now_us)
    tags = [*(decided.tags if decided else ()), *(beat.tags if beat else ())]
    mine = [task for task, e in state.tasks.items() if node_of(e) == name]
    return NodeView(
        node=name,
        state=looks,
        reason=reason,
        standing=decided.standing if decided else "pending",
        tags=list(dict.fromkeys(tags)),
        addresses=list(beat.addresses) if beat else [],
        host=beat.host if beat else "",
        version=beat.version if beat else "",
        python=beat.python if beat else "",
        **{name: getattr(beat, name, None) for name in _MEASURED},
        clock_offset_s=clock_offset_s(entry),
        heartbeat_age_s=round((now_us - entry.heard_us) / 1e6, 3) if beat else None,
        running=sorted(task for task in mine if is_live(state, state.tasks[task])) if looks != "lost" else [],
        wanted=sorted(task for task in mine if (w := state.tasks[task].wanted) and w.wanted == "running"),
        actor=decided.actor if decided else "",
        history=list(entry.history),
    )


_MEASURED = (
    "cores", "cpu", "load", "memory_used", "memory_total", "disk_used", "disk_total", "received_bps", "sent_bps",
    "agent_memory", "started_us",
)  # fmt: skip


def node_views(state: FleetState, now_us: int) -> list[NodeView]:
    """All nodes by name."""
    return [node_view(state, name, now_us) for name in sorted(state.nodes)]


def task_view(state: FleetState, name: str, now_us: int) -> TaskView:
    """One task. KeyError when it is not known."""
    entry = state.tasks[name]
    wanted, life = entry.wanted or _nobodys(entry), entry.life
    looks, reason, since = task_state(state, entry, now_us)
    live = is_live(state, entry)
    return TaskView(
        task=name,
        run=wanted.run,
        algo=wanted.algo,
        node=wanted.node,
        wanted=wanted.wanted if entry.wanted else "",
        state=looks,
        reason=reason,
        pid=life.pid or None if life and live else None,
        restarts=life.restarts if life else 0,
        since_us=since,
        exit_code=life.exit_code if life and life.kind == "exited" else None,
        schedule=wanted.schedule,
        trading=wanted.trading,
        instruments=list(wanted.instruments),
        settings=dict(wanted.settings),
        package=wanted.package,
        may_command=wanted.may_command,
        memory_mb=wanted.memory_mb,
        cpu=wanted.cpu,
        actor=wanted.actor,
        history=list(entry.history),
    )


def _nobodys(entry: TaskEntry) -> Task:
    run, _, node = entry.task.rpartition("@")
    return Task(entry.task, run, "", "", node, "stopped", 0, "")


def task_views(state: FleetState, now_us: int, *, removed: bool = False) -> list[TaskView]:
    """All tasks by name; removed ones that are gone only when asked for."""
    views = (task_view(state, name, now_us) for name in sorted(state.tasks))
    return [view for view in views if removed or view.state != "removed"]


def command_view(state: FleetState, id_: str, now_us: int) -> CommandView:
    """One command. KeyError when it is not known."""
    entry = state.commands[id_]
    if entry.command is None:
        raise KeyError(id_)
    command, (fate, reason) = entry.command, fate_of(entry, now_us)
    return CommandView(
        id_, command.node, command.verb, command.task, command.actor, fate, reason,
        entry.at_us, command.expires_us, command.signer, list(entry.steps),
    )  # fmt: skip


def command_views(state: FleetState, now_us: int, *, task: str = "", limit: int = 100) -> list[CommandView]:
    """The latest commands, newest first; of one task when it is named."""
    known: Iterable[CommandEntry] = (c for c in state.commands.values() if c.command is not None)
    wanted = [c for c in known if not task or (c.command and c.command.task == task)]
    latest = sorted(wanted, key=lambda c: c.age_key, reverse=True)[:limit]
    return [command_view(state, c.id, now_us) for c in latest]


def algo_views(state: FleetState) -> list[AlgoView]:
    """All algos by name."""
    return [algo_view(state, entry.algo) for _, entry in sorted(state.algos.items()) if entry.algo]


def algo_view(state: FleetState, algo: Algo) -> AlgoView:
    """One algo, with the tasks that use it and are not removed."""
    a = algo
    tasks = [
        e.task for e in state.tasks.values() if e.wanted and e.wanted.algo == a.name and e.wanted.wanted != "removed"
    ]
    return AlgoView(
        a.name, a.description, a.entry, json.loads(a.parameters or "[]"), list(a.inputs), a.package, a.python,
        a.files, a.size, a.submitted_us, a.actor, sorted(tasks),
    )  # fmt: skip
