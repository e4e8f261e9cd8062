"""What the feed is asked for: a fold of topic ``subscriptions``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from schemas.market import Subscription


class Place(NamedTuple):
    """What a slot (a partition of the topic) says of an instrument, and when Kafka got it."""

    at_ms: int
    slot: int
    record: Subscription

    @property
    def at(self) -> tuple[int, int]:
        """What orders places by time; of two at once the higher slot is the newer, for all who read."""
        return self.at_ms, self.slot


class Subscribed:
    """Instruments and the slots that have them.

    Each slot is read in its order, the slots in any: an instrument that was moved, or that was removed and added again,
    has records in several. It is subscribed while any slot has it; the newest record counts. So all who read come to
    the same, whatever they read first.
    """

    def __init__(self) -> None:
        self._places: dict[str, dict[int, Place]] = {}

    def put(self, name: str, slot: int, record: Subscription | None, at_ms: int) -> None:
        """Takes in what a slot says now; None: that it does not have the instrument any more."""
        places = self._places.setdefault(name, {})
        if record is None:
            places.pop(slot, None)
        else:
            places[slot] = Place(at_ms, slot, record)
        if not places:
            del self._places[name]

    def current(self, name: str) -> Place | None:
        """The one that counts; None when it is not subscribed."""
        return max(self._places.get(name, {}).values(), key=lambda place: place.at, default=None)

    def slots(self, name: str) -> list[int]:
        """All slots that have it: more than one while it is moved."""
        return sorted(self._places.get(name, ()))

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
