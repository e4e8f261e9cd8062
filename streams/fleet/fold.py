"""The fleet as a fold of what was decided (``nodes``, ``algos``, ``tasks``, ``commands``) and what nodes say
(``heartbeats``, ``algo-events``).

Every part is a join-semilattice: of decisions and heartbeats the latest by Kafka's own time counts, of events and
commands the set is kept, its oldest members forgotten beyond a limit. So the same record twice, or the topics in any
interleaving, leave the same state: a crash may repeat what it likes, and each process may read the topics at its own
pace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from schemas.fleet import Algo, AlgoEvent, Command, Heartbeat, Node, Task

MOST_STEPS = 50  # of the history of a node or a task
MOST_COMMANDS = 2000
FATES = ("accepted", "refused", "done", "failed")  # the kinds of events that tell a command's fate
LIFE = ("started", "adopted", "exited", "stopped", "crash-loop", "lease-lost")  # those that change a task's state
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One thing that happened to a node or a task. Ordered by ``at_us`` (Kafka's time), then the writer's own."""

    at_us: int
    own_us: int
    id: str
    kind: str  # an AlgoEvent's kind, "wanted running", "approved", "agent started", ...
    actor: str = ""
    reason: str = ""
    command: str = ""
    pid: int = 0
    exit_code: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """All that is known of a node. Times are Kafka's."""

    node: str
    decided: Node | None = None
    decided_us: int = 0
    heartbeat: Heartbeat | None = None
    heard_us: int = 0
    history: tuple[Step, ...] = ()  # oldest first


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """All that is known of a task. ``life`` is its last event that is no command's fate."""

    task: str
    wanted: Task | None = None
    wanted_us: int = 0
    life: Step | None = None
    node: str = ""  # that of the last event, for a task that nobody wanted
    history: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command and what its node said of it; ``command`` is None when only the answer was seen."""

    id: str
    command: Command | None = None
    at_us: int = 0
    steps: tuple[Step, ...] = ()

    @property
    def age_key(self) -> tuple[int, str]:
        """The least is forgotten first."""
        return self.at_us or (self.steps[0].at_us if self.steps else 0), self.id


@dataclass(frozen=True, slots=True)
class Gone:
    """The tombstone of an algo: it was removed."""

    name: str


@dataclass(frozen=True, slots=True)
class AlgoEntry:
    """The last submission of an algo; None when it was removed after that."""

    name: str
    algo: Algo | None
    at_us: int


@dataclass(frozen=True, slots=True)
class FleetState:
    """The fold's state; the mappings are never changed in place."""

    nodes: Mapping[str, NodeEntry] = field(default_factory=dict)
    tasks: Mapping[str, TaskEntry] = field(default_factory=dict)
    algos: Mapping[str, AlgoEntry] = field(default_factory=dict)
    commands: Mapping[str, CommandEntry] = field(default_factory=dict)


def fold(state: FleetState, record: Any, at_us: int) -> FleetState:
    """The state after a record that Kafka stamped with ``at_us``. TypeError for a record of another kind."""
    try:
        take = _FOLDS[type(record)]
    except KeyError:
        raise TypeError(f"the fleet does not fold a {type(record).__name__}") from None
    return take(state, record, at_us)


def fold_all(state: FleetState, records: Iterable[tuple[Any, int]]) -> FleetState:
    """The state after several records with their times."""
    for record, at_us in records:
        state = fold(state, record, at_us)
    return state


def _put(of: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return of if of.get(key) == value else {**of, key: value}


def _decided(state: FleetState, record: Node, at_us: int) -> FleetState:
    entry = state.nodes.get(record.node) or NodeEntry(record.node)
    step = Step(at_us, record.changed_us, f"node {record.changed_us}", record.standing, record.actor, record.reason)
    entry = replace(entry, history=_remember(entry.history, step))
    before = entry.decided
    if before is None or (at_us, record.changed_us) >= (entry.decided_us, before.changed_us):
        entry = replace(entry, decided=record, decided_us=at_us)
    return replace(state, nodes=_put(state.nodes, record.node, entry))


def _beaten(state: FleetState, record: Heartbeat, at_us: int) -> FleetState:
    entry = state.nodes.get(record.node) or NodeEntry(record.node)
    started = record.started_us
    step = Step(started, started, f"agent {started}", "agent started", reason=f"version {record.version}")
    entry = replace(entry, history=_remember(entry.history, step))
    before = entry.heartbeat
    if before is None or (at_us, record.at_us) >= (entry.heard_us, before.at_us):
        entry = replace(entry, heartbeat=record, heard_us=at_us)
    return replace(state, nodes=_put(state.nodes, record.node, entry))


def _submitted(state: FleetState, record: Algo | Gone, at_us: int) -> FleetState:
    entry = AlgoEntry(record.name, record if isinstance(record, Algo) else None, at_us)
    before = state.algos.get(entry.name)
    if before is not None and _algo_key(entry) < _algo_key(before):
        return state
    return replace(state, algos=_put(state.algos, entry.name, entry))


def _algo_key(entry: AlgoEntry) -> tuple[int, int]:
    return entry.at_us, entry.algo.submitted_us if entry.algo else 0


def _wanted(state: FleetState, record: Task, at_us: int) -> FleetState:
    entry = state.tasks.get(record.task) or TaskEntry(record.task)
    step = Step(at_us, record.changed_us, f"wanted {record.changed_us}", f"wanted {record.wanted}", record.actor)
    entry = replace(entry, history=_remember(entry.history, step))
    before = entry.wanted
    if before is None or (at_us, record.changed_us) >= (entry.wanted_us, before.changed_us):
        entry = replace(entry, wanted=record, wanted_us=at_us)
    return replace(state, tasks=_put(state.tasks, record.task, entry))


def _commanded(state: FleetState, record: Command, at_us: int) -> FleetState:
    entry = state.commands.get(record.id) or CommandEntry(record.id)
    if entry.command is not None and (at_us, record.signature) >= (entry.at_us, entry.command.signature):
        return state  # the first of an id counts: whoever writes it again changes nothing
    return _with_command(state, replace(entry, command=record, at_us=at_us))


def _happened(state: FleetState, record: AlgoEvent, at_us: int) -> FleetState:
    step = Step(
        at_us, record.at_us, record.id, record.kind, "", record.reason,
        record.command, record.pid, record.exit_code, record.restarts,
    )  # fmt: skip
    if record.task:
        entry = state.tasks.get(record.task) or TaskEntry(record.task)
        entry = replace(entry, history=_remember(entry.history, step))
        if record.kind in LIFE and (entry.life is None or step > entry.life):
            entry = replace(entry, life=step, node=record.node)
        state = replace(state, tasks=_put(state.tasks, record.task, entry))
    if record.command and record.kind in FATES:
        known = state.commands.get(record.command) or CommandEntry(record.command)
        state = _with_command(state, replace(known, steps=_remember(known.steps, step)))
    return state


def _with_command(state: FleetState, entry: CommandEntry) -> FleetState:
    commands = _put(state.commands, entry.id, entry)
    if len(commands) > MOST_COMMANDS:
        oldest = min(commands.values(), key=lambda c: c.age_key).id
        commands = {id_: c for id_, c in commands.items() if id_ != oldest}
    return replace(state, commands=commands)


def _remember(history: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """The history with the step in its place; each id once, the oldest forgotten."""
    if step in history:
        return history
    if history and history[-1] < step and all(s.id != step.id for s in history):
        return (*history, step)[-MOST_STEPS:]
    steps = {s.id: s for s in history}
    steps[step.id] = max(step, steps.get(step.id, step))
    return tuple(sorted(steps.values()))[-MOST_STEPS:]


_FOLDS: dict[type[Any], Callable[[FleetState, Any, int], FleetState]] = {
    Node: _decided,
    Heartbeat: _beaten,
    Algo: _submitted,
    Gone: _submitted,
    Task: _wanted,
    Command: _commanded,
    AlgoEvent: _happened,
}
