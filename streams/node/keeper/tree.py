"""All descendants of a process, from ``/proc``: what they use, and how to end them."""

from __future__ import annotations

import contextlib
import os
import signal
import time

TICKS_S = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Seen:
    """One process at one moment. ``cpu`` is in clock ticks and has that of its children that it waited for."""

    __slots__ = ("cpu", "group", "memory", "parent", "pid")

    def __init__(self, pid: int, text: bytes) -> None:
        fields = text[text.rindex(b")") + 2 :].split()  # the name before may hold anything; see proc_pid_stat(5)
        self.pid = pid
        self.parent = int(fields[1])
        self.group = int(fields[2])
        self.cpu = sum(int(field) for field in fields[11:15])
        self.memory = int(fields[21]) * PAGE


def look_at(pid: int) -> Seen | None:
    """What ``/proc`` says of a process; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - pathlib is large
            return Seen(pid, file.read(2048))
    except (OSError, ValueError, IndexError):
        return None


def own_memory(pid: int) -> int:
    """Bytes of a process, pages that it shares counted by its share in them; 0 when that cannot be read."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
            return next((int(line.split()[1]) << 10 for line in file if line.startswith(b"Pss:")), 0)
    except OSError:
        return 0


def all_threads() -> int:
    """How many threads there are on the whole computer: one cheap number that tells of a fork bomb."""
    with open("/proc/loadavg", "rb", buffering=0) as file:  # noqa: PTH123
        return int(file.read(100).split()[3].partition(b"/")[2])


class Tree:
    """The descendants of this process.

    A process that has once been among them stays (it is this process's when its parent dies), and one that was not
    never becomes one: so each scan reads only what is new, and its own.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._others: set[int] = set()
        self._mine: set[int] = set()

    def scan(self) -> list[Seen]:
        """All that live now, zombies too."""
        return self._read(self._listed() - self._others)

    def scan_anew(self) -> list[Seen]:
        """The same, without trusting what was seen before: process ids come again."""
        self._mine, self._others = set(), set()
        return self.scan()

    def scan_new(self) -> list[Seen]:
        """Only those that were not seen before."""
        return self._read(self._listed() - self._others - self._mine)

    def _listed(self) -> set[int]:
        pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
        self._mine &= pids
        self._others &= pids
        return pids

    def _read(self, pids: set[int]) -> list[Seen]:
        found = {pid: seen for pid in pids if (seen := look_at(pid))}
        self._sort_out(found)
        return [seen for pid, seen in found.items() if pid in self._mine]

    def _sort_out(self, found: dict[int, Seen]) -> None:
        """Each new process belongs to the tree if its parent does."""
        new = found.keys() - self._mine - {self._root}
        grown = True
        while grown:
            mine = {pid for pid in new if found[pid].parent == self._root or found[pid].parent in self._mine}
            self._mine |= mine
            new -= mine
            grown = bool(mine)
        self._others |= new | {self._root}


def send(to: list[Seen], number: int) -> None:
    """A signal to each."""
    for one in to:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(one.pid, number)


def send_groups(to: list[Seen], number: int) -> None:
    """A signal to the groups of each, then to each: a group is reached in one step, however fast it forks."""
    for group in {one.group for one in to} - {os.getpgid(0), 0}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
    send(to, number)


def freeze(tree: Tree) -> list[Seen]:
    """Stops all, and all that they forked meanwhile, until nothing new is found; all of them.

    To kill at once would be worse: in each place that becomes free, who is still to be killed forks another.
    """
    frozen: list[Seen] = []
    new = tree.scan_anew()
    for _ in range(200):
        send_groups(new, signal.SIGSTOP)
        frozen += new
        if not (new := tree.scan_new()):
            break
    return frozen


class Reaper:
    """Takes note of ended children: the exit code of the first, the processor time of all."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.code: int | None = None  # of the first; negative: the signal that ended it
        self.cpu_s = 0.0

    def reap(self) -> bool:
        """Takes all that have ended; False when no child is left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            self.cpu_s += usage.ru_utime + usage.ru_stime
            if pid == self._first:
                self.code = os.waitstatus_to_exitcode(status)


def end_all(tree: Tree, reaper: Reaper) -> None:
    """Kills until no descendant is left. Takes as long as the kernel does."""
    pause = 0.002
    while reaper.reap():
        send_groups(freeze(tree), signal.SIGKILL)
        time.sleep(pause)
        pause = min(0.2, pause * 1.5)
