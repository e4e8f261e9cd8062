"""Kite's limits on requests, by kind of request. Real seconds, whatever the market's clock; days are the exchange's."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable

from producers.simulator.errors import KiteError

A_SECOND = {"quote": 1, "historical": 3, "other": 10, "orders": 10}
A_MINUTE, A_DAY = {"orders": 400}, {"orders": 5000}


class RateLimits:
    """The last requests of each API key.

    ``orders_per_s`` above Kite's raises the limit of orders and of other requests to that, and lifts those of orders
    by minute and by day. ``day`` names the exchange's day.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        orders_per_s: int = A_SECOND["orders"],
        day: Callable[[], object] = lambda: None,
    ) -> None:
        self._now, self._day = now, day
        self._today: object = None
        self._count: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._seen: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._raised = orders_per_s if orders_per_s > A_SECOND["orders"] else 0
        self._orders_per_s = orders_per_s

    def count(self, api_key: str, kind: str) -> None:
        """Counts a request; KiteError 429 when it is one too many. A refused request is not counted."""
        a_minute = 0 if self._raised else A_MINUTE.get(kind, 0)
        now, seen = self._now(), self._seen[api_key, kind]
        while seen and seen[0] <= now - (60.0 if a_minute else 1.0):
            seen.popleft()
        a_second = self._a_second(kind)
        if (len(seen) >= a_second and seen[-a_second] > now - 1.0) or (a_minute and len(seen) >= a_minute):
            raise KiteError(429, "NetworkException", "Too many requests")
        if kind in A_DAY and not self._raised:
            self._count_of_day(api_key, kind)
        seen.append(now)

    def _a_second(self, kind: str) -> int:
        if kind == "orders":
            return self._orders_per_s
        return max(self._raised, A_SECOND[kind]) if kind == "other" else A_SECOND[kind]

    def _count_of_day(self, api_key: str, kind: str) -> None:
        if (today := self._day()) != self._today:
            self._today = today
            self._count.clear()
        if self._count[api_key, kind] >= A_DAY[kind]:
            raise KiteError(429, "NetworkException", "Maximum number of orders of the day reached")
        self._count[api_key, kind] += 1
