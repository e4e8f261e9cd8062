"""Wishes that are not fulfilled: a command that was lost, refused or came too late is given again, with patience.

Left alone are tasks that came to an end which only a person can change (finished, failed, in a crash loop, lease lost),
and tasks whose node cannot obey now: when it is back, their wish still stands.
"""

from __future__ import annotations

from streams.fleet.commands import Wish
from streams.fleet.fold import CommandEntry, FleetState, TaskEntry
from streams.fleet.states import fate_of, has_ended, is_live, node_of, node_state

FIRST_S = 5.0  # the command of a wish follows it at once; so long nobody else gives one
LONGEST_S = 600.0
AGENT_SETTLES_S = 10.0  # an agent that was started again adopts and resumes its tasks by itself


def unfulfilled(state: FleetState, now_us: int) -> list[Wish]:
    """The wishes whose command shall be given again now."""
    given: dict[str, list[CommandEntry]] = {}
    for command in state.commands.values():
        if command.command is not None:
            given.setdefault(command.command.task, []).append(command)
    found = (_wish(state, entry, given.get(name, []), now_us) for name, entry in state.tasks.items())
    return [wish for wish in found if wish is not None]


def _wish(state: FleetState, entry: TaskEntry, given: list[CommandEntry], now_us: int) -> Wish | None:
    if entry.wanted is None or not _obeys(state, entry, now_us):
        return None
    mine = sorted((c for c in given if c.at_us >= entry.wanted_us), key=lambda c: c.age_key)
    wish = _needed(state, entry, mine, now_us)
    if wish is None:
        return None
    same = [c for c in mine if c.command and c.command.verb == wish.verb]
    if same and fate_of(same[-1], now_us)[0] in ("requested", "accepted"):
        return None
    since = same[-1].at_us if same else entry.wanted_us
    wait_s = min(LONGEST_S, FIRST_S * 2 ** len(same))
    return wish if now_us - since >= wait_s * 1e6 else None


def _needed(state: FleetState, entry: TaskEntry, mine: list[CommandEntry], now_us: int) -> Wish | None:
    """What its node would have to be told, if it was not."""
    task, live = entry.wanted, is_live(state, entry)
    last = mine[-1] if mine else None
    if task is None:
        return None
    missed = last is None or fate_of(last, now_us)[0] in ("expired", "failed", "refused")
    if task.wanted == "running":
        if not live:
            return None if has_ended(entry) else Wish(task, "start")
        was = last.command.verb if last and last.command else ""  # it runs, but as it was before it was changed
        return Wish(task, "restart") if was == "restart" and missed else None
    if task.wanted == "removed":
        return Wish(task, "remove") if live or missed else None
    return Wish(task, "stop") if live else None


def _obeys(state: FleetState, entry: TaskEntry, now_us: int) -> bool:
    node = state.nodes.get(node_of(entry))
    if node is None or node.heartbeat is None or entry.wanted is None:
        return False
    takes = ("up", "degraded") if entry.wanted.wanted == "running" else ("up", "degraded", "draining")
    settled = node.heartbeat.at_us - node.heartbeat.started_us >= AGENT_SETTLES_S * 1e6
    return (settled or entry.life is None) and node_state(node, now_us)[0] in takes
