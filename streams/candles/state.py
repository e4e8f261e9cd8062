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

    def before(self, start: int) -> int | None:
        """The slot of the candle before this one, if there is one in memory."""
        at = bisect_left(self.starts, start)
        return self.slots[self.starts[at - 1]] if at else None

    def after(self, start: int) -> int | None:
        """The slot of the candle after this one."""
        at = bisect_left(self.starts, start + 1)
        return self.slots[self.starts[at]] if at < len(self.starts) else None


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
        self._free: list[int] = []
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
            self._grow()
        slot = self._free.pop()
        self.prices[slot] = EMPTY_PRICES
        self.keys[slot] = EMPTY_KEYS
        self.start[slot] = start
        self.who[slot] = of.who
        self.dirty[slot] = False
        self.open[slot] = True
        self.gap[slot] = any(first <= start <= last for first, last in of.gaps)
        self.day[slot] = of
        self.shown[slot] = (-1, False)
        self.revision[slot] = 0
        self.source[slot] = "ticks"
        self.slot_of[of.who, start] = slot
        of.slots[start] = slot
        insort(of.starts, start)
        return slot

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
        self._free.extend(range(new - 1, old - 1, -1))

    def _drop(self, of: InstrumentDay, start: int) -> None:
        slot = of.slots.pop(start)
        del self.slot_of[of.who, start]
        if self.current_slot[of.who] == slot:
            self.current_start[of.who] = self.current_slot[of.who] = -1
        self.told.pop(slot, None)
        self.open[slot] = self.dirty[slot] = False
        self.day[slot] = None
        self._free.append(slot)

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
        """A slot as the record. Its volume is what the day so far makes of it."""
        return self.candles([slot])[0]

    def candles(self, slots: list[int]) -> list[Candle]:
        """Slots as records. Many at once: one look into an array costs as much as a row of plain numbers."""
        columns = (self.start[slots], self.prices[slots], self.keys[slots], self.open[slots])
        rows = zip(slots, *(column.tolist() for column in columns), strict=True)
        return [
            Candle(
                self.names[self._day(slot).who],
                "1m",
                start,
                prices[OPEN],
                prices[HIGH],
                prices[LOW],
                prices[CLOSE],
                self.volume_of(slot),
                keys[OI],
                (keys[0], keys[1], keys[2]),
                (keys[3], keys[4], keys[5]),
                keys[VOLUME_FROM] if keys[VOLUME_FROM] != NONE else -1,
                keys[VOLUME_TO],
                complete=not is_open,
                gap=self.gap_of(slot),
                revision=self.revision[slot],
                source=self.source[slot],
            )
            for slot, start, prices, keys, is_open in rows
        ]

    def volume_of(self, slot: int) -> int:
        """A candle's volume: what was traded since the candle before it, else since its own first trade."""
        to, own = int(self.keys[slot, VOLUME_TO]), int(self.keys[slot, VOLUME_FROM])
        if to < 0:
            return 0
        previous = self._day(slot).before(int(self.start[slot]))
        since = -1 if previous is None else int(self.keys[previous, VOLUME_TO])
        if since < 0:
            since = own if own != NONE else 0
        return max(to - since, 0)

    def gap_of(self, slot: int) -> bool:
        """Whether ticks may be missing in or beside it: marked so, or the day's first while there was trade before."""
        if self.gap[slot]:
            return True
        of, own = self._day(slot), self.keys[slot, VOLUME_FROM]
        return bool(not of.known_from and of.starts[0] == self.start[slot] and 0 < own < NONE)

    def _day(self, slot: int) -> InstrumentDay:
        of = self.day[slot]
        assert of is not None  # noqa: S101 - a slot in use has its day
        return of


def _grown(array: NDArray[Any], fill: int) -> NDArray[Any]:
    return np.concatenate((array, np.full(max(64, len(array)), fill, array.dtype)))
