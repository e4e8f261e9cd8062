"""Kite's limits on requests: so many in any second, by kind of request. Real seconds, whatever the market's clock."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable

from producers.simulator.errors import KiteError

A_SECOND = {"quote": 1, "historical": 3, "other": 10}


class RateLimits:
    """The last second's requests of each API key."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def count(self, api_key: str, kind: str) -> None:
        """Counts a request; KiteError 429 when it is one too many. A refused request is not counted."""
        now, seen = self._now(), self._seen[api_key, kind]
        while seen and seen[0] <= now - 1.0:
            seen.popleft()
        if len(seen) >= A_SECOND[kind]:
            raise KiteError(429, "NetworkException", "Too many requests")
        seen.append(now)
