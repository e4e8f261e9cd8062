"""What has to be written so that instruments are subscribed, changed or removed. Pure: plans, writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from schemas.market import Instrument, Mode, Subscription
from streams.console.errors import DoesNotFitError
from streams.console.feed import FeedState

PER_WORKER = 3000  # instruments that a Kite connection carries


@dataclass(frozen=True, slots=True)
class Write:
    """A record of ``subscriptions``, or a tombstone, for one slot."""

    slot: int
    instrument: str
    record: Subscription | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The records to write, and what they mean for a person."""

    writes: list[Write]
    added: list[str]
    changed: list[str]
    unchanged: list[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """Into how many parts the feed is cut."""

    slots: int  # partitions of ``subscriptions``
    partitions: int  # of ``ticks``
    workers: int  # that run or are wanted
    most_workers: int  # that may run

    @property
    def capacity(self) -> int:
        """Instruments that fit: slots are whole, so the worker with the most of them sets the limit."""
        workers = min(max(self.workers, 1), self.slots)
        return PER_WORKER // -(-self.slots // workers) * self.slots


def plan_add(state: FeedState, wanted: Iterable[Instrument], mode: Mode, layout: Layout) -> Plan:
    """New instruments go to the emptiest slot and the emptiest ticks partition; known ones get the mode in place.

    DoesNotFitError when there are more than the workers' connections carry.
    """
    plan = Plan([], [], [], [])
    slots, partitions = _loads(state, layout)
    for instrument in {i.instrument: i for i in wanted}.values():
        name = instrument.instrument
        if place := state.subscribed.current(name):
            if place.record.mode == mode:
                plan.unchanged.append(name)
            else:
                plan.writes.append(Write(place.slot, name, replace(place.record, mode=mode)))
                plan.changed.append(name)
            continue
        slot, partition = _emptiest(slots), _emptiest(partitions)
        slots[slot] += 1
        partitions[partition] += 1
        record = Subscription(name, instrument.provider, instrument.token, mode, partition)
        plan.writes.append(Write(slot, name, record))
        plan.added.append(name)
    _check_fits(len(state.subscribed) + len(plan.added), len(plan.added), layout)
    return plan


def plan_remove(state: FeedState, names: Sequence[str]) -> list[Write]:
    """A tombstone in every slot in which one of these instruments lies."""
    return [Write(slot, name, None) for name in dict.fromkeys(names) for slot in state.subscribed.slots(name)]


def _loads(state: FeedState, layout: Layout) -> tuple[Counter[int], Counter[int]]:
    slots = Counter(dict.fromkeys(range(layout.slots), 0))
    partitions = Counter(dict.fromkeys(range(layout.partitions), 0))
    for name in state.subscribed:
        if place := state.subscribed.current(name):
            slots[place.slot] += 1
            if place.record.partition in partitions:
                partitions[place.record.partition] += 1
    return slots, partitions


def _emptiest(loads: Counter[int]) -> int:
    return min(loads, key=lambda number: (loads[number], number))


def _check_fits(total: int, added: int, layout: Layout) -> None:
    if not added or total <= layout.capacity:
        return
    more = (replace(layout, workers=n) for n in range(layout.workers + 1, layout.most_workers + 1))
    fitting = next((bigger.workers for bigger in more if bigger.capacity >= total), None)
    workers = f"{layout.workers} worker{'s' * (layout.workers != 1)}"
    remedy = f"start more with `./portfolio feed workers {fitting}`" if fitting else "remove some first"
    fits = f"{PER_WORKER} a connection, so {layout.capacity} in all"
    raise DoesNotFitError(f"{total} instruments do not fit on {workers} ({fits}): {remedy}.")
