"""How many orders were approved: in the last second, and by trading day; for each scope."""

from __future__ import annotations

from collections import Counter, deque

from streams.risk.day import trading_day
from streams.risk.order import Judged
from streams.risk.scopes import scopes_of

SECOND_US = 1_000_000


class Paces:
    """Counts places and modifies, which is what the broker's own limits count; cancels always pass."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, tuple[str, ...]]] = deque()  # the oldest first
        self._second: Counter[str] = Counter()
        self._days: dict[str, Counter[str]] = {}

    def count(self, judged: Judged) -> None:
        """One more intent was approved."""
        if judged.action == "cancel":
            return
        scopes, at_us = scopes_of(judged.account, judged.run, judged.instrument), judged.at_us
        day = self._days.setdefault(trading_day(at_us), Counter())
        for scope in scopes:
            day[scope] += 1
            self._second[scope] += 1
        self._recent.append((at_us, scopes))
        self._drop(at_us - SECOND_US)

    def in_second(self, scope: str, now_us: int) -> int:
        """How many were approved in the second before ``now_us``."""
        self._drop(now_us - SECOND_US)
        return self._second.get(scope, 0)

    def on_day(self, scope: str, day: str) -> int:
        """How many were approved on a trading day."""
        found = self._days.get(day)
        return found.get(scope, 0) if found else 0

    def forget(self, day: str) -> None:
        """Forgets the days before this one."""
        self._days = {known: counts for known, counts in self._days.items() if known >= day}

    def _drop(self, until_us: int) -> None:
        while self._recent and self._recent[0][0] <= until_us:
            for scope in self._recent.popleft()[1]:
                self._second[scope] -= 1
                if not self._second[scope]:
                    del self._second[scope]
