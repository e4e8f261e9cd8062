"""Who streams what: pure decisions over the contents of the slots.

A *slot* is a partition of ``subscriptions``. Kafka's group protocol shares slots among the workers; this module
says which records to move so that each worker has as many instruments as the others, and mends what people
wrote by hand (the same instrument in two slots, a removal that fell into another slot, no partition given).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from schemas.market import Subscription


@dataclass(frozen=True, slots=True)
class Written:
    """A record as it lies in a slot, and when it was written (Kafka's time, then offset)."""

    subscription: Subscription
    at: tuple[int, int]


@dataclass(slots=True)
class Slots:
    """What all slots hold, folded from ``subscriptions``."""

    held: dict[int, dict[str, Written]] = field(default_factory=dict)
    removed: dict[str, tuple[int, int]] = field(default_factory=dict)  # by instrument: the newest real tombstone

    def put(
        self, slot: int, instrument: str, subscription: Subscription | None, at: tuple[int, int], moved: bool
    ) -> None:
        """One record of the topic; ``moved`` marks the tombstone that a move leaves behind."""
        if subscription is not None:
            self.held.setdefault(slot, {})[instrument] = Written(subscription, at)
            return
        self.held.get(slot, {}).pop(instrument, None)
        if not moved:
            self.removed[instrument] = max(at, self.removed.get(instrument, (0, 0)))


@dataclass(frozen=True, slots=True)
class Write:
    """Put this record into the slot."""

    slot: int
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Erase:
    """Leave a tombstone in the slot; ``moved`` when the instrument lives on in another."""

    slot: int
    instrument: str
    moved: bool


Step = Write | Erase
Known = Callable[[str], int | None]  # an instrument's token, None when no such instrument is known


def mend(slots: Slots, partitions: int, token_of: Known) -> list[Step]:
    """What sets right records written by hand. Records of unknown instruments are erased."""
    steps: list[Step] = []
    loads = _partition_loads(slots, partitions)
    for instrument, places in _places(slots).items():
        newest = max(places, key=lambda slot: slots.held[slot][instrument].at)
        written = slots.held[newest][instrument]
        token = token_of(instrument)
        if slots.removed.get(instrument, (0, 0)) > written.at or token is None:
            steps += [Erase(slot, instrument, moved=False) for slot in places]
            continue
        given = next(
            (p for slot in places if (p := slots.held[slot][instrument].subscription.partition) in range(partitions)),
            -1,
        )
        if given < 0:
            given = min(range(partitions), key=lambda p: (loads[p], p))
            loads[given] += 1
        right = replace(written.subscription, token=token, partition=given)
        if right != written.subscription:
            steps.append(Write(newest, right))
        steps += [Erase(slot, instrument, moved=True) for slot in places if slot != newest]
    return steps


def even_out(slots: Slots, owners: Mapping[int, str]) -> list[Step]:
    """The fewest moves after which no worker has two instruments more than another.

    ``owners``: which worker streams each slot. Moves go from the fullest slot of the fullest worker to the
    emptiest slot of the emptiest, newest records first, so that long-running streams stay where they are.
    """
    counts = {slot: len(slots.held.get(slot, {})) for slot in owners}
    total: Counter[str] = Counter()
    for slot, worker in owners.items():
        total[worker] += counts[slot]
    stacks: dict[int, list[Written]] = {}
    steps: list[Step] = []
    while len(total) > 1:
        most = max(total, key=lambda w: (total[w], w))
        least = min(total, key=lambda w: (total[w], w))
        if total[most] - total[least] <= 1:
            break
        source = max((s for s, w in owners.items() if w == most), key=lambda s: (counts[s], s))
        target = min((s for s, w in owners.items() if w == least), key=lambda s: (counts[s], s))
        if source not in stacks:
            stacks[source] = sorted(slots.held[source].values(), key=lambda written: written.at)
        moving = stacks[source].pop().subscription
        steps += [Write(target, moving), Erase(source, moving.instrument, moved=True)]
        for slot, worker, change in ((source, most, -1), (target, least, 1)):
            counts[slot] += change
            total[worker] += change
    return steps


def _places(slots: Slots) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for slot, records in sorted(slots.held.items()):
        for instrument in records:
            places.setdefault(instrument, []).append(slot)
    return places


def _partition_loads(slots: Slots, partitions: int) -> Counter[int]:
    loads: Counter[int] = Counter(dict.fromkeys(range(partitions), 0))
    loads.update(w.subscription.partition for records in slots.held.values() for w in records.values())
    return loads
