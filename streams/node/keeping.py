"""The agent's side of the keepers: folders of tasks, launches, what a keeper says, stops.

Everything here can be done twice: a launch has an id, and a keeper runs no launch that was run before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.settings import Settings
from schemas.fleet import Task
from streams.node.files import write_whole
from streams.node.surroundings import copy_clock, environment, keeper_environment
from streams.node.tasks import End

RUNNER = (sys.executable, "-P", "-m", "streams.algo", "task.json")
KEEPER = (sys.executable, "-S", "-P", "-s", "-m", "streams.node.keeper")
MOST_PROCESSES = 64
MOST_FILES = 1024
LEASE_S = 30.0
GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Status:
    """What a keeper last said. ``ended_us`` 0: it runs."""

    launch: str
    keeper: int
    pid: int
    started_us: int
    ended_us: int
    code: int
    cause: str
    detail: str
    last: str

    @property
    def end(self) -> End:
        """How it ended."""
        return End(self.code, self.cause, self.detail, self.last)


class Keeping:
    """The tasks' folders below ``folder``. ``runner`` is what is started in each, ``lease`` the file of live tasks."""

    def __init__(self, folder: Path, lease: Path, settings: Settings, runner: Sequence[str] = RUNNER) -> None:
        self._folder = folder
        self._lease = lease
        self._settings = settings
        self._runner = list(runner)
        self._started: dict[str, subprocess.Popen[bytes]] = {}  # by launch

    def place(self, task: str) -> Path:
        """A task's folder."""
        return self._folder / task

    def launch(self, task: Task, launch: str, files: Path) -> None:
        """Starts a keeper for a launch, unless this agent has. OSError when the system refuses."""
        if launch in self._started:
            return
        folder = self.place(task.task)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        copy_clock(self._settings, folder)
        write_whole(folder / "task.json", json.dumps(dataclasses.asdict(task) | {"files": str(files)}).encode())
        write_whole(folder / "launch.json", json.dumps(self._spec(task, launch, folder)).encode())
        with (folder / "keeper.err").open("wb") as errors:
            self._started[launch] = subprocess.Popen(
                KEEPER,
                cwd=folder,
                env=keeper_environment(),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )

    def was_started(self, launch: str) -> bool:
        """Whether this agent started a keeper for it."""
        return launch in self._started

    def _spec(self, task: Task, launch: str, folder: Path) -> dict[str, object]:
        return {
            "launch": launch,
            "argv": self._runner,
            "env": environment(task, folder, self._settings),
            "cwd": str(folder),
            "memory_mb": task.memory_mb,
            "cpu": task.cpu,
            "processes": MOST_PROCESSES,
            "files": MOST_FILES,
            "lease": str(self._lease) if task.trading == "live" else "",
            "lease_s": LEASE_S,
            "grace_s": GRACE_S,
        }

    def status(self, task: str, launch: str) -> Status | None:
        """What the keeper of a launch said; None before its first word."""
        try:
            said = Status(**json.loads((self.place(task) / "status.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        return said if said.launch == launch else None

    def has_keeper(self, task: str, launch: str) -> bool:
        """Whether a keeper lives: it holds its lock, or this agent has just started it."""
        started = self._started.get(launch)
        if started is not None and started.poll() is None:
            return True
        try:
            lock = os.open(self.place(task) / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def complaint(self, task: str) -> str:
        """The last line that a keeper wrote on its own standard error; it has none unless something is wrong."""
        with contextlib.suppress(OSError, IndexError):
            return (self.place(task) / "keeper.err").read_text(errors="replace").strip().splitlines()[-1][:300]
        return ""

    def stop(self, task: str, launch: str, grace_s: float) -> None:
        """Asks the keeper of a launch to end its algo: TERM, and KILL when the grace is over."""
        write_whole(self.place(task) / "stop.json", json.dumps({"launch": launch, "grace_s": grace_s}).encode())
        said = self.status(task, launch)
        if said is None or said.ended_us:
            return
        with contextlib.suppress(ProcessLookupError):  # a keeper that has just ended, and nobody else: it had the lock
            handle = os.pidfd_open(said.keeper)
            try:
                if self.has_keeper(task, launch):
                    signal.pidfd_send_signal(handle, signal.SIGTERM)
            finally:
                os.close(handle)

    def dismiss(self, task: str) -> None:
        """Asks whichever keeper a task has to end its algo."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            launch = json.loads((self.place(task) / "status.json").read_bytes())["launch"]
            self.stop(task, launch, GRACE_S)

    def forget(self, launch: str) -> None:
        """A launch has ended: reaps its keeper."""
        if (started := self._started.pop(launch, None)) is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(2)

    def sweep(self, task: str) -> int:
        """Kills what a killed keeper left behind; how many processes. They are known by their environment."""
        mark, found = str(self.place(task)), 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get("PORTFOLIO_HOME") == mark and process.pid != os.getpid():
                    process.kill()
                    found += 1
        return found

    def remove(self, task: str) -> None:
        """Removes a task's folder."""
        shutil.rmtree(self.place(task), ignore_errors=True)

    def strangers(self, known: Iterable[str]) -> list[str]:
        """Folders of tasks that are not known any more."""
        there = {path.name for path in self._folder.iterdir()} if self._folder.is_dir() else set()
        return sorted(there - set(known))
