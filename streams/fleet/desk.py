"""The hand that writes what a request needs: the wanted Task records, then the signed commands, then it is seen again.

A Task is written before its command: should the process die between the two, the fleet sees a wish that nobody was
told of, and tells it again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.codec import encode
from schemas.fleet import AlgoEvent, Command, Node, Task
from schemas.topics import ALGO_EVENTS, ALGOS, COMMANDS, NODES, TASKS, Topic
from streams.fleet.commands import (
    NodeVerb,
    Wish,
    find_algo,
    plan_node,
    plan_remove,
    plan_restart,
    plan_start,
    plan_stop,
)
from streams.fleet.errors import ConflictError
from streams.fleet.fold import FleetState
from streams.fleet.signing import Signer

Record = tuple[Topic, int, str, bytes | None]  # topic, partition, key, value or None for a tombstone
Planner = Callable[[FleetState, str, Sequence[str], int, str], list[Wish]]
PLANNERS: Mapping[str, Planner] = {"stop": plan_stop, "restart": plan_restart, "remove": plan_remove}


@dataclass(frozen=True, slots=True)
class Done:
    """What a request wrote: the tasks as they shall be, and the commands that were sent."""

    tasks: list[Task]
    commands: list[Command]


def wall_us() -> int:
    """The wall clock, in microseconds."""
    return time.time_ns() // 1000


class FleetDesk:
    """Changes the fleet, one request at a time.

    ``state`` gives the folded fleet as it is now; ``write`` writes records all together and returns when they are in
    the log and in that fold (it raises a UserError when they are not).
    """

    def __init__(
        self,
        state: Callable[[], FleetState],
        write: Callable[[Sequence[Record]], None],
        signer: Signer,
        now_us: Callable[[], int] = wall_us,
    ) -> None:
        self._state = state
        self._write = write
        self._signer = signer
        self._now_us = now_us
        self._one = threading.Lock()

    def start(self, actor: str, **request: Any) -> Done:
        """Starts a run; the arguments of ``plan_start``. RequestError when it cannot be done, as below."""
        with self._one:
            return self._do(plan_start(self._state(), now_us=self._now_us(), actor=actor, **request), actor)

    def change(self, verb: Literal["stop", "restart", "remove"], run: str, nodes: Sequence[str], actor: str) -> Done:
        """Stops, restarts or removes a run, or one task of it (``run@node``)."""
        with self._one:
            return self._do(PLANNERS[verb](self._state(), run, nodes, self._now_us(), actor), actor)

    def node(self, node: str, verb: NodeVerb, actor: str) -> tuple[Node, Done]:
        """Approves, drains or removes a node."""
        with self._one:
            decided, wishes = plan_node(self._state(), node, verb, self._now_us(), actor)
            return decided, self._do(wishes, actor, [decided])

    def remove_algo(self, name: str) -> None:
        """Forgets an algo that no run uses. ConflictError when one does."""
        with self._one:
            state = self._state()
            find_algo(state, name)
            used = [e.task for e in state.tasks.values() if e.wanted and e.wanted.algo == name]
            used = [task for task in used if (w := state.tasks[task].wanted) and w.wanted != "removed"]
            if used:
                raise ConflictError(f"Algo {name} is used by {', '.join(sorted(used)[:5])}: remove that first.")
            self._write([(ALGOS, 0, name, None)])

    def carry_out(self, wishes: Sequence[Wish], actor: str, events: Sequence[AlgoEvent] = ()) -> Done:
        """Writes wishes that were planned elsewhere, with what is told of them in ``algo-events``."""
        with self._one:
            return self._do(wishes, actor, events=events)

    def command_again(self, wishes: Sequence[Wish]) -> list[Command]:
        """Gives the commands of wishes that stand in the log already."""
        with self._one:
            commands = [self._signed(wish, wish.task.actor) for wish in wishes]
            self._write([(COMMANDS, 0, command.node, encode(command)) for command in commands])
            return commands

    def _do(
        self, wishes: Sequence[Wish], actor: str, nodes: Sequence[Node] = (), events: Sequence[AlgoEvent] = ()
    ) -> Done:
        tasks = [wish.task for wish in wishes]
        commands = [self._signed(wish, actor) for wish in wishes if wish.verb]
        records: list[Record] = [(NODES, 0, node.node, encode(node)) for node in nodes]
        records += [(TASKS, 0, task.task, encode(task)) for task in tasks]
        records += [(COMMANDS, 0, command.node, encode(command)) for command in commands]
        records += [(ALGO_EVENTS, 0, event.task, encode(event)) for event in events]
        self._write(records)
        return Done(tasks, commands)

    def _signed(self, wish: Wish, actor: str) -> Command:
        task, verb = wish.task, wish.verb or "start"
        return self._signer.command(task.node, verb, task.task, actor, wish.arguments, wish.package)
