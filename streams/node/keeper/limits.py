"""What a tree of processes may have besides memory: a lease, and a share of the processor."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from streams.node.keeper import tree

LEASE_EVERY_S = 1.0


def since_boot_s() -> float:
    """A clock that nobody sets and that goes on while the computer sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """A file that the agent touches whenever Kafka has acknowledged its heartbeat. Its time is only compared with
    itself: it is this process's own clock that counts, which nobody sets."""

    def __init__(self, path: str, length_s: float) -> None:
        self._path, self._length_s = path, length_s
        self._stamp, self._renewed, self._asked = -1, since_boot_s(), 0.0

    def is_out(self, now: float) -> bool:
        """Whether it was not renewed for too long."""
        if now >= self._asked:
            self._asked = now + LEASE_EVERY_S
            with contextlib.suppress(OSError):
                stamp = os.stat(self._path).st_mtime_ns  # noqa: PTH116
                if stamp != self._stamp:
                    self._stamp, self._renewed = stamp, now
        return now - self._renewed > self._length_s


class Share:
    """Keeps a tree to its share of the processor: it is stopped for a moment when it has used more.

    It has a second of its share in hand, so that one busy moment costs nothing. Control groups would be finer, but
    few computers let an ordinary user have them.
    """

    def __init__(self, cores: float) -> None:
        self._cores = cores
        self._hand = cores
        self._used = 0.0
        self._at = since_boot_s()
        self._stopped = False

    def keep(self, seen: list[tree.Seen], ended_cpu_s: float, now: float) -> bool:
        """Takes note of what was used since the last call; True when the next look should be soon."""
        used = sum(one.cpu for one in seen) / tree.TICKS_S + ended_cpu_s
        spent, self._used = max(0.0, used - self._used), max(used, self._used)
        in_hand = min(self._cores, self._hand + self._cores * (now - self._at)) - spent
        self._hand = max(in_hand, -self._cores)  # never stopped for much longer than a second
        self._at = now
        if self._hand < 0:
            tree.send(seen, signal.SIGSTOP)
            self._stopped = True
        elif self._stopped:
            tree.send(seen, signal.SIGCONT)
            self._stopped = False
        return self._stopped or self._hand < self._cores / 2
