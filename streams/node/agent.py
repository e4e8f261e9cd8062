"""The agent: reads commands, keeps the tasks as they shall be, tells what happened.

Each round has three parts, in this order: what was read and seen changes the state (pure folds); the state is saved;
and only then processes are started or stopped, by what the state says. Every act can be repeated without harm, so the
agent may be killed between any two lines.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from confluent_kafka import KafkaError, Producer

from infra.errors import UserError
from infra.kafka import producer
from infra.settings import Settings
from schemas.fleet import Command
from streams.fleet.signing import Checker, ExpiredError, RefusedError
from streams.node import tasks
from streams.node.beat import Beat
from streams.node.identity import Identity, folder_of
from streams.node.intake import Intake, Read
from streams.node.journal import Journal
from streams.node.keeping import RUNNER, Keeping
from streams.node.minder import Minder
from streams.node.orders import obey
from streams.node.outbox import Outbox
from streams.node.packages import Packages
from streams.node.printed import Printing
from streams.node.state import State, read_state
from streams.node.statistics import Statistics, now_us
from streams.node.tasks import Said

ROUND_S = 0.1
LOOK_S = 0.2
STUCK_S = 30.0
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
        self._checker = Checker(identity.name, identity.trust, self._state.sequences)
        self._intake = Intake(identity.name, ours)
        self._to: Producer = producer(ours, PRODUCER | {"error_cb": self._heed})
        self._gave_up = self._problem = ""
        away_s = time.time() - lease.stat().st_mtime if lease.exists() else float("inf")
        keeping, packages = Keeping(folder / "tasks", lease, ours, runner), Packages(folder / "packages", ours)
        self._printing = Printing(self._state, identity.name, keeping, packages, self._to)
        self._beat = Beat(Statistics(identity, folder), identity.name, lease, self._to)
        self._minder = Minder(self._state, identity.name, keeping, packages, self._beat, self._printing.let_go)
        self._outbox = Outbox(self._state, self._to)
        self._look_at = 0.0
        self._ends = False
        self._round_at = time.monotonic()
        self._minder.adopt(away_s)
        self._state.save()

    @property
    def shall_leave(self) -> bool:
        """Whether the node was removed, as the log says now."""
        return self._intake.knows_standing and self._state.standing == "removed"

    @property
    def has_processes(self) -> bool:
        """Whether any algo's process runs."""
        return self._minder.has_processes

    @property
    def why(self) -> str:
        """The reason of the node's standing."""
        return self._state.why

    def report(self) -> tuple[bool, dict[str, object]]:
        """How it is, for the health page: whether it works, and what it does."""
        stuck_s = time.monotonic() - self._round_at
        return stuck_s < STUCK_S, {
            "status": "ok" if stuck_s < STUCK_S else f"no round for {stuck_s:.0f} s",
            "node": self._identity.name,
            "standing": self._state.standing,
            "online": self._beat.is_online,
            "problem": self._intake.problem,
            "untold": len(self._state.untold),
            "tasks": self._phases(),
        }

    def round(self) -> None:
        """One round; about a tenth of a second, less when there is something to do. UserError when it is the last."""
        self._round_at = time.monotonic()
        if self._gave_up:
            raise UserError(f"Kafka's client cannot go on ({self._gave_up}); start the agent again.")
        taken = 0 if self._ends and not self.shall_leave else self._read()
        if taken or time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_S
            self._minder.look(may_resume=self._intake.has_caught_up and not self.shall_leave and not self._ends)
            if self._state.changed:
                self._beat.hurry()
            self._state.save()
            self._minder.act()
            self._printing.pump()
        self._state.save()
        self._beat.pump(self._phases())
        self._outbox.pump()
        self._to.poll(ROUND_S if self._ends else 0)

    def stop_all(self, then: tasks.Then, reason: str) -> None:
        """Every algo is stopped; with ``then="resume"`` it comes back with the agent. From here on nothing is started;
        nor are commands taken, but by a node that was removed: the others are read when the agent is back."""
        self._ends = True
        self._minder.stop_all(then, reason)
        self._look_at = 0.0

    def settle(self, within_s: float) -> None:
        """Tells what is left to be told, if Kafka is there, and lets go of it."""
        self._state.save()
        end = time.monotonic() + within_s
        while time.monotonic() < end and (self._printing.pump() or self._state.untold):
            self._outbox.pump()
            self._to.poll(0.05)
        self._state.changed = True  # without what was acknowledged
        self._state.save()
        self._intake.close()

    def _read(self) -> int:
        """Takes what the log has; how many commands there were."""
        found = self._intake.connect(self._state.cluster, self._state.offset)
        if found is not None:
            self._state.cluster, self._state.offset = found
            self._state.changed = True
            self._log.info("reads commands", offset=found[1])
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
        return taken

    def _heed(self, error: KafkaError) -> None:
        if error.fatal():
            self._gave_up = error.str()

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
        try:
            self._checker.check(command, now_us())
            outcome = obey(self._state.tasks.get(command.task), command, self._state.standing)
        except RefusedError as error:
            self._refuse(command, error)
            return
        self._log.info("obeys", verb=command.verb, task=command.task, actor=command.actor)
        self._minder.apply(command.task, outcome)

    def _refuse(self, command: Command, error: RefusedError) -> None:
        reason = str(error)
        self._log.warning("refused", reason=reason, verb=command.verb, task=command.task[:100], actor=command.actor)
        self._minder.say(command.task, [Said("refused", command.id, reason)])
        kept = self._state.tasks.get(command.task)
        late_stop = isinstance(error, ExpiredError) and command.verb in ("stop", "remove")
        if late_stop and kept is not None and kept.then == "resume":  # nobody wants it back
            self._state.tasks[command.task] = replace(kept, then="")

    def _phases(self) -> dict[str, str]:
        """The tasks' states as the heartbeat tells them."""
        return {
            name: "starting" if kept.phase == "fetching" else kept.phase
            for name, kept in list(self._state.tasks.items())  # the health page's thread asks too
        }
