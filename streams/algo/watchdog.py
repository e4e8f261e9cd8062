"""Ends the process when a callback hangs: exit status 4, with the stack on standard error."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable

from streams.algo.pulse import Pulse

HUNG = 4
STILL_S = 10.0  # as long as the group waits for a member that is silent
_LOOKS = 4  # a limit's time is looked at so many times


class Watchdog:
    """A thread that watches a pulse.

    A callback that hangs in Python's own code lets this thread run. One that hangs in C without ever letting go of the
    interpreter does not: for that ``faulthandler``, which needs no interpreter, ends the process after twice the time,
    with status 1.
    """

    def __init__(self, pulse: Pulse, limit_s: float, end: Callable[[int], None] = os._exit) -> None:
        self._pulse, self._limit_s, self._end = pulse, limit_s, end
        self._watched = threading.get_ident()
        self._seen, self._froze = _now(), False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watches the thread that made it."""
        self._arm()
        self._thread.start()

    def stood_still(self) -> bool:
        """Whether the whole process was stopped for so long that its run's other tasks may have taken its place."""
        return self._froze or _now() - self._seen > STILL_S

    def stop(self) -> None:
        """Watches no more."""
        self._stop.set()
        self._thread.join(5)
        faulthandler.cancel_dump_traceback_later()

    def _run(self) -> None:
        count, since = -1, time.monotonic()
        while not self._stop.wait(min(self._limit_s / _LOOKS, 1.0)):
            self._arm()
            self._froze = self.stood_still()
            self._seen = _now()
            what, now = self._pulse.what, time.monotonic()
            if not what or self._pulse.count != count:
                count, since = self._pulse.count, now
            elif now - since >= self._limit_s:
                self._tell(what, now - since)
                self._end(HUNG)
                return

    def _arm(self) -> None:
        faulthandler.dump_traceback_later(2 * self._limit_s, exit=True)

    def _tell(self, what: str, seconds: float) -> None:
        frame = sys._current_frames().get(self._watched)
        stack = "".join(traceback.format_stack(frame)[-12:])
        sys.stderr.write(f"ERROR {what} hangs: no return for {seconds:.0f} s; the algo is ended. It is here:\n{stack}")
        sys.stderr.flush()


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # goes on while the computer sleeps
