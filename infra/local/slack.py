"""Timers of servers may be late by a millisecond, so that they do not wake the processor for nothing."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

PR_SET_TIMERSLACK = 29  # linux/prctl.h
SERVERS_NS = 1_000_000


@contextmanager
def timer_slack(nanoseconds: int) -> Iterator[None]:
    """Children that this thread starts meanwhile inherit the slack. Does nothing where there is no prctl.

    Cassandra's idle workers sleep for ten microseconds at a time: with the usual slack of fifty that is a third of a
    core while anything is written, with a millisecond it is a tenth.
    """
    try:
        prctl = ctypes.CDLL(None).prctl
    except (AttributeError, OSError):
        yield
        return
    prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0)  # 0: back to the thread's own
