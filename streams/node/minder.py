"""Minds the tasks: sees what has become of each, folds it into the state, and makes the processes what the state says.

``look`` only changes the state; ``act`` is called once that is saved, and may be repeated without harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from uuid import uuid4

from infra.errors import UserError
from schemas.fleet import AlgoEvent
from streams.node import keeping, tasks
from streams.node.beat import Beat
from streams.node.keeping import Keeping
from streams.node.packages import Packages
from streams.node.state import State
from streams.node.statistics import now_us
from streams.node.tasks import End, Kept, Said

STOP_AGAIN_S = 2.0
SOON_S = 8.0  # the grace of algos when the agent itself is stopped


class Minder:
    """The tasks of ``state``; ``left`` is called with the name of each that is no more."""

    def __init__(
        self, state: State, node: str, keeping: Keeping, packages: Packages, beat: Beat, left: Callable[[str], None]
    ) -> None:
        self._state, self._node = state, node
        self._keeping, self._packages = keeping, packages
        self._beat, self._left = beat, left
        self._stop_again: dict[str, float] = {}  # by launch: when to ask its keeper again

    @property
    def has_processes(self) -> bool:
        """Whether any algo's process runs."""
        return any(kept.phase in tasks.HAS_PROCESS for kept in self._state.tasks.values())

    def adopt(self, away_s: float) -> None:
        """The agent has just started: what lives is told, what nobody knows any more goes. ``away_s``: how long ago
        Kafka was last heard of; after more than a lease nothing that trades live is started by itself."""
        for name in self._keeping.strangers(self._state.tasks):
            if self._keeping.has_keeper(name, ""):  # the state was lost: nobody knows what it does here
                self._keeping.dismiss(name)
            else:
                self._keeping.remove(name)
        for name, kept in list(self._state.tasks.items()):
            if self._keeping.has_keeper(name, kept.launch):
                if kept.phase == "running":
                    self.apply(name, tasks.adopted(kept))
            elif kept.task.trading == "live" and away_s > keeping.LEASE_S and kept.phase != "stopping":
                self._leave_stopped(kept)

    def _leave_stopped(self, kept: Kept) -> None:
        if kept.phase in tasks.HAS_PROCESS:
            self._look_at_process(kept)
            kept = self._state.tasks[kept.task.task]
        if kept.phase in tasks.ALIVE or kept.then == "resume":
            reason = "it trades live, and the node was away for longer than its lease"
            self.apply(kept.task.task, tasks.not_resumed(kept, reason))

    def apply(self, name: str, outcome: tasks.Outcome, at_us: int = 0) -> None:
        """A task is from now on as a fold says, and what happened will be told."""
        kept, said = outcome
        if kept is not None:
            self._state.tasks[name] = kept
        elif self._state.tasks.pop(name, None) is not None:
            self._left(name)
        self.say(name, said, at_us)

    def say(self, name: str, said: Iterable[Said], at_us: int = 0) -> None:
        """Something happened, now or when it says; but not before a heartbeat that did not know of it, for whoever
        reads both believes the later one."""
        at = max(at_us or now_us(), self._beat.made_us)
        self._state.changed = True
        self._state.tell(
            AlgoEvent(uuid4().hex, self._node, name, s.kind, at, s.command, s.pid, s.exit_code, s.reason, s.restarts)
            for s in said
        )

    def stop_all(self, then: tasks.Then, reason: str) -> None:
        """Every algo is stopped; with ``then="resume"`` it comes back with the agent."""
        for name, kept in list(self._state.tasks.items()):
            if kept.phase in tasks.ALIVE and kept.phase != "stopping":
                self.apply(name, tasks.stop(kept, "", SOON_S, then, reason))

    def look(self, may_resume: bool) -> None:
        """What has become of the tasks. ``may_resume``: all commands were read that came while the agent was away."""
        for name, kept in list(self._state.tasks.items()):
            if kept.phase == "fetching":
                self._fetch(kept)
            elif kept.phase in tasks.HAS_PROCESS:
                self._look_at_process(kept)
            elif tasks.is_due(kept, now_us()):
                self.apply(name, tasks.again(kept, uuid4().hex))
            elif kept.then == "resume" and kept.phase == "stopped" and may_resume:
                self.apply(name, tasks.resumed(kept))

    def _fetch(self, kept: Kept) -> None:
        try:
            if self._packages.ask(kept.task.package):
                self.apply(kept.task.task, tasks.fetched(kept, uuid4().hex))
        except UserError as error:
            self.apply(kept.task.task, tasks.not_fetched(kept, str(error)))

    def _look_at_process(self, kept: Kept) -> None:
        name = kept.task.task
        alive = self._keeping.has_keeper(name, kept.launch)  # before its status: its last word comes before its end
        status = self._keeping.status(name, kept.launch)
        if status is not None and status.pid and kept.phase == "starting":
            self.apply(name, tasks.runs(kept, status.pid), status.started_us)
            kept = self._state.tasks[name]
        if status is not None and status.ended_us:
            self._ended(kept, status.end, status.ended_us)
        elif not alive and (status is not None or kept.phase != "starting" or self._keeping.was_started(kept.launch)):
            self._keeping.sweep(name)
            why = self._keeping.complaint(name) or "it vanished with its keeper"
            self._ended(kept, End(0, "lost", why), now_us())

    def _ended(self, kept: Kept, end: End, at_us: int) -> None:
        self._keeping.forget(kept.launch)
        self._stop_again.pop(kept.launch, None)
        self.apply(kept.task.task, tasks.ended(kept, end, now_us()), at_us)

    def act(self) -> None:
        """Starts and stops, by what the saved state says."""
        for name, kept in list(self._state.tasks.items()):
            if kept.phase == "starting":
                self._launch(kept)
            elif kept.phase == "stopping" and time.monotonic() >= self._stop_again.get(kept.launch, 0.0):
                self._stop_again[kept.launch] = time.monotonic() + STOP_AGAIN_S
                self._keeping.stop(name, kept.launch, kept.grace_s)

    def _launch(self, kept: Kept) -> None:
        try:
            self._keeping.launch(kept.task, kept.launch, self._packages.place(kept.task.package))
        except OSError as error:
            self._ended(kept, End(127, "lost", f"it cannot be started: {error.strerror}"), now_us())
