"""How far a consumer group is behind, in records and in seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

HISTORY = 600


@dataclass(frozen=True, slots=True)
class Lag:
    """``records`` not yet committed; ``seconds`` since the oldest of them was written, at most the history's length."""

    records: int
    seconds: float


class LagHistory:
    """Turns offsets into seconds: it remembers where the log ended when, about once a second."""

    def __init__(self) -> None:
        self._ends: deque[tuple[float, dict[int, int]]] = deque(maxlen=HISTORY)

    def note(self, at_s: float, ends: Mapping[int, int]) -> None:
        """The end offset of each partition at an instant of a monotonic clock."""
        self._ends.append((at_s, dict(ends)))

    def lag(self, committed: Mapping[int, int]) -> Lag | None:
        """The lag at the last noted instant. None when nothing was noted, or the group has never committed."""
        if not self._ends or not committed:
            return None
        now_s, ends = self._ends[-1]
        records = sum(max(0, end - committed[p]) for p, end in ends.items() if p in committed)
        behind = [p for p, end in ends.items() if p in committed and committed[p] < end]
        return Lag(records, max((now_s - self._written(p, committed[p]) for p in behind), default=0.0))

    def _written(self, partition: int, offset: int) -> float:
        """About when the record at an offset was written: the last instant at which the log ended at or before it."""
        before = [at for at, ends in self._ends if ends.get(partition, 0) <= offset]
        return before[-1] if before else self._ends[0][0]
