"""What a node, a task and a command are *now*, in one word and one sentence: pure functions of the fold and the time.

Ages are measured against Kafka's time of a record, so a node's wrong clock cannot make it look alive or dead.
"""

from __future__ import annotations

from typing import Literal

from schemas.fleet import Heartbeat
from streams.fleet.fold import CommandEntry, FleetState, NodeEntry, TaskEntry

MISSED = 3  # heartbeats until a node is lost
LATE = 2  # heartbeats until it is degraded
CLOCK_OFF_S = 5.0
NEARLY_FULL = 0.95
UNANSWERED_S = 120.0  # an accepted command that was not done by then is told as failed
ENDED = ("exited", "stopped", "crash-loop", "lease-lost", "failed", "finished", "refused", "removed")
SAID = {"waiting": "restarting"}  # a node's word that means something else here
NodeState = Literal["pending", "up", "degraded", "lost", "draining", "removed"]
Fate = Literal["requested", "accepted", "refused", "done", "failed", "expired"]


def node_state(entry: NodeEntry, now_us: int) -> tuple[NodeState, str]:
    """A node's state and the reason for it, one sentence or nothing."""
    decided, beat = entry.decided, entry.heartbeat
    if decided is not None and decided.standing == "removed":
        return "removed", decided.reason
    if decided is None or decided.standing == "pending":
        return "pending", (
            decided.reason if decided else ""
        ) or f"approve it with `./portfolio node approve {entry.node}`"
    if beat is None:
        return "lost", "it was never heard of; is its agent running?"
    age_s = (now_us - entry.heard_us) / 1e6
    if age_s > MISSED * beat.interval_s:
        return "lost", f"no heartbeat for {age_s:.0f} s"
    if decided.standing == "draining":
        return "draining", decided.reason
    reasons = _troubles(entry, beat, age_s)
    return ("degraded", "; ".join(reasons)) if reasons else ("up", "")


def _troubles(entry: NodeEntry, beat: Heartbeat, age_s: float) -> list[str]:
    found = []
    if age_s > LATE * beat.interval_s:
        found.append(f"its heartbeat is late by {age_s - beat.interval_s:.0f} s")
    offset = clock_offset_s(entry) or 0.0
    if abs(offset) > CLOCK_OFF_S:
        found.append(f"its clock is {abs(offset):.0f} s {'ahead' if offset > 0 else 'behind'}")
    for what, used, total in (
        ("memory", beat.memory_used, beat.memory_total),
        ("disk", beat.disk_used, beat.disk_total),
    ):
        if total and used > NEARLY_FULL * total:
            found.append(f"its {what} is {100 * used / total:.0f} % full")
    return found


def clock_offset_s(entry: NodeEntry) -> float | None:
    """How far the node's clock is ahead of Kafka's, less the way of the heartbeat."""
    return round((entry.heartbeat.at_us - entry.heard_us) / 1e6, 3) if entry.heartbeat else None


def node_of(entry: TaskEntry) -> str:
    """The node of a task."""
    return entry.wanted.node if entry.wanted else entry.node or entry.task.rpartition("@")[2]


def reported(state: FleetState, entry: TaskEntry) -> str:
    """What the task's node said last of it: a state of its heartbeat, or of a later event; empty for nothing."""
    node = state.nodes.get(node_of(entry))
    beat, life = node.heartbeat if node else None, entry.life
    if beat is not None and (life is None or beat.at_us > life.own_us):
        return beat.tasks.get(entry.task) or (life.kind if life and life.kind in ENDED else "")
    if life is None:
        return ""
    return life.kind if life.kind in ENDED else "running"


def is_live(state: FleetState, entry: TaskEntry) -> bool:
    """Whether the task's node said last that it has a process, or is about to have one again."""
    said = reported(state, entry)
    return bool(said) and said not in ENDED


def task_state(state: FleetState, entry: TaskEntry, now_us: int) -> tuple[str, str, int | None]:
    """A task's state, the reason for it (one sentence or nothing), and since when it has it."""
    wanted, life = entry.wanted, entry.life
    if is_live(state, entry):
        return _living(state, entry, now_us)
    if wanted is None:
        return _ended(entry)
    if wanted.wanted == "running":
        return _ended(entry) if has_ended(entry) else _not_yet(state, entry, now_us)
    if wanted.wanted == "removed":
        return "removed", "", entry.wanted_us
    if wanted.schedule:
        return "scheduled", f"it waits for its schedule: {wanted.schedule}", life.at_us if life else entry.wanted_us
    return _ended(entry)


def _living(state: FleetState, entry: TaskEntry, now_us: int) -> tuple[str, str, int | None]:
    node, life = state.nodes.get(node_of(entry)), entry.life
    looks, reason = node_state(node, now_us) if node else ("lost", "it is not known")
    if looks == "lost":
        return "unknown", f"node {node_of(entry)}: {reason}", node.heard_us if node else None
    if entry.wanted is None:
        return "unwanted", "it runs, but nobody asked for it", life.at_us if life else None
    said = reported(state, entry)
    return SAID.get(said, said), life.reason if life else "", life.at_us if life else None


def has_ended(entry: TaskEntry) -> bool:
    """Whether a task that shall run has come to an end that only a person can change: also when it lost its lease,
    for it may trade live, and the market went on without it."""
    life = entry.life
    return life is not None and life.at_us > entry.wanted_us and life.kind in ("exited", "crash-loop", "lease-lost")


def _not_yet(state: FleetState, entry: TaskEntry, now_us: int) -> tuple[str, str, int]:
    """A task that shall run and does not, or not yet."""
    known = state.nodes.get(node_of(entry))
    node, why = node_state(known, now_us) if known else ("lost", "it is not known")
    last = last_command(state, entry.task)
    if last is not None and last.command is not None and last.command.verb in ("start", "restart"):
        fate, reason = fate_of(last, now_us)
        if fate in ("refused", "failed"):
            return fate, reason, last.steps[-1].at_us if last.steps else last.at_us
    if node not in ("up", "degraded"):
        return "waiting", f"node {node_of(entry)} is {node}" + (f": {why}" if why else ""), entry.wanted_us
    return "starting", "", entry.wanted_us


def _ended(entry: TaskEntry) -> tuple[str, str, int]:
    life = entry.life
    if life is None:
        return "stopped", "", entry.wanted_us
    if life.kind == "exited":
        return ("finished" if life.exit_code == 0 else "failed"), life.reason, life.at_us
    return life.kind if life.kind in ENDED else "stopped", life.reason, life.at_us


def last_command(state: FleetState, task: str) -> CommandEntry | None:
    """The latest command for a task, or None."""
    mine = (c for c in state.commands.values() if c.command is not None and c.command.task == task)
    return max(mine, key=lambda c: c.age_key, default=None)


def fate_of(entry: CommandEntry, now_us: int) -> tuple[Fate, str]:
    """A command's fate and the reason for it."""
    kinds = {step.kind: step for step in entry.steps}
    answers: tuple[Fate, ...] = ("done", "failed", "refused")
    for kind in answers:
        if kind in kinds:
            return kind, kinds[kind].reason
    expires = entry.command.expires_us if entry.command else entry.at_us
    if accepted := kinds.get("accepted"):
        if now_us > max(accepted.at_us, expires) + int(UNANSWERED_S * 1e6):
            return "failed", "its node accepted it, but never said that it was done"
        return "accepted", ""
    if now_us > expires:
        return "expired", "its node did not answer in time"
    return "requested", ""
