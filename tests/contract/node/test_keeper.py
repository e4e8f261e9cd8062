"""Real keepers with programs that misbehave. No log is needed: a keeper knows only files and processes."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from infra.settings import Settings
from schemas.fleet import Task
from streams.node import keeping
from streams.node.keeping import Keeping, Status
from streams.node.printed import Tail
from tests.contract.node.processes import at_home_in, kill
from tests.contract.node.programs import bomb
from tests.wait import until

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)\n"


class Room:
    """One task's folder, with whatever program its keeper shall start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.task = Task("run@desk", "run", "test", "ab" * 32, "desk", "running", 1, "test", memory_mb=200)
        self.settings = Settings(home=folder)
        self.lease = folder / "lease"
        self.launch = ""
        self.tail: Tail | None = None
        self.printed: list[str] = []

    def start(self, program: str, **more: object) -> Keeping:
        self.task = dataclasses.replace(self.task, **more)  # type: ignore[arg-type]
        self.launch = uuid4().hex
        self.keeping = self.agent(program)
        self.keeping.launch(self.task, self.launch, self.folder)
        return self.keeping

    def agent(self, program: str = "") -> Keeping:
        """As another agent would see it."""
        return Keeping(self.folder / "tasks", self.lease, self.settings, [sys.executable, "-S", "-c", program])

    @property
    def place(self) -> Path:
        return self.folder / "tasks" / self.task.task

    def status(self) -> Status | None:
        return self.keeping.status(self.task.task, self.launch)

    def started(self) -> Status:
        return until("the start", lambda: (s := self.status()) and s.pid and s, 10, 0.02)  # type: ignore[return-value]

    def ended(self, timeout_s: float = 20) -> Status:
        found: Status = until("the end", lambda: (s := self.status()) and s.ended_us and s, timeout_s, 0.02)  # type: ignore[assignment]
        until("no keeper", lambda: not self.keeping.has_keeper(self.task.task, self.launch), 5, 0.02)
        assert not self.processes()
        return found

    def stop(self, grace_s: float = 5) -> Status:
        self.keeping.stop(self.task.task, self.launch, grace_s)
        return self.ended()

    def lines(self, source: str = "out") -> list[str]:
        """What was printed until now."""
        if self.tail is None:
            self.tail = Tail(self.place, "desk", self.task.task)
        while (step := self.tail.next())[0]:
            self.printed += [f"{line.source} {line.text}" for line in step[0]]
            self.tail.told(step[1])
        return [line.split(" ", 1)[1] for line in self.printed if line.startswith(source)]

    def wait_line(self, text: str) -> None:
        until(f"the line {text}", lambda: text in self.lines(), 10, 0.02)

    def processes(self) -> list[psutil.Process]:
        """All that have this task's environment, and live."""
        return at_home_in(self.place)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    kill(made.processes())


def test_the_environment_is_clean_and_the_limits_are_set(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "not for algos")
    room.start(
        "import json, os, resource as r; print(json.dumps({'env': dict(os.environ), 'cwd': os.getcwd(),"
        "'leads': os.getsid(0) == os.getpid(), 'core': r.getrlimit(r.RLIMIT_CORE), 'nice': os.nice(0),"
        "'files': r.getrlimit(r.RLIMIT_NOFILE), 'fds': len(os.listdir('/proc/self/fd')),"
        "'in': os.readlink('/proc/self/fd/0'), 'argv': os.sys.argv}))"
    )
    assert room.ended().code == 0
    found = json.loads(room.lines()[0])
    assert set(found["env"]) <= {
        "PATH", "LANG", "LC_CTYPE", "HOME", "TMPDIR", "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE",
        "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "PORTFOLIO_HOME", "PORTFOLIO_TASK", "PORTFOLIO_KAFKA",
        "PORTFOLIO_PARTITIONS", "PORTFOLIO_CLOCK", "PORTFOLIO_LOG_LEVEL", "TZ", "SSL_CERT_FILE",
        "PYTHONPYCACHEPREFIX",
    }  # fmt: skip
    assert found["env"]["PORTFOLIO_TASK"] == "run@desk"
    assert found["cwd"] == found["env"]["HOME"] == str(room.place)
    assert (found["leads"], found["core"], found["files"], found["in"]) == (True, [0, 0], [1024, 1024], "/dev/null")
    assert found["fds"] <= 4  # the three, and the folder that is read
    assert found["nice"] > 0


def test_exit_codes_and_signals_are_told(room: Room) -> None:
    room.start("import sys; sys.exit(3)")
    assert room.ended().code == 3
    room.start("raise ValueError('no such thing')")
    said = room.ended()
    assert (said.code, said.cause, said.last) == (1, "", "ValueError: no such thing")
    room.start("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert room.ended().code == -signal.SIGSEGV
    assert room.lines("node")[-1] == "ended with signal 11"


def test_a_program_that_is_not_there_is_told(room: Room) -> None:
    room.start("")
    room.ended()
    room.launch = uuid4().hex
    room.keeping = Keeping(room.folder / "tasks", room.lease, room.settings, ["/nowhere/python"])
    room.keeping.launch(room.task, room.launch, room.folder)
    said = room.ended()
    assert (said.code, said.last[:60]) == (127, "it cannot be started: [Errno 2] No such file or directory: '")


def test_a_loop_is_ended_by_term(room: Room) -> None:
    room.start("print('ready', flush=True)\nwhile True: pass")
    room.wait_line("ready")
    said = room.stop()
    assert (said.code, said.cause) == (-signal.SIGTERM, "stopped")


def test_what_ignores_term_is_killed_after_the_grace(room: Room) -> None:
    room.start(STUBBORN + "while True: time.sleep(1)")
    room.wait_line("ready")
    began = time.monotonic()
    said = room.stop(grace_s=1)
    assert (said.code, said.cause) == (-signal.SIGKILL, "stopped")
    assert 0.9 < time.monotonic() - began < 5


def test_a_grandchild_in_another_session_dies_too(room: Room) -> None:
    room.start(
        STUBBORN + "import os\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid()\n"
        "    print('daemon', os.getpid(), flush=True)\n"
        "    while True: time.sleep(1)\n"
        "while True: time.sleep(1)"
    )
    until("both", lambda: len(room.lines()) == 2, 10, 0.02)
    daemon = int(next(line for line in room.lines() if line.startswith("daemon")).split()[1])
    assert psutil.Process(daemon).ppid() == room.started().keeper  # its own parent is gone
    room.stop(grace_s=0.3)
    assert not psutil.pid_exists(daemon)


def test_what_an_ended_program_leaves_behind_is_ended(room: Room) -> None:
    room.start("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\nprint('bye')")
    assert room.ended().code == 0


@pytest.mark.parametrize("escape", ["pass", "os.setsid()", "os.setpgid(0, 0)"])
def test_a_fork_bomb_is_ended(room: Room, escape: str) -> None:
    room.start(bomb(escape))
    said = room.ended(60)
    assert said.cause == "processes"
    assert "64 are allowed" in said.detail


def test_what_eats_memory_is_ended_and_the_sentence_says_so(room: Room) -> None:
    room.start("import time\nall = []\nwhile True:\n    all.append(b'x' * (10 << 20))\n    time.sleep(0.02)")
    said = room.ended()
    assert (said.code, said.cause) == (-signal.SIGKILL, "memory")
    assert said.detail == "it used more than its 200 MB of memory"


def test_memory_counts_over_the_whole_tree_but_shared_pages_once(room: Room) -> None:
    forks = (
        "import os, time\nbig = bytearray(120 << 20)\n"
        "for _ in range(5):\n    if os.fork() == 0:\n        {}\n        time.sleep(600)\n"
    )
    room.start(forks.format("pass") + "time.sleep(1.5)")
    assert room.ended().cause == ""
    room.start(forks.format("big[::4096] = bytes(len(big) // 4096)") + "time.sleep(600)")
    assert room.ended().cause == "memory"


def test_what_asks_for_far_more_at_once_gets_an_error(room: Room) -> None:
    room.start("x = bytearray(8 << 30)")
    said = room.ended()
    assert (said.code, said.last) == (1, "MemoryError")


def test_a_flood_is_cut_costs_little_and_the_program_goes_on(room: Room) -> None:
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})  # one for both: each line could wake the keeper ahead of the program
    try:
        room.start(
            "for n in range(600_000): print('flood', n)\nopen('done', 'w').close()\n"
            "import os, sys, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nsys.exit(7)"
        )
    finally:
        os.sched_setaffinity(0, processors)
    keeper = psutil.Process(room.started().keeper)
    until("all to be printed", (room.place / "done").exists, 60, 0.02)
    assert keeper.num_ctx_switches().voluntary < 20_000  # times it woke up, for 1,200,000 writes
    (room.place / "go").touch()
    assert room.ended(60).code == 7
    lines = room.lines()
    assert 100 < len(lines) < 20_000
    assert sum(path.stat().st_size for path in room.place.glob("log*")) < 5 << 20


def test_it_is_kept_to_its_share_of_the_processor(room: Room) -> None:
    room.start("print('ready', flush=True)\nwhile True: pass", cpu=0.25)
    process = psutil.Process(room.started().pid)
    room.wait_line("ready")
    until("its first second to be used up", lambda: process.status() == "stopped", 20, 0.01)
    began, used = time.monotonic(), sum(process.cpu_times()[:2])
    until("four seconds", lambda: time.monotonic() - began > 4, 10, 0.05)
    share = (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)
    assert 0.1 < share < 0.4
    assert room.stop().code == -signal.SIGTERM  # a stopped process hears it too


def test_a_live_task_ends_with_its_lease_and_a_paper_one_does_not(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LEASE_S", 2.0)
    room.lease.touch()
    program = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.1)"
    room.start(program, trading="live")
    room.wait_line("ready")
    began = time.monotonic()

    def renewed() -> bool:  # however wrong the clock is that stamps it
        os.utime(room.lease, (time.monotonic(), time.monotonic()))
        return time.monotonic() - began > 3

    until("three seconds of renewals", renewed, 10, 0.2)
    assert room.status().ended_us == 0  # type: ignore[union-attr]
    said = room.ended()
    assert said.cause == "lease"
    assert said.detail.startswith("it trades live, and the node had not reached Kafka")
    room.start(program, trading="paper")
    began = time.monotonic()
    until("three seconds", lambda: time.monotonic() - began > 3, 10)
    assert room.stop().cause == "stopped"


def test_one_launch_runs_once_however_often_it_is_started(room: Room) -> None:
    program = "import time\nprint('ready', flush=True)\ntime.sleep(600)"
    room.start(program)
    pid = room.started().pid
    again = room.agent(program)  # another agent, that does not know
    again.launch(room.task, room.launch, room.folder)
    until("the second keeper's end", lambda: again._started[room.launch].poll() == 1, 10, 0.02)
    assert room.started().pid == pid
    assert len(room.processes()) == 1
    room.stop()
    third = room.agent(program)
    third.launch(room.task, room.launch, room.folder)
    until("the third keeper's end", lambda: third._started[room.launch].poll() == 1, 10, 0.02)
    assert not room.processes()


def test_an_algo_does_not_outlive_its_keeper(room: Room) -> None:
    room.start("import os, time\nif os.fork() == 0: os.setsid()\nprint('ready', flush=True)\ntime.sleep(600)")
    until("both", lambda: len(room.lines()) == 2, 10, 0.02)
    os.kill(room.started().keeper, signal.SIGKILL)
    until("the keeper's end", lambda: not room.keeping.has_keeper(room.task.task, room.launch), 10, 0.02)
    until("the first process's end", lambda: len(room.processes()) == 1, 10, 0.02)
    assert room.keeping.sweep(room.task.task) == 1  # what it had forked is found by its environment
    until("no process", lambda: not room.processes(), 10, 0.02)


def test_a_keeper_is_small_and_idle(room: Room) -> None:
    room.start("import time\nprint('ready', flush=True)\ntime.sleep(600)")
    room.wait_line("ready")
    keeper = psutil.Process(room.started().keeper)
    before, began = sum(keeper.cpu_times()[:2]), time.monotonic()
    until("five seconds", lambda: time.monotonic() - began > 5, 10)
    assert (sum(keeper.cpu_times()[:2]) - before) / 5 < 0.02
    assert keeper.memory_info().rss < 15 << 20
    room.stop()
