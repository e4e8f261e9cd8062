"""The fleet's state in this process: folded from the log by the Faust agent, read by the threads that decide.

The state is never changed in place, so a reader needs no lock: it takes ``state`` once and looks at that.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from schemas.codec import UndecodableError, decode
from schemas.topics import ALGO_EVENTS, ALGOS, COMMANDS, HEARTBEATS, NODES, TASKS, Topic
from streams.fleet.fold import FleetState, Gone, fold

TOPICS: Mapping[str, Topic] = {t.name: t for t in (NODES, HEARTBEATS, ALGOS, TASKS, COMMANDS, ALGO_EVENTS)}


def record_of(topic: str, key: bytes | None, value: bytes | None) -> Any:
    """The record of a message; None for a tombstone that means nothing. UndecodableError when it is no record."""
    if value:
        return decode(TOPICS[topic].record, value)
    return Gone((key or b"").decode("utf-8", "replace")) if topic == ALGOS.name else None


class Book:
    """The state, how far it was folded, and whether it is this worker's to act on."""

    def __init__(self) -> None:
        self.state = FleetState()
        self.rejected = 0
        self.detail = "waits for its tables"  # what is missing until it is active
        self.active = False  # the tables are recovered, and the topics were read to where they ended then
        self._next: dict[str, int] = {}  # by topic: the offset to be folded next
        self._moved = threading.Condition()

    def restart(self, state: FleetState) -> None:
        """Goes on from a recovered state."""
        with self._moved:
            self.state, self.active = state, False
            self._next.clear()

    def take(self, topic: str, offset: int, key: bytes | None, value: bytes | None, at_us: int) -> FleetState:
        """Folds one message and returns the state before it; what cannot be decoded is counted and left out."""
        before = self.state
        try:
            record = record_of(topic, key, value)
            after = before if record is None else fold(before, record, at_us)
        except UndecodableError:
            self.rejected += 1
            after = before
        with self._moved:
            self.state = after
            self._next[topic] = offset + 1
            self._moved.notify_all()
        return before

    @staticmethod
    def folds(topic: str) -> bool:
        """Whether the records of a topic are in the state."""
        return topic in TOPICS

    def behind(self, begins: Mapping[str, int], ends: Mapping[str, int]) -> list[str]:
        """The topics that are not folded up to their ends since the restart, having gone on at these beginnings."""
        return [name for name, end in ends.items() if self._next.get(name, begins[name]) < end]

    def wait_until(self, ends: Mapping[str, int], timeout_s: float) -> bool:
        """Waits until everything before these offsets is folded. False when it is not in time."""
        with self._moved:
            return self._moved.wait_for(lambda: all(self._next.get(t, 0) >= end for t, end in ends.items()), timeout_s)
