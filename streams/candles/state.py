"""The state of one partition of ``ticks``: the candles in memory, as rows of growing arrays, and where they belong.

A *slot* is a row: one candle of one instrument. An instrument's day knows its slots and how far back its candles are
known; what lies before is in the archive and is read back when it is touched. Nothing here does I/O.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.market import Candle
from streams.archive.days import day_of
from streams.candles.lattice import (
    CLOSE,
    EMPTY_KEYS,
    EMPTY_PRICES,
    HIGH,
    LOW,
    NONE,
    OI,
    OPEN,
    VOLUME_FROM,
    VOLUME_TO,
)
from streams.candles.ticks import MINUTE_US

KEPT = 3  # durable candles of an instrument's day that stay in memory, the newest ones
DONE_US = 20 * 60 * MINUTE_US  # a day whose last candle is this old is forgotten
NEVER = 1 << 62
_KNOWN_NAMES = 4096


@dataclass(slots=True, eq=False)
class InstrumentDay:
    """One instrument's candles of one day."""

    who: int
    instrument: str
    day: date
    known_from: int  # all candles after this start are in memory; 0: all of the day
    wanted_from: int = NEVER  # the earliest start that was touched before ``known_from``
    listed: bool = False  # the archive knows that this day exists and is open
    starts: list[int] = field(default_factory=list)  # ascending
    slots: dict[int, int] = field(default_factory=dict)  # start -> slot
    gaps: list[tuple[int, int]] = field(default_factory=list)  # (first, last) minute starts that a gap touches

    def before(self, start: int) -> int:
        """The slot of the candle before this one; -1 when there is none in memory."""
        at = bisect_left(self.starts, start)
        return self.slots[self.starts[at - 1]] if at else -1

    def after(self, start: int) -> int:
        """The slot of the candle after this one; -1 when there is none."""
        if not self.starts or start >= self.starts[-1]:
            return -1
        return self.slots[self.starts[bisect_left(self.starts, start + 1)]]


class PartitionState:
    """The candles in memory of one partition.

    ``archived``: every candle is stored, so old ones are forgotten, and what is stored has to be read before it is
    touched (``unread``). Without, all candles stay in memory.
    """

    def __init__(self, *, archived: bool = False) -> None:
        self.archived = archived
        self.clock_us = 0  # the largest receive or send time seen
        self.ticks = 0
        self.ignored = 0
        self.names: list[str] = []
        self.numbers: dict[str, int] = {}
        self._numbers_of: dict[tuple[str, ...], NDArray[np.int64]] = {}
        # by instrument
        self.current_start = np.empty(0, np.int64)
        self.current_slot = np.empty(0, np.int64)
        self.proof = np.empty(0, np.int64)  # the exchange's time up to which the instrument's trades are known
        self.receive = np.empty(0, np.int64)
        # by slot
        self.prices = np.empty((0, 4))
        self.keys = np.empty((0, 9), np.int64)
        self.start = np.empty(0, np.int64)
        self.who = np.empty(0, np.int64)
        self.dirty = np.empty(0, np.bool_)
        self.open = np.empty(0, np.bool_)  # in use and not complete yet
        self.gap = np.empty(0, np.bool_)
        self.day: list[InstrumentDay | None] = []
        self.shown: list[tuple[int, bool]] = []  # volume and gap as last handed out: they follow from neighbours too
        self.revision: list[int] = []
        self.source: list[Literal["ticks", "history"]] = []
        self.told: dict[int, tuple[Any, ...]] = {}  # slot -> what was last published of a complete candle
        self._free: list[int] = []  # slots that are empty
        self._dropped: list[int] = []  # slots to be emptied; complete and durable, so nothing looks at them
        self.slot_of: dict[tuple[int, int], int] = {}  # (who, start) -> slot
        self.days: dict[tuple[int, date], InstrumentDay] = {}
        self.unread: dict[tuple[int, date], InstrumentDay] = {}  # those with candles to be read from the archive
        self.dropped: list[InstrumentDay] = []  # days that were forgotten since this was last emptied
        self._looked = (0, 0)

    # instruments -----------------------------------------------------------------------------------------------

    def numbers_of(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """The instruments' numbers in this state, new ones for new names."""
        found = self._numbers_of.get(names)
        if found is None:
            found = np.array([self._number(name) for name in names], np.int64)
            if len(self._numbers_of) >= _KNOWN_NAMES:
                self._numbers_of.clear()
            self._numbers_of[names] = found
        return found

    def _number(self, name: str) -> int:
        number = self.numbers.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
            if number == len(self.proof):
                self.current_start = _grown(self.current_start, -1)
                self.current_slot = _grown(self.current_slot, -1)
                self.proof = _grown(self.proof, 0)
                self.receive = _grown(self.receive, 0)
        return number

    def instrument_day(self, instrument: str, day: date) -> InstrumentDay:
        """An instrument's day, made when it is not in memory."""
        who = self._number(instrument)
        found = self.days.get((who, day))
        if found is None:
            known_from = NEVER if self.archived else 0
            found = self.days[who, day] = InstrumentDay(who, instrument, day, known_from)
        return found

    def expect(self, instrument: str, day: date) -> None:
        """Says that the archive may have open candles of an instrument's day: its newest ones are to be read."""
        of = self.instrument_day(instrument, day)
        if of.known_from == NEVER:
            of.wanted_from = min(of.wanted_from, NEVER - 1)
            self.unread[of.who, of.day] = of

    # candles ---------------------------------------------------------------------------------------------------

    def touch(self, who: int, start: int) -> int:
        """The slot of a candle that a tick belongs to. Marks what must be read from the archive first."""
        slot = self.slot_of.get((who, start))
        if slot is not None:
            of = self.day[slot]
            assert of is not None  # noqa: S101 - a slot in use has its day
        else:
            name = self.names[who]
            of = self.instrument_day(name, day_of(name, start))
            slot = self.new_slot(of, start)
        if of.known_from and start <= of.known_from:
            of.wanted_from = min(of.wanted_from, start)
            self.unread[of.who, of.day] = of
        if start >= self.current_start[who]:
            self.current_start[who] = start
            self.current_slot[who] = slot
        return slot

    def new_slot(self, of: InstrumentDay, start: int) -> int:
        """An empty, open candle."""
        if not self._free:
            self._make_free()
        slot = self._free.pop()
        self.start[slot] = start
        self.who[slot] = of.who
        self.open[slot] = True
        if of.gaps:
            self.gap[slot] = any(first <= start <= last for first, last in of.gaps)
        self.day[slot] = of
        self.slot_of[of.who, start] = slot
        of.slots[start] = slot
        if of.starts and start < of.starts[-1]:
            insort(of.starts, start)
        else:
            of.starts.append(start)
        return slot

    def _make_free(self) -> None:
        """Empties the slots that were dropped, all at once; makes as many again as there are when that is none."""
        if not self._dropped:
            self._grow()
        slots = self._dropped
        self.prices[slots], self.keys[slots] = EMPTY_PRICES, EMPTY_KEYS
        self.open[slots] = self.dirty[slots] = self.gap[slots] = False
        for slot in slots:
            self.day[slot] = None
            self.shown[slot] = (-1, False)
            self.revision[slot] = 0
            self.source[slot] = "ticks"
        self._free, self._dropped = slots[::-1], []

    def _grow(self) -> None:
        old = len(self.start)
        new = max(64, old * 2)
        for name in ("prices", "keys", "start", "who", "dirty", "open", "gap"):
            array = getattr(self, name)
            grown = np.zeros((new, *array.shape[1:]), array.dtype)
            grown[:old] = array
            setattr(self, name, grown)
        self.day.extend([None] * (new - old))
        self.shown.extend([(-1, False)] * (new - old))
        self.revision.extend([0] * (new - old))
        self.source.extend(["ticks"] * (new - old))
        self._dropped.extend(range(old, new))

    def _drop(self, of: InstrumentDay, start: int) -> None:
        slot = of.slots.pop(start)
        del self.slot_of[of.who, start]
        if self.current_slot[of.who] == slot:
            self.current_start[of.who] = self.current_slot[of.who] = -1
        self.told.pop(slot, None)
        self._dropped.append(slot)

    def prune(self, of: InstrumentDay) -> None:
        """Forgets the older candles of a day that are complete and durable; they can be read back."""
        if not self.archived or len(of.starts) <= 2 * KEPT or of.wanted_from != NEVER:
            return
        cut = len(of.starts) - KEPT
        held = (at for at in range(cut) if self._held(of.slots[of.starts[at]]))
        cut = next(held, cut)
        if cut:
            for start in of.starts[:cut]:
                self._drop(of, start)
            del of.starts[:cut]
            of.known_from = of.starts[0]

    def prune_days(self) -> None:
        """Forgets whole days whose candles are all complete and durable and to which nothing belongs any more.

        Looks only once for each hour of the partition's clock, or when an instrument has got another day.
        """
        looked = (self.clock_us // (60 * MINUTE_US), len(self.days))
        if not self.archived or looked == self._looked:
            return
        newest: dict[int, date] = {}
        for who, day in self.days:
            newest[who] = max(day, newest.get(who, day))
        for (who, day), of in list(self.days.items()):
            last = of.starts[-1] if of.starts else 0
            old = day < newest[who] or last + DONE_US < self.clock_us
            if old and of.wanted_from == NEVER and not any(self._held(slot) for slot in of.slots.values()):
                for start in of.starts:
                    self._drop(of, start)
                del self.days[who, day]
                if of.listed:
                    self.dropped.append(of)
        self._looked = (looked[0], len(self.days))

    def _held(self, slot: int) -> bool:
        return bool(self.open[slot] or self.dirty[slot])

    def candle(self, slot: int) -> Candle:
        """A slot as the record."""
        return self.candles([slot])[0]

    def candles(self, slots: list[int]) -> list[Candle]:
        """Slots as records. Many at once: one look into an array costs as much as a row of plain numbers."""
        if not slots:
            return []
        columns = (self.start[slots], self.prices[slots], self.keys[slots], self.open[slots])
        rows = zip(slots, self.looks(slots), *(column.tolist() for column in columns), strict=True)
        return [
            Candle(
                self._day(slot).instrument,
                "1m",
                start,
                prices[OPEN],
                prices[HIGH],
                prices[LOW],
                prices[CLOSE],
                volume,
                keys[OI],
                (keys[0], keys[1], keys[2]),
                (keys[3], keys[4], keys[5]),
                keys[VOLUME_FROM] if keys[VOLUME_FROM] != NONE else -1,
                keys[VOLUME_TO],
                complete=not is_open,
                gap=gap,
                revision=self.revision[slot],
                source=self.source[slot],
            )
            for slot, (volume, gap), start, prices, keys, is_open in rows
        ]

    def looks(self, slots: list[int]) -> list[tuple[int, bool]]:
        """What of candles follows from their day and the candle before: (volume, gap) of each.

        The volume is what was traded since the candle before it, else since its own first trade. There is a gap when
        one was marked, and in the day's first candle while there was trade before.
        """
        if not slots:
            return []
        before = [self._day(slot).before(start) for slot, start in zip(slots, self.start[slots].tolist(), strict=True)]
        to, own = self.keys[slots, VOLUME_TO], self.keys[slots, VOLUME_FROM]
        since = np.where(np.array(before) < 0, -1, self.keys[before, VOLUME_TO])
        since = np.where(since >= 0, since, np.where(own == NONE, 0, own))
        volume = np.where(to < 0, 0, np.maximum(to - since, 0))
        late = [at < 0 and not self._day(slot).known_from for at, slot in zip(before, slots, strict=True)]
        gap = self.gap[slots] | (np.array(late) & (own > 0) & (own < NONE))
        return list(zip(volume.tolist(), gap.tolist(), strict=True))

    def _day(self, slot: int) -> InstrumentDay:
        of = self.day[slot]
        assert of is not None  # noqa: S101 - a slot in use has its day
        return of


def _grown(array: NDArray[Any], fill: int) -> NDArray[Any]:
    return np.concatenate((array, np.full(max(64, len(array)), fill, array.dtype)))
