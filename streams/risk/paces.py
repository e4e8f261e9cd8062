"""How many orders were approved in the last second, by scope."""

from __future__ import annotations

from collections import Counter, deque

from streams.risk.order import Judged
from streams.risk.scopes import scopes_of

SECOND_US = 1_000_000


class Paces:
    """Counts places and modifies, which is what the broker's own limits count; cancels always pass.

    Derived from verdicts: it is no part of the book's state.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[int, tuple[str, ...]]] = deque()  # the oldest first
        self._counts: Counter[str] = Counter()

    def count(self, judged: Judged) -> None:
        """One more intent was approved."""
        if judged.action == "cancel":
            return
        scopes = who(judged.account, judged.run)
        self._recent.append((judged.at_us, scopes))
        self._counts.update(scopes)
        self._drop(judged.at_us - SECOND_US)

    def in_second(self, scope: str, now_us: int) -> int:
        """How many were approved in the second before ``now_us``."""
        self._drop(now_us - SECOND_US)
        return self._counts.get(scope, 0)

    def _drop(self, until_us: int) -> None:
        while self._recent and self._recent[0][0] <= until_us:
            for scope in self._recent.popleft()[1]:
                self._counts[scope] -= 1
                if not self._counts[scope]:
                    del self._counts[scope]


def who(account: str, run: str) -> tuple[str, str, str]:
    """The scopes that have a trading state and a count of orders: platform, account, algo."""
    return scopes_of(account, run, "")[:3]
