"""The keeper's loop: from the algo's start to the end of its last descendant."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time

from streams.node.keeper import child, tree
from streams.node.keeper.limits import Lease, Share, since_boot_s
from streams.node.keeper.lines import Log, Splitter

TYPE_CHECKING = False  # importing typing costs a megabyte
if TYPE_CHECKING:
    from typing import Any

LOOK_S = 0.25  # how often the tree is looked at
QUICK_LOOK_S = 0.05  # while it is near its share of the processor
GLANCE_S = 0.05  # how often it is asked whether the computer has many new threads
MANY = 24  # so many
FAST = 8  # processes more than at the last look: it may be a fork bomb. It cannot grow so for long
CHUNK = 65536
READ_PER_GLANCE = 200 << 10  # an algo that prints more than this between two glances has to wait
GATHER_S = 0.005  # after something was printed: a pipe holds what comes meanwhile, and one waking serves for all of it


def now_us() -> int:
    """The wall clock."""
    return time.time_ns() // 1000


def write_whole(path: str, content: dict[str, Any]) -> None:
    """Replaces a file in one step: nobody reads half of it, whatever is killed."""
    fresh = f"{path}.{os.getpid()}"
    with open(fresh, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)  # noqa: PTH105


class Keeper:
    """One algo's process and all that comes of it. ``spec`` is the task's ``launch.json``."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._status: dict[str, Any] = {
            "launch": spec["launch"], "keeper": os.getpid(), "pid": 0, "started_us": now_us(),
            "ended_us": 0, "code": 0, "cause": "", "detail": "", "last": "",
        }  # fmt: skip
        self._log = Log(".")
        self._tree = tree.Tree(os.getpid())
        self._pipes: dict[int, tuple[str, Splitter]] = {}
        self._stop_asked = False
        self._kill_at = 0.0  # when TERM has had its time
        self._over = False  # nothing is waited for any more
        self._lease = Lease(spec["lease"], spec["lease_s"]) if spec["lease"] else None
        self._share = Share(spec["cpu"])
        self._processes = 0  # at the last look

    def run(self) -> None:
        """Until no descendant is left; ``status.json`` then says how it ended."""
        signal.signal(signal.SIGTERM, self._asked)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        wake, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        child.become_subreaper()
        child.come_first()
        self._start()
        poll = select.poll()
        for fd in (wake, *self._pipes):
            poll.register(fd, select.POLLIN)
        self._watch(poll, wake)
        tree.end_all(self._tree, self._reaper)
        for fd in list(self._pipes):
            while self._drain(fd, CHUNK):
                pass
        self._finish()

    def _start(self) -> None:
        out, out_of = os.pipe2(os.O_CLOEXEC)
        err, err_of = os.pipe2(os.O_CLOEXEC)
        pid, gate = child.start(self._spec, out_of, err_of)
        os.close(out_of)
        os.close(err_of)
        for fd, source in ((out, "out"), (err, "err")):
            os.set_blocking(fd, False)
            self._pipes[fd] = (source, Splitter())
        self._reaper = tree.Reaper(pid)
        self._tell(pid=pid)
        self._log.say(f"started, process {pid}", now_us())
        with contextlib.suppress(BrokenPipeError):  # somebody has killed it already
            os.write(gate, b"!")  # only now: a busy disk may have taken seconds for what was written
        os.close(gate)

    def _watch(self, poll: select.poll, wake: int) -> None:
        """Until the first process has ended, by itself or ended."""
        look_at = glance_at = budget = 0.0
        threads = tree.all_threads()
        while self._reaper.reap() and self._reaper.code is None and not self._over:
            now = since_boot_s()
            if now >= glance_at:
                glance_at, budget = now + GLANCE_S, READ_PER_GLANCE
                if now >= look_at or tree.all_threads() > threads + MANY:
                    threads = tree.all_threads()  # before: what comes while it looks is a reason to look again
                    look_at = now + self._look(now)
                    continue
            elif budget <= 0:
                time.sleep(glance_at - now)
                continue
            before = budget
            for fd, _ in poll.poll(max(1.0, (glance_at - since_boot_s()) * 1000)):
                if fd == wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake, 4096)
                elif (got := self._drain(fd, CHUNK)) is None:
                    poll.unregister(fd)
                else:
                    budget -= got
            if self._stop_asked and not self._kill_at:
                self._terminate("stopped", "")
            if budget < before:  # to be woken by each line, ahead of who prints it, would cost far more than the lines
                time.sleep(GATHER_S)

    def _drain(self, fd: int, most: int) -> int | None:
        """Takes what was printed to the log; how many bytes, or None at the end."""
        source, splitter = self._pipes[fd]
        try:
            data = os.read(fd, most)
        except BlockingIOError:
            return 0
        lines = splitter.feed(data) if data else splitter.rest()
        if lines:
            self._log.add(source, lines, since_boot_s(), now_us())
        return len(data) if data else None

    def _look(self, now: float) -> float:
        """Looks at the tree; how long until the next look."""
        seen = self._tree.scan()
        grown, self._processes = len(seen) - self._processes, len(seen)
        spec = self._spec
        if self._kill_at:
            tree.send(seen, signal.SIGCONT)
            self._over = now >= self._kill_at
            return QUICK_LOOK_S
        if len(seen) > spec["processes"]:
            self._kill("processes", f"it had {len(seen)} processes; {spec['processes']} are allowed")
        elif grown < FAST and self._is_too_large(seen):
            self._kill("memory", f"it used more than its {spec['memory_mb']} MB of memory")
        elif self._lease is not None and self._lease.is_out(now):
            out_s = spec["lease_s"]
            self._terminate("lease", f"it trades live, and the node had not reached Kafka for {out_s:.0f} s")
        elif self._share.keep(seen, self._reaper.cpu_s, now):
            return QUICK_LOOK_S
        return LOOK_S

    def _is_too_large(self, seen: list[tree.Seen]) -> bool:
        """Pages that processes share are counted once, which takes longer: only done when it seems too much.

        To read them waits for a process that is forking, which may wait for the processor: a fork bomb would outrun
        its keeper meanwhile. So a tree that grows fast is only counted, and this ends where the computer has many new
        threads, so that the tree is counted again first.
        """
        allowed: int = self._spec["memory_mb"] << 20
        if sum(one.memory for one in seen) <= allowed:
            return False
        own, threads = 0, tree.all_threads()
        for one in seen:
            own += tree.own_memory(one.pid) or one.memory
            if own > allowed or tree.all_threads() > threads + MANY:
                break
        return own > allowed

    def _kill(self, cause: str, detail: str) -> None:
        self._status |= {"cause": cause, "detail": detail}
        self._over = True

    def _terminate(self, cause: str, detail: str) -> None:
        """TERM to the whole tree; KILL after the grace."""
        self._status |= {"cause": cause, "detail": detail}
        self._kill_at = since_boot_s() + self._grace_s()
        seen = self._tree.scan_anew()
        tree.send(seen, signal.SIGTERM)
        tree.send(seen, signal.SIGCONT)

    def _grace_s(self) -> float:
        """What the agent asked for, or the task's own."""
        try:
            with open("stop.json", encoding="utf-8") as file:  # noqa: PTH123
                asked = json.load(file)
            return float(asked["grace_s"]) if asked["launch"] == self._spec["launch"] else self._spec["grace_s"]
        except (OSError, ValueError, KeyError):
            return float(self._spec["grace_s"])

    def _asked(self, *_: object) -> None:
        self._stop_asked = True

    def _tell(self, **changes: Any) -> None:
        self._status |= changes
        write_whole("status.json", self._status)

    def _finish(self) -> None:
        code, left = self._reaper.code or 0, self._log.left_out
        if left:
            self._log.say(f"{left} lines were left out: it printed too many", now_us())
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        why = self._status["detail"] or self._status["cause"]
        self._log.say(f"ended with {how}" + (f": {why}" if why else ""), now_us())
        self._tell(ended_us=now_us(), code=code, last=self._log.last_error)
