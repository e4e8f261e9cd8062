"""The agent: reads commands, keeps the tasks as they shall be, tells what happened.

Each round has three parts, in this order: what was read and seen changes the state (pure folds); the state is saved;
and only then processes are started or stopped, by what the state says. Every act can be repeated without harm, so the
agent may be killed between any two lines.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import uuid4

from confluent_kafka import KafkaError, Producer

from infra.errors import UserError
from infra.kafka import producer
from infra.settings import Settings
from schemas.fleet import AlgoEvent, Command
from streams.fleet.signing import Checker, ExpiredError, RefusedError
from streams.node import tasks
from streams.node.beat import Beat
from streams.node.identity import Identity, folder_of
from streams.node.intake import Intake, Read
from streams.node.journal import Journal
from streams.node.keeping import LEASE_S, RUNNER, Keeping
from streams.node.orders import obey
from streams.node.outbox import Outbox
from streams.node.packages import Packages
from streams.node.printed import Printed, Tail
from streams.node.state import State, read_state
from streams.node.statistics import Statistics, now_us
from streams.node.tasks import End, Kept, Said

ROUND_S = 0.1
LOOK_S = 0.2
STOP_AGAIN_S = 2.0
SOON_S = 8.0  # the grace of algos when the agent itself is stopped
LEAVE_S = 5.0  # how long a removed task's last lines may take to be told
PRODUCER = {  # what is not acknowledged in time is in the state or in a log file, and is sent again
    "delivery.timeout.ms": 4000,
    "queue.buffering.max.kbytes": 16384,
    "reconnect.backoff.max.ms": 2000,
}


class Agent:
    """One node. ``runner`` is the command that is started for each algo, in the task's folder."""

    def __init__(self, identity: Identity, settings: Settings, log: Journal, runner: Sequence[str] = RUNNER) -> None:
        folder, ours = folder_of(settings.home), identity.settings(settings)
        lease = folder / "lease"
        self._identity, self._log = identity, log
        self._state: State = read_state(folder / "state.json")
        self._away_s = time.time() - lease.stat().st_mtime if lease.exists() else float("inf")
        self._checker = Checker(identity.name, identity.trust, self._state.sequences)
        self._intake = Intake(identity.name, ours)
        self._to: Producer = producer(ours, PRODUCER | {"error_cb": self._heed})
        self._gave_up = self._problem = ""
        self._keeping = Keeping(folder / "tasks", lease, ours, runner)
        self._packages = Packages(folder / "packages", ours)
        self._outbox = Outbox(self._state, self._to)
        self._beat = Beat(Statistics(identity, folder), identity.name, lease, self._to)
        self._printed: dict[str, Printed] = {}
        self._leaving: dict[str, float] = {}  # removed tasks whose folders are still there, until when
        self._stop_again: dict[str, float] = {}  # by launch: when to ask its keeper again
        self._look_at = 0.0
        self._round_at = time.monotonic()
        self._adopt()

    def report(self) -> tuple[bool, dict[str, object]]:
        """How it is, for the health page: whether it works, and what it does."""
        stuck_s = time.monotonic() - self._round_at
        return stuck_s < 30, {
            "status": "ok" if stuck_s < 30 else f"no round for {stuck_s:.0f} s",
            "node": self._identity.name,
            "standing": self._state.standing,
            "online": self._beat.is_online,
            "problem": self._intake.problem,
            "untold": len(self._state.untold),
            "tasks": self._phases(),
        }

    @property
    def shall_leave(self) -> bool:
        """Whether the node was removed, as the log says now."""
        return self._intake.knows_standing and self._state.standing == "removed"

    @property
    def is_removed(self) -> bool:
        """Whether it was, and everything on it has stopped."""
        return self.shall_leave and not self.has_processes

    @property
    def has_processes(self) -> bool:
        """Whether any algo's process runs."""
        return any(kept.phase in tasks.HAS_PROCESS for kept in self._state.tasks.values())

    @property
    def why(self) -> str:
        """The reason of the node's standing."""
        return self._state.why

    def round(self) -> None:
        """One round; about a tenth of a second, less when there is something to do."""
        self._round_at = time.monotonic()
        if self._gave_up:
            raise UserError(f"Kafka's client cannot go on ({self._gave_up}); start the agent again.")
        self._connect()
        self._intake.poll(ROUND_S)
        if self._intake.problem != self._problem:
            self._problem = self._intake.problem
            self._log.warning("Kafka", problem=self._problem or "none any more", servers=self._identity.kafka)
        while self._intake.decisions:
            self._decided()
        taken = 0
        while (read := self._intake.next_command()) is not None:
            self._take(read)
            taken += 1
        if taken or time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_S
            for kept in list(self._state.tasks.values()):
                self._observe(kept)
            self._state.save()
            for kept in list(self._state.tasks.values()):
                self._act(kept)
            self._tell_printed()
        self._state.save()
        self._beat.pump(self._phases())
        self._outbox.pump()
        self._to.poll(0)

    def stop_all(self, then: tasks.Then, reason: str) -> None:
        """Every algo is stopped; with ``then="resume"`` it comes back with the agent."""
        for kept in list(self._state.tasks.values()):
            if kept.phase in tasks.ALIVE and kept.phase != "stopping":
                self._apply(kept.task.task, tasks.stop(kept, "", SOON_S, then, reason))
        self._look_at = 0.0

    def settle(self, within_s: float) -> None:
        """Tells what is left to be told, if Kafka is there, and lets go of it."""
        self._state.save()
        end = time.monotonic() + within_s
        while time.monotonic() < end and (self._tell_printed() or self._state.untold):
            self._outbox.pump()
            self._to.poll(0.05)
        self._state.changed = True  # without what was acknowledged
        self._state.save()
        self._intake.close()

    def _heed(self, error: KafkaError) -> None:
        if error.fatal():
            self._gave_up = error.str()

    def _adopt(self) -> None:
        for name in self._keeping.strangers(self._state.tasks):
            if self._keeping.has_keeper(name, ""):  # the state was lost: nobody knows what it does here
                self._keeping.dismiss(name)
            else:
                self._keeping.remove(name)
        for kept in self._state.tasks.values():
            if kept.phase == "running" and self._keeping.has_keeper(kept.task.task, kept.launch):
                self._apply(kept.task.task, tasks.adopted(kept))
        self._state.save()

    def _connect(self) -> None:
        found = self._intake.connect(self._state.cluster, self._state.offset)
        if found is not None:
            self._state.cluster, self._state.offset = found
            self._state.changed = True
            self._log.info("reads commands", offset=found[1])

    def _decided(self) -> None:
        node = self._intake.decisions.popleft()
        if (node.standing, node.reason) == (self._state.standing, self._state.why):
            return
        self._log.info("standing", standing=node.standing, reason=node.reason)
        self._state.standing, self._state.why, self._state.changed = node.standing, node.reason, True

    def _take(self, read: Read) -> None:
        """A command is obeyed or refused; with all that follows from it, that is one change of the state."""
        self._state.offset, self._state.changed = read.next_offset, True
        command = read.command
        if command is None:
            self._log.warning("a command that cannot be read", problem=read.problem)
            return
        kept = self._state.tasks.get(command.task)
        try:
            self._checker.check(command, now_us())
            outcome = obey(kept, command, self._state.standing)
        except RefusedError as error:
            self._refuse(command, kept, error)
            return
        self._log.info("obeys", verb=command.verb, task=command.task, actor=command.actor)
        self._apply(command.task, outcome)

    def _refuse(self, command: Command, kept: Kept | None, error: RefusedError) -> None:
        reason = str(error)
        self._log.warning("refused", reason=reason, verb=command.verb, task=command.task[:100], actor=command.actor)
        self._say(command.task, [Said("refused", command.id, reason)])
        late_stop = isinstance(error, ExpiredError) and command.verb in ("stop", "remove")
        if late_stop and kept is not None and kept.then == "resume":  # nobody wants it back
            self._state.tasks[command.task] = replace(kept, then="")

    def _observe(self, kept: Kept) -> None:
        """What has become of a task since the last look."""
        name = kept.task.task
        if kept.phase == "fetching":
            self._fetch(kept)
        elif kept.phase in tasks.HAS_PROCESS:
            self._observe_process(kept)
        elif tasks.is_due(kept, now_us()):
            self._apply(name, tasks.again(kept, uuid4().hex))
        elif kept.then == "resume" and kept.phase == "stopped" and self._intake.has_caught_up:
            self._resume(kept)

    def _fetch(self, kept: Kept) -> None:
        name = kept.task.task
        try:
            if self._packages.ask(kept.task.package):
                self._apply(name, tasks.fetched(kept, uuid4().hex))
        except UserError as error:
            self._apply(name, tasks.not_fetched(kept, str(error)))

    def _resume(self, kept: Kept) -> None:
        if self._state.standing == "removed":
            return
        if kept.task.trading == "live" and self._away_s > LEASE_S:
            reason = "it trades live, and the node was away for longer than its lease"
            self._apply(kept.task.task, tasks.not_resumed(kept, reason))
        else:
            self._apply(kept.task.task, tasks.resumed(kept))

    def _observe_process(self, kept: Kept) -> None:
        name = kept.task.task
        alive = self._keeping.has_keeper(name, kept.launch)  # before its status: its last word comes before its end
        status = self._keeping.status(name, kept.launch)
        if status is not None and status.pid and kept.phase == "starting":
            self._apply(name, tasks.runs(kept, status.pid), status.started_us)
            kept = self._state.tasks[name]
        if status is not None and status.ended_us:
            self._ended(kept, status.end, status.ended_us)
        elif not alive and (status is not None or kept.phase != "starting" or self._keeping.was_started(kept.launch)):
            self._keeping.sweep(name)
            self._ended(kept, self._lost(kept), now_us())

    def _lost(self, kept: Kept) -> End:
        if kept.task.trading == "live" and self._away_s > LEASE_S and not self._beat.acknowledged:
            return End(0, "lease", "it trades live, and the computer was down for longer than its lease")
        return End(0, "lost", self._keeping.complaint(kept.task.task) or "it vanished with its keeper")

    def _ended(self, kept: Kept, end: End, at_us: int) -> None:
        self._keeping.forget(kept.launch)
        self._stop_again.pop(kept.launch, None)
        self._apply(kept.task.task, tasks.ended(kept, end, now_us()), at_us)

    def _act(self, kept: Kept) -> None:
        """Makes the processes what the saved state says."""
        if kept.phase == "starting":
            try:
                self._keeping.launch(kept.task, kept.launch, self._packages.place(kept.task.package))
            except OSError as error:
                self._ended(kept, End(127, "lost", f"it cannot be started: {error.strerror}"), now_us())
        elif kept.phase == "stopping" and time.monotonic() >= self._stop_again.get(kept.launch, 0.0):
            self._stop_again[kept.launch] = time.monotonic() + STOP_AGAIN_S
            self._keeping.stop(kept.task.task, kept.launch, kept.grace_s)

    def _apply(self, name: str, outcome: tasks.Outcome, at_us: int = 0) -> None:
        kept, said = outcome
        if kept is None:
            if self._state.tasks.pop(name, None) is not None:
                self._leaving[name] = time.monotonic() + LEAVE_S
        else:
            self._state.tasks[name] = kept
        self._say(name, said, at_us)
        self._beat.hurry()

    def _say(self, name: str, said: Iterable[Said], at_us: int = 0) -> None:
        node, at = self._identity.name, at_us or now_us()
        self._state.tell(
            AlgoEvent(uuid4().hex, node, name, s.kind, at, s.command, s.pid, s.exit_code, s.reason, s.restarts)
            for s in said
        )
        self._state.changed = True

    def _tell_printed(self) -> bool:
        """Tells what the algos printed; True while there is more."""
        busy = False
        for name in (*self._state.tasks, *self._leaving):
            if name not in self._printed:
                self._printed[name] = Printed(
                    Tail(self._keeping.place(name), self._identity.name, name), name, self._to
                )
            busy = self._printed[name].pump() or busy
        for name, until in list(self._leaving.items()):
            if name in self._state.tasks:  # it is back
                del self._leaving[name]
            elif time.monotonic() > until or not self._printed[name].pump():
                del self._leaving[name], self._printed[name]
                self._keeping.remove(name)
                self._packages.keep_only(kept.task.package for kept in self._state.tasks.values())
        return busy

    def _phases(self) -> dict[str, str]:
        """The tasks' states as the heartbeat tells them."""
        return {
            name: "starting" if kept.phase == "fetching" else kept.phase
            for name, kept in list(self._state.tasks.items())  # the health page's thread asks too
        }
