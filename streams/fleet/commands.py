"""What has to be written so that a request is done: pure plans on the folded fleet, written by ``desk``.

Each plan is a list of ``Wish``: the Task record as it shall be, and the command that goes to its node now, if any. A
plan is all or nothing: a request that cannot be done raises one sentence and nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from schemas.fleet import Algo, Heartbeat, Node, Task, Trading, Verb
from streams.fleet.errors import ConflictError, RequestError, UnknownNameError
from streams.fleet.fold import FleetState, TaskEntry
from streams.fleet.parameters import check_settings, similar
from streams.fleet.schedule import exchange_of, parse_schedule
from streams.fleet.states import is_live, node_of, node_state, task_state

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
INSTRUMENT = re.compile(r"[A-Z][A-Z0-9]*:\S{1,60}")
GRACE_S = 10.0  # between TERM and KILL
LEAST_MEMORY_MB, MOST_MEMORY_MB = 32, 1 << 20
NodeVerb = Literal["approve", "drain", "remove"]


@dataclass(frozen=True, slots=True)
class Wish:
    """A Task as it shall be, and what its node is told now; ``verb`` None: nothing (a schedule will)."""

    task: Task
    verb: Verb | None

    @property
    def arguments(self) -> dict[str, Any]:
        """The command's arguments."""
        return asdict(self.task) if self.verb in ("start", "restart") else {"grace_s": GRACE_S}

    @property
    def package(self) -> str:
        """The command's package."""
        return self.task.package if self.verb in ("start", "restart") else ""


def check_name(what: str, name: str) -> str:
    """The name. RequestError when it is none."""
    if not NAME.fullmatch(name):
        raise RequestError(
            f"{name!r} is no name for {what}: it takes a small letter, then up to 39 small letters, digits and hyphens."
        )
    return name


def plan_start(
    state: FleetState,
    *,
    run: str,
    algo: str,
    nodes: Sequence[str],
    now_us: int,
    actor: str,
    instruments: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    trading: Trading = "paper",
    schedule: str = "",
    may_command: bool = False,
    memory_mb: int = 512,
    cpu: float = 1.0,
) -> list[Wish]:
    """Starts an algo as ``run`` (its own name when empty) on nodes; with a schedule, the fleet starts and stops it.

    A run that runs on other nodes already lends what is left empty, and shares its instruments with the new tasks.
    """
    known = find_algo(state, algo)
    run = check_name("a run", run or algo)
    if not nodes:
        raise RequestError("Name at least one node; `./portfolio node list` shows them.")
    if schedule:
        parse_schedule(schedule, exchange_of(check_instruments(instruments)))
    if trading not in ("paper", "live"):
        raise RequestError(f"Trading is paper or live, not {trading}.")
    task = Task(
        "", run, algo, known.package, "", "stopped" if schedule else "running", now_us, actor,
        check_instruments(instruments), check_settings(known, settings or {}), trading, schedule, may_command,
        memory_mb, cpu,
    )  # fmt: skip
    task = _like_its_run(state, task, now_us)
    return [_start_on(state, replace(task, task=f"{run}@{node}", node=node), known, now_us) for node in _each(nodes)]


def plan_stop(state: FleetState, run: str, nodes: Sequence[str], now_us: int, actor: str) -> list[Wish]:
    """Stops a run, on all its nodes when none is named. A stop also lifts the schedule: it counts until a person
    starts the run again. A node that is lost is told when it is back."""
    entries = find_tasks(state, run, nodes)
    meant = [e for e in entries if is_live(state, e) or (e.wanted and _is_on(e.wanted))]
    if not meant:
        raise ConflictError(f"{run} does not run, and no schedule would start it.")
    return [Wish(_changed(e, now_us, actor, wanted="stopped", schedule=""), "stop") for e in meant]


def plan_restart(state: FleetState, run: str, nodes: Sequence[str], now_us: int, actor: str) -> list[Wish]:
    """Ends a run's processes and starts them again with the algo's latest package; a stopped run is started."""
    wishes = []
    for entry in find_tasks(state, run, nodes):
        task = _changed(entry, now_us, actor, wanted="running")
        algo = find_algo(state, task.algo)
        _check_node(state, task, algo, now_us)
        task = replace(task, package=algo.package, settings=check_settings(algo, task.settings))
        wishes.append(Wish(task, "restart"))
    return wishes


def plan_again(state: FleetState, run: str, now_us: int, actor: str) -> list[Wish]:
    """Starts a stopped run again on its nodes, as it was started last."""
    entries = [e for e in find_tasks(state, run) if not _is_underway(state, e, now_us)]
    if not entries:
        raise ConflictError(f"Run {run} runs already, or will by itself.")
    tasks = [_changed(e, now_us, actor, wanted="running") for e in entries]
    for task in tasks:
        _check_node(state, task, find_algo(state, task.algo), now_us)
    return [Wish(task, "start") for task in tasks]


def plan_remove(state: FleetState, run: str, nodes: Sequence[str], now_us: int, actor: str) -> list[Wish]:
    """Removes a run: its processes are stopped, its folders deleted."""
    entries = find_tasks(state, run, nodes)
    return [Wish(_changed(e, now_us, actor, wanted="removed", schedule=""), "remove") for e in entries]


def plan_node(state: FleetState, node: str, verb: NodeVerb, now_us: int, actor: str) -> tuple[Node, list[Wish]]:
    """Lets a node in, drains it (its tasks stop, and start again when it is approved again), or removes it."""
    entry = state.nodes[_known_node(state, node)]
    before = entry.decided or Node(node, "pending", 0, "")
    if before.standing == "removed":
        raise ConflictError(f"Node {node} was removed: let it join again with a new token.")
    if verb == "approve" and before.standing == "approved":
        raise ConflictError(f"Node {node} is approved already.")
    if verb == "drain" and before.standing != "approved":
        raise ConflictError(f"Node {node} is {before.standing}: only an approved node can be drained.")
    standings: dict[NodeVerb, Any] = {"approve": "approved", "drain": "draining", "remove": "removed"}
    reason = {"approve": "", "drain": f"drained by {actor}", "remove": f"removed by {actor}"}[verb]
    decided = replace(before, standing=standings[verb], changed_us=now_us, actor=actor, reason=reason)
    mine = [e for e in state.tasks.values() if node_of(e) == node and e.wanted and e.wanted.wanted != "removed"]
    if verb == "remove":
        gone = [_changed(e, now_us, actor, wanted="removed", schedule="") for e in mine]
        return decided, [Wish(task, "remove") for task in gone]
    live = [e.wanted for e in mine if e.wanted and (is_live(state, e) or e.wanted.wanted == "running")]
    return decided, [Wish(task, "stop") for task in live] if verb == "drain" else []


def find_algo(state: FleetState, name: str) -> Algo:
    """The algo. UnknownNameError with similar names when there is none."""
    entry = state.algos.get(name)
    if entry is None or entry.algo is None:
        there = {n: e for n, e in state.algos.items() if e.algo}
        hint = similar(name, there) or "; submit it with `./portfolio algo submit`"
        raise UnknownNameError(f"There is no algo {name}{hint}.")
    return entry.algo


def find_tasks(state: FleetState, run: str, nodes: Sequence[str] = ()) -> list[TaskEntry]:
    """The tasks of a run (or the one task when ``run`` is ``run@node``) that are not removed."""
    there = {n: e for n, e in state.tasks.items() if e.wanted and e.wanted.wanted != "removed"}
    if "@" in run and not nodes:
        run, _, node = run.partition("@")
        nodes = [node]
    mine = {n: e for n, e in there.items() if e.wanted and e.wanted.run == run}
    if not mine:
        runs = {e.wanted.run: e for e in there.values() if e.wanted}
        raise UnknownNameError(f"There is no run {run}{similar(run, runs)}.")
    for node in nodes:
        if f"{run}@{node}" not in mine:
            places = ", ".join(sorted(node_of(e) for e in mine.values()))
            raise UnknownNameError(f"Run {run} has no task on node {node}; it has on {places}.")
    return [e for n, e in sorted(mine.items()) if not nodes or node_of(e) in nodes]


def check_instruments(names: Sequence[str]) -> list[str]:
    """The instruments, each once. RequestError when one is not written as NSE:INFY."""
    for name in names:
        if not INSTRUMENT.fullmatch(name):
            raise RequestError(f"{name!r} is no instrument: write it as NSE:INFY.")
    return list(dict.fromkeys(names))


def _each(nodes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(nodes))


def _like_its_run(state: FleetState, task: Task, now_us: int) -> Task:
    """The task with what its run's other tasks have; ConflictError when it is at odds with them."""
    mine = (e for e in state.tasks.values() if e.wanted and e.wanted.run == task.run)
    other = next((e.wanted for e in mine if e.wanted and _is_underway(state, e, now_us)), None)
    if other is None:
        return task
    if other.algo != task.algo:
        raise ConflictError(f"A run named {task.run} is there already, of algo {other.algo}: choose another name.")
    task = replace(task, instruments=task.instruments or other.instruments, settings=task.settings or other.settings)
    for what in ("package", "instruments", "settings", "trading", "schedule"):
        if getattr(task, what) != getattr(other, what):
            raise ConflictError(
                f"Run {task.run} is on node {other.node} with other {what}: stop it first, or choose another name."
            )
    return task


def _start_on(state: FleetState, task: Task, algo: Algo, now_us: int) -> Wish:
    entry = state.tasks.get(task.task)
    if entry is not None and _is_underway(state, entry, now_us):
        looks, _, _ = task_state(state, entry, now_us)
        raise ConflictError(f"Run {task.run} is on node {task.node} already ({looks}): stop or restart it.")
    _check_node(state, task, algo, now_us)
    return Wish(task, None if task.schedule else "start")


def _is_underway(state: FleetState, entry: TaskEntry, now_us: int) -> bool:
    """Whether a task runs, or will without anybody's doing."""
    if is_live(state, entry):
        return True
    return task_state(state, entry, now_us)[0] in ("starting", "waiting", "scheduled", "unknown")


def _check_node(state: FleetState, task: Task, algo: Algo, now_us: int) -> None:
    entry = state.nodes[_known_node(state, task.node)]
    looks, reason = node_state(entry, now_us)
    if looks not in ("up", "degraded"):
        raise ConflictError(f"Node {task.node} is {looks}" + (f": {reason}." if reason else "."))
    if beat := entry.heartbeat:
        _check_room(task, algo, beat)


def _check_room(task: Task, algo: Algo, beat: Heartbeat) -> None:
    if _version(beat.python) < _version(algo.python):
        raise ConflictError(f"Algo {algo.name} needs Python {algo.python}, node {task.node} has {beat.python}.")
    if not 0 < task.cpu <= beat.cores:
        raise RequestError(f"Node {task.node} has {beat.cores} cores, so a task may have up to that, not {task.cpu:g}.")
    most = min(MOST_MEMORY_MB, beat.memory_total >> 20)
    if not LEAST_MEMORY_MB <= task.memory_mb <= most:
        raise RequestError(f"A task on node {task.node} may have {LEAST_MEMORY_MB} to {most} MB, not {task.memory_mb}.")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _known_node(state: FleetState, node: str) -> str:
    if node not in state.nodes:
        hint = similar(node, state.nodes) or "; let it join with `./portfolio node token`"
        raise UnknownNameError(f"There is no node {node}{hint}.")
    return node


def _is_on(task: Task) -> bool:
    """Whether it shall run, now or by its schedule."""
    return task.wanted == "running" or (task.wanted == "stopped" and bool(task.schedule))


def _changed(entry: TaskEntry, now_us: int, actor: str, **changes: Any) -> Task:
    if entry.wanted is None:  # find_tasks gives none of these
        raise UnknownNameError(f"Nobody asked for task {entry.task}.")
    return replace(entry.wanted, changed_us=now_us, actor=actor, **changes)
