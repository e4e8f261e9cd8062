"""How many calls may leave: so many in any second, and in any minute and day where the broker counts those too."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass

COUNTED_UP_TO = 10  # a second: whoever is allowed more is registered, and has no limits a minute and a day


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``most`` calls in any ``seconds``, of which only cancels may use the last ``kept``."""

    seconds: float
    most: int
    kept: int


# Kite counts 400 a minute and 5000 a day. A window that slides is stricter than a calendar's minute or day.
MINUTE = Window(60.0, 380, 40)
DAY = Window(86_400.0, 4_900, 300)


def windows(per_second: int) -> tuple[Window, ...]:
    """The limits of somebody who may send so many in a second: a quarter of them is kept for cancels."""
    second = Window(1.0, per_second, per_second // 4)
    return (second, MINUTE, DAY) if per_second <= COUNTED_UP_TO else (second,)


class Rates:
    """Counts calls in sliding windows. Times are seconds of a clock that never goes back.

    A place is reserved when a call is decided on and counts as a call of this very moment until it starts, because
    what happens in between (a transaction in Kafka) may take any time.
    """

    def __init__(self, limits: tuple[Window, ...]) -> None:
        self._limits = limits
        self._longest_s = max(window.seconds for window in limits)
        self._started: list[float] = []
        self._quiet_until_s = -math.inf
        self.reserved = 0

    def seed(self, written: Iterable[float], until_s: float) -> None:
        """What an earlier process wrote that it would send, the last of it at ``until_s``: when it sent that, or tried
        once more, nobody knows, so the shortest window is taken as full at that moment."""
        for at in written:
            insort(self._started, at)
        self._quiet_until_s = until_s + min(window.seconds for window in self._limits)

    def room(self, now_s: float, *, is_cancel: bool) -> int:
        """How many calls may start now, besides those that are reserved."""
        if now_s < self._quiet_until_s:
            return 0
        free = [
            window.most - (0 if is_cancel else window.kept) - self._since(now_s - window.seconds)
            for window in self._limits
        ]
        return min(free) - self.reserved

    def reserve(self) -> None:
        """One call is decided on."""
        self.reserved += 1

    def start(self, now_s: float) -> None:
        """A call that was reserved starts now."""
        self.reserved -= 1
        self._started.append(now_s)
        if old := self._count(now_s - self._longest_s):
            del self._started[:old]

    def release(self) -> None:
        """A call that was reserved is not made."""
        self.reserved -= 1

    def _since(self, after_s: float) -> int:
        return len(self._started) - self._count(after_s)

    def _count(self, until_s: float) -> int:
        return bisect_right(self._started, until_s)
