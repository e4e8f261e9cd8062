"""Each record of a topic of one partition once and in the log's order, whatever a rebalance delivers in which order;
or of one topic's partitions, which then stand for topics.

For topics that are not compacted: there every offset has a record. What comes too early is not taken; when what is
missing does not come by itself, the consumer is to go back to it (``overdue``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

FIRST_S, LONGEST_S = 0.3, 5.0  # until the consumer is sent back; longer each time, for what it sends again takes time


class InOrder:
    """The next offset of each topic. Times are of a monotonic clock, in seconds; ``silence_s``: for so long nothing
    may be heard while there is more in the log."""

    def __init__(self, silence_s: float = FIRST_S) -> None:
        self._silence_s = silence_s
        self.next: dict[str, int] = {}
        self._heard_s: float = 0.0
        self._early: set[str] = set()  # topics of which a later record came than the next
        self._more: dict[str, tuple[int, float]] = {}  # topic -> the next offset, and since when the log has it
        self._sent_back: dict[str, tuple[float, float]] = {}  # topic -> when it may be sent back again, next patience

    def begin(self, places: Mapping[str, int], now_s: float) -> None:
        """From here on these are the next records."""
        self.end()
        self.next, self._heard_s = dict(places), now_s

    def end(self) -> None:
        """Nothing is taken until it begins again."""
        self.next = {}
        self._early.clear()
        self._more.clear()
        self._sent_back.clear()

    def takes(self, topic: str, offset: int, now_s: float) -> bool:
        """Whether a record is the next; then the one after it is."""
        self._heard_s = now_s
        expected = self.next.get(topic)
        if offset == expected:
            self.next[topic] = offset + 1
            self._early.discard(topic)
            self._sent_back.pop(topic, None)
            return True
        if expected is not None and offset > expected and topic not in self._early:
            self._early.add(topic)
            self._sent_back.setdefault(topic, (now_s + FIRST_S, FIRST_S))
        return False

    def overdue(self, ends: Mapping[str, int], now_s: float) -> Iterable[tuple[str, int]]:
        """The topics whose next record should have come, and its offset: a later one came, or the log has more
        (``ends``) and nothing at all was heard for as long as it has."""
        silent = now_s - self._heard_s > self._silence_s
        for topic, expected in self.next.items():
            not_before_s, patience_s = self._sent_back.get(topic, (0.0, FIRST_S))
            since_s = self._has_more(topic, expected, now_s) if ends.get(topic, 0) > expected else now_s
            missing = topic in self._early or (silent and now_s - since_s > self._silence_s)
            if missing and now_s >= not_before_s:
                self._sent_back[topic] = (now_s + patience_s * 2, min(LONGEST_S, patience_s * 2))
                yield topic, expected

    def _has_more(self, topic: str, expected: int, now_s: float) -> float:
        """Since when it is known that the log has the next record."""
        known, since_s = self._more.get(topic, (-1, now_s))
        if known != expected:
            since_s = now_s
        self._more[topic] = expected, since_s
        return since_s
