"""Waiting on conditions, never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, condition: Callable[[], T], timeout_s: float = 60, every_s: float = 0.25) -> T:
    """The condition's first true value; AssertionError naming what was waited for when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain: {what} (last: {value!r})"
        time.sleep(every_s)
