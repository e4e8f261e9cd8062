"""What the supervisor tells others: ``run/state.json``, and a lock that is held for as long as it lives."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import psutil

Phase = Literal["waiting", "starting", "running", "restarting", "dead", "stopped"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A process that cannot be mistaken for a later one with the same id."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Mark:
        """The mark of a living process; psutil.NoSuchProcess when there is none."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process, if it still runs."""
        try:
            found = psutil.Process(self.pid)
            alive = abs(found.create_time() - self.created) < 0.02 and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return found if alive else None


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One server or service. ``ready_s``: seconds from its start to its first answer."""

    name: str
    title: str
    state: Phase
    port: int
    pid: int | None = None
    created: float = 0
    ready_s: float | None = None
    restarts: int = 0
    address: str = ""  # of a server elsewhere
    error: str = ""  # why it is not running, or why it was last started again

    @property
    def mark(self) -> Mark | None:
        """Its process."""
        return Mark(self.pid, self.created) if self.pid else None


@dataclass(frozen=True, slots=True)
class State:
    """The whole. ``failure``: why the start was given up; ``ready``: everything has been ready once."""

    supervisor: Mark
    services: tuple[ServiceState, ...] = ()
    ready: bool = False
    failure: str = ""


def write(home: Path, state: State) -> None:
    """Stores the state; a reader never sees half of it."""
    fresh = home / "run" / "state.json.new"
    fresh.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    fresh.replace(home / "run" / "state.json")


def read(home: Path) -> State | None:
    """The state that was last stored, true or not: ask ``is_held`` whether its supervisor lives."""
    try:
        raw = json.loads((home / "run" / "state.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    services = tuple(ServiceState(**service) for service in raw["services"])
    return State(Mark(**raw["supervisor"]), services, raw["ready"], raw["failure"])


@contextmanager
def hold(home: Path) -> Iterator[bool]:
    """Holds the home's lock, or yields False when another supervisor has it. The system frees it with the process."""
    with (home / "run" / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            os.ftruncate(file.fileno(), 0)
            yield True


def is_held(home: Path) -> bool:
    """Whether a supervisor of this home lives."""
    if not (home / "run" / "lock").exists():
        return False
    with hold(home) as free:
        return not free


def now(home: Path) -> State | None:
    """The state as it is: with the supervisor gone, what it left is stopped, or dead if its process is."""
    state = read(home)
    if state is None or is_held(home):
        return state
    services = tuple(s if s.mark and s.mark.process() else _gone(s) for s in state.services)
    return replace(state, services=services, ready=False)


def _gone(service: ServiceState) -> ServiceState:
    return replace(service, state="dead" if service.state == "dead" else "stopped", pid=None, ready_s=None)
