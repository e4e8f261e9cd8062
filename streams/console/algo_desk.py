"""Algos come, start and go: what concerns packages and the feed, around the fleet's own desk."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import Literal

from infra.errors import UserError
from schemas.codec import encode
from schemas.fleet import Algo, Command, Package
from schemas.topics import ALGOS, PACKAGE_BYTES, PACKAGES
from streams.algo.package import describe
from streams.console import fleet_models as models
from streams.console.desk import FeedDesk
from streams.console.errors import ApiError, TooLargeError
from streams.console.writing import LogWriter
from streams.fleet.commands import check_name, find_algo, plan_start
from streams.fleet.desk import FleetDesk
from streams.fleet.errors import ConflictError, RequestError
from streams.fleet.log import FleetLog
from streams.fleet.states import is_live

Outcome = Literal["submitted", "replaced", "unchanged"]


@dataclass(frozen=True, slots=True)
class Started:
    """The commands of a start, none with a schedule, and the instruments that the feed was asked for."""

    commands: list[Command]
    subscribed: list[str]


class AlgoDesk:
    """Takes in algos, one at a time, so that two people cannot take the same name; starts and forgets them."""

    def __init__(self, log: FleetLog, fleet: FleetDesk, feed: FeedDesk, writer: LogWriter) -> None:
        self._log = log
        self._fleet = fleet
        self._feed = feed
        self._writer = writer
        self._one = threading.Lock()

    def submit(self, archive: bytes, name: str, actor: str, *, replace: bool) -> tuple[Outcome, Algo]:
        """Publishes an algo. The archive is checked and described before anything is written.

        TooLargeError, or ApiError for an archive that is no algo; ConflictError when the name is another algo's.
        """
        check_name("an algo", name)
        if len(archive) > PACKAGE_BYTES:
            raise TooLargeError(f"The package has {len(archive):,} bytes; at most {PACKAGE_BYTES:,} are taken.")
        sha256 = hashlib.sha256(archive).hexdigest()
        with self._one:
            before = self._before(name)
            if before and before.package == sha256:
                return "unchanged", before
            if before and not replace:
                raise ConflictError(
                    f"There is another algo named {name}: replace it with --replace, or choose another name."
                )
            algo = self._described(archive, name, sha256, actor)
            self._writer.put((PACKAGES, 0, sha256, encode(Package(sha256, name, archive))))
            self._writer.write([(ALGOS, 0, name, encode(algo))])
        return "replaced" if before else "submitted", algo

    def start(self, asked: models.StartRun, actor: str) -> Started:
        """Starts a run, and asks the feed for its instruments where it does not stream them yet: all or nothing.

        RequestError, or what the feed refuses.
        """
        instruments = self._feed.full_names(asked.instruments)
        request = asked.model_dump(exclude={"run"}) | {"run": asked.run or "", "instruments": instruments}
        planned = plan_start(self._log.state, now_us=self._log.now_us(), actor=actor, **request)
        if not all(wish.task.instruments for wish in planned):
            raise RequestError(f"{asked.algo} needs at least one instrument, as --instruments NSE:INFY.")
        subscribed = self._feed.ensure(instruments)
        return Started(self._fleet.start(actor, **request).commands, subscribed)

    def remove(self, name: str, actor: str) -> list[Command]:
        """Forgets an algo and its stopped runs; the commands. ConflictError while one of its runs shall run."""
        state = self._log.state
        find_algo(state, check_name("an algo", name))
        mine = [e for e in state.tasks.values() if e.wanted and e.wanted.algo == name and e.wanted.wanted != "removed"]
        for entry in mine:
            if (task := entry.wanted) and (task.wanted == "running" or task.schedule or is_live(state, entry)):
                raise ConflictError(f"Algo {name} is used by {task.task}: `./portfolio algo stop {task.run}` first.")
        runs = sorted({e.wanted.run for e in mine if e.wanted})
        commands = [c for run in runs for c in self._fleet.change("remove", run, (), actor).commands]
        self._fleet.remove_algo(name)
        return commands

    def _described(self, archive: bytes, name: str, sha256: str, actor: str) -> Algo:
        try:
            told = describe(archive)
        except UserError as error:
            raise ApiError(as_sentence(str(error))) from error
        return Algo(name, sha256, size=len(archive), submitted_us=self._log.now_us(), actor=actor, **told)

    def _before(self, name: str) -> Algo | None:
        entry = self._log.state.algos.get(name)
        return entry.algo if entry else None


def as_sentence(reason: str) -> str:
    """A reason with a capital, unless it begins with a file's name, and a full stop."""
    first, space, rest = reason.rstrip(".").partition(" ")
    return f"{first.capitalize() if first.isalpha() and first.islower() else first}{space}{rest}."
