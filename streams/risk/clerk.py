"""Stops the runs of algos whose limits broke: signed commands to their nodes, as a person's stop.

In a thread of its own, for the fleet's state has to be known and what is written has to be read back. What is asked
twice is done once: a run that does not run is left alone.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import structlog

from infra import kafka
from infra.errors import UserError
from infra.settings import Settings
from schemas.topics import TOPICS
from streams.fleet.desk import FleetDesk, Record
from streams.fleet.errors import RequestError
from streams.fleet.log import FleetLog
from streams.fleet.signing import Signer, control_key
from streams.risk.commands import ACTOR

LOOK_S = 0.2
AGAIN_S = 0.5
SEEN_WITHIN_S = 10.0
log = structlog.get_logger(process="risk")


class Answer(NamedTuple):
    """What has become of what was asked for."""

    id: str
    ok: bool
    detail: str  # one sentence, or nothing


class Clerk:
    """Stops runs. ``stop_runs`` and ``answers`` are for the thread that owns the book."""

    def __init__(self, of: Settings) -> None:
        self._settings = of
        self._log = FleetLog(of)
        self._desk = FleetDesk(lambda: self._log.state, self._write, Signer(ACTOR, control_key(of.home)))
        self._asked: queue.SimpleQueue[tuple[str, tuple[str, ...]]] = queue.SimpleQueue()
        self._answers: deque[Answer] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="risk-clerk", daemon=True)

    def start(self) -> None:
        """Begins to follow the fleet."""
        self._log.follower.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends the threads."""
        self._stop.set()
        self._thread.join(3)
        self._log.follower.stop()

    def stop_runs(self, id_: str, runs: Sequence[str]) -> None:
        """Asks that runs be stopped; the answer has this id."""
        self._asked.put((id_, tuple(runs)))

    def answers(self) -> Iterator[Answer]:
        """The answers since the last call."""
        while self._answers:
            yield self._answers.popleft()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                id_, runs = self._asked.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            while not self._log.follower.caught_up.wait(LOOK_S) and not self._stop.is_set():
                pass
            done = [self._stopped(run) for run in runs]
            self._answers.append(Answer(id_, all(done), f"stopped: {', '.join(runs)}" if all(done) else "not stopped"))

    def _stopped(self, run: str) -> bool:
        """Stops a run, however long Kafka takes. False when this process ends first."""
        while not self._stop.is_set():
            try:
                self._desk.change("stop", run, (), ACTOR)
                log.warning("a run is stopped", run=run)
                return True
            except RequestError as error:  # it does not run, or the fleet has no such run
                log.info("a run needs no stop", run=run, reason=str(error))
                return True
            except UserError as error:
                log.warning("a run could not be stopped yet; trying again", run=run, reason=str(error))
                self._stop.wait(AGAIN_S)
        return False

    def _write(self, records: Sequence[Record]) -> None:
        """As :class:`FleetDesk` wants it: written, and read back."""
        for name, end in kafka.write_all(records, self._settings).items():
            if not self._log.follower.wait_seen(TOPICS[name], 0, end - 1, SEEN_WITHIN_S):
                raise UserError("A change of the fleet is written, but was not read back in time.")
