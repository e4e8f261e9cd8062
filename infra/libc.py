"""What a process asks of the C library. Each of these does nothing where the library cannot."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h
RECORDS_MB, KEPT_MB = 16, 64
PR_SET_TIMERSLACK = 29  # linux/prctl.h
SERVERS_SLACK_NS = 1_000_000


def _function(name: str) -> Callable[..., int]:
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError):
        return lambda *_: 0
    return found


def keep_freed_memory() -> None:
    """Lets malloc reuse what was freed instead of giving it back to the system each time.

    A batch of ticks is some 100 KB, just above what glibc returns to the system at once: decompressing one cost twice
    as long as its bytes need, for the pages that came and went.
    """
    mallopt = _function("mallopt")
    mallopt(M_MMAP_THRESHOLD, RECORDS_MB << 20)
    mallopt(M_TRIM_THRESHOLD, KEPT_MB << 20)


def share_arenas() -> None:
    """Lets all threads take their memory from two places: else each of a Kafka client's threads has one of its own."""
    _function("mallopt")(M_ARENA_MAX, 2)


def give_back_freed_memory() -> None:
    """Gives the system what was freed, after something large that will not come again soon."""
    _function("malloc_trim")(0)


@contextmanager
def timer_slack(nanoseconds: int) -> Iterator[None]:
    """Children that this thread starts meanwhile inherit the slack: their timers may be so late.

    Cassandra's idle workers sleep for ten microseconds at a time: with the usual slack of fifty that is a third of a
    core while anything is written, with a millisecond it is a tenth.
    """
    prctl = _function("prctl")
    prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0)  # 0: back to the thread's own
