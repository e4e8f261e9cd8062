"""The tasks of a node as a fold: what a command or an observation changes, and what is to be told of it.

Pure: no clock, no process. ``streams.node.agent`` saves the result before it acts on it, so that whatever is killed,
a command has either been obeyed and told, or will be read again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from schemas.fleet import EventKind, Task
from streams.fleet.signing import RefusedError
from streams.node.restarts import FINAL_CODES, Failures

Phase = Literal[
    "fetching", "starting", "running", "waiting", "stopping",  # alive, or about to be
    "stopped", "finished", "failed", "crash-loop", "lease-lost",
]  # fmt: skip
Then = Literal["", "start", "remove", "resume"]
ALIVE = ("fetching", "starting", "running", "waiting", "stopping")
LATER = "a later command came before it was done"
AGENT_STOPPED = "the node's agent was stopped"
HAS_PROCESS = ("starting", "running", "stopping")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a node remembers of a task."""

    task: Task
    phase: Phase
    launch: str = ""  # the id of its newest process
    pid: int = 0
    start: str = ""  # the command to be answered once it runs
    stops: tuple[str, ...] = ()  # the commands to be answered once it has stopped
    then: Then = ""  # after it has stopped
    grace_s: float = 10.0
    failures: Failures = field(default_factory=Failures)
    restarts: int = 0
    due_us: int = 0  # when it waits: until then


@dataclass(frozen=True, slots=True)
class Said:
    """An AlgoEvent without the node, the time and the id."""

    kind: EventKind
    command: str = ""
    reason: str = ""
    pid: int = 0
    exit_code: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended, as its keeper tells. ``cause``: "" by itself, "stopped", "memory", "processes", "lease",
    or "lost" when there is no keeper that could tell."""

    code: int
    cause: str = ""
    detail: str = ""
    last: str = ""  # its last line on standard error


Outcome = tuple[Kept | None, list[Said]]


def start(kept: Kept | None, task: Task, command: str) -> Outcome:
    """A start was commanded. RefusedError when the task runs already."""
    if kept is None or kept.phase not in ALIVE or kept.phase == "waiting":
        return Kept(task, "fetching", start=command), [Said("accepted", command)]
    if kept.phase != "stopping":
        raise RefusedError(f"{task.task} runs already")
    told = [Said("accepted", command), *_replaced(kept)]
    return replace(kept, task=task, start=command, then="start"), told


def restart(kept: Kept | None, task: Task, command: str) -> Outcome:
    """A restart was commanded: a stop if it runs, then a start."""
    if kept is None or kept.phase not in ("starting", "running", "stopping"):
        told = [Said("accepted", command), *(_replaced(kept) if kept else [])]
        return Kept(task, "fetching", start=command), told
    told = [Said("accepted", command), *_replaced(kept)]
    return replace(kept, task=task, phase="stopping", start=command, then="start"), told


def stop(kept: Kept | None, command: str, grace_s: float, then: Then = "", reason: str = LATER) -> Outcome:
    """A stop was commanded, or a removal (``then="remove"``); or, without a command, the agent itself is stopped
    (``then="resume"``). What has no process is stopped at once. ``reason``: why a start that was not done is not."""
    if kept is None:
        return None, [Said("accepted", command), Said("done", command, "it was not on this node")]
    told = [Said("accepted", command)] if command else []
    told += _replaced(kept, reason)
    then = "remove" if kept.then == "remove" else then
    if kept.phase in HAS_PROCESS:
        stops = (*kept.stops, command) if command else kept.stops
        return replace(kept, phase="stopping", start="", stops=stops, then=then, grace_s=grace_s), told
    if kept.phase in ALIVE:
        told.append(Said("stopped", command, "it had no process"))
    if command:
        told.append(Said("done", command))
    return (None if then == "remove" else replace(kept, phase="stopped", start="", then=then)), told


def _replaced(kept: Kept, reason: str = LATER) -> list[Said]:
    return [Said("failed", kept.start, reason)] if kept.start else []


def fetched(kept: Kept, launch: str) -> Outcome:
    """Its package is here."""
    return replace(kept, phase="starting", launch=launch, pid=0), []


def not_fetched(kept: Kept, reason: str) -> Outcome:
    """Its package cannot be had."""
    told = [Said("failed", kept.start, reason)] if kept.start else [Said("exited", "", reason, exit_code=2)]
    return replace(kept, phase="failed", start=""), told


def runs(kept: Kept, pid: int) -> Outcome:
    """Its process is there."""
    told = [Said("started", kept.start, pid=pid, restarts=kept.restarts)]
    if kept.start:
        told.append(Said("done", kept.start))
    return replace(kept, phase="running", pid=pid, start=""), told


def adopted(kept: Kept) -> Outcome:
    """The agent was started again and found its process alive."""
    return kept, [Said("adopted", pid=kept.pid, restarts=kept.restarts)]


def ended(kept: Kept, end: End, now_us: int) -> Outcome:
    """Its process and all that it started have ended."""
    if kept.phase == "stopping":
        return _stopped(kept, end)
    reason = why(end)
    told = [Said("failed", kept.start, reason)] if kept.start else []
    kept = replace(kept, start="", then="")
    said = Said("exited", "", reason, kept.pid, end.code, kept.restarts)
    if end.cause == "stopped":  # whoever ended its keeper, it was not a command
        return replace(kept, phase="stopped", then="resume"), [*told, replace(said, kind="stopped")]
    if end.cause == "lease":
        return replace(kept, phase="lease-lost"), [*told, replace(said, kind="lease-lost")]
    if not end.cause and end.code == 0:
        return replace(kept, phase="finished"), [*told, said]
    if not end.cause and end.code in FINAL_CODES:
        return replace(kept, phase="failed"), [*told, said]
    return _failed(kept, said, told, now_us)


def _stopped(kept: Kept, end: End) -> Outcome:
    reason = why(end) if end.cause != "stopped" else _stop_reason(kept, end.code)
    told = [Said("stopped", kept.stops[-1] if kept.stops else "", reason, kept.pid, end.code, kept.restarts)]
    told += [Said("done", command) for command in kept.stops]
    if kept.then == "remove":
        return None, told
    kept = replace(kept, stops=(), pid=0, failures=Failures(), restarts=0)
    if kept.then == "start":
        return replace(kept, phase="fetching", then=""), told
    return replace(kept, phase="stopped"), told  # to be resumed, perhaps


def _stop_reason(kept: Kept, code: int) -> str:
    by = AGENT_STOPPED if kept.then == "resume" else ""
    if code in (0, -15):
        return by
    how = "it did not end in time and was killed" if code == -9 else _how(code)
    return f"{by}; {how}" if by else how


def _failed(kept: Kept, said: Said, told: list[Said], now_us: int) -> Outcome:
    failures = kept.failures.and_at(now_us)
    if failures.too_many:
        reason = f"it failed {len(failures.at_us)} times within minutes; the last time: {said.reason}"
        loop = replace(said, kind="crash-loop", reason=reason)
        return replace(kept, phase="crash-loop", failures=Failures()), [*told, said, loop]
    again = replace(said, reason=f"{said.reason}; it is started again in {failures.delay_s:.0f} s")
    due = now_us + int(failures.delay_s * 1e6)
    return replace(kept, phase="waiting", failures=failures, due_us=due), [*told, again]


def is_due(kept: Kept, now_us: int) -> bool:
    """Whether it has waited long enough; a clock that was set back does not make it wait for more than a minute."""
    return kept.phase == "waiting" and not now_us < kept.due_us <= now_us + 60_000_000


def again(kept: Kept, launch: str) -> Outcome:
    """It has waited: another process."""
    return replace(kept, phase="starting", launch=launch, pid=0, restarts=kept.restarts + 1), []


def resumed(kept: Kept) -> Outcome:
    """The node is back, and the task was stopped only because the node was."""
    return replace(kept, phase="fetching", then=""), []


def not_resumed(kept: Kept, reason: str) -> Outcome:
    """It trades live, and the node was away for longer than its lease: a person decides."""
    told = [*_replaced(kept, reason), Said("lease-lost", "", reason, restarts=kept.restarts)]
    return replace(kept, phase="lease-lost", start="", then=""), told


def why(end: End) -> str:
    """One sentence (without its full stop) for a person."""
    if end.detail or end.cause:
        return end.detail or {
            "stopped": f"its keeper was told to end ({_how(end.code)})",
            "lost": "its keeper vanished",
        }.get(end.cause, end.cause)
    last = f": {end.last}" if end.last and end.code else ""
    return _how(end.code) + last


def _how(code: int) -> str:
    names = {
        0: "it ended by itself",
        2: "a mistake in its settings or its code",
        3: "its errors reached their limit",
        4: "it hung: a callback did not return",
        -9: "it was killed, by the kernel for want of memory or by somebody (signal 9)",
        -11: "it crashed (signal 11)",
        127: "it cannot be started",
    }
    return names.get(code) or (f"exit code {code}" if code >= 0 else f"it was ended by signal {-code}")
