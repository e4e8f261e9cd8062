"""The live table: what is known now of every instrument, as a fold of the batches of topic ``ticks``.

The fold is vectorised (one assignment a column and batch) and knows no wall clock: all it keeps comes from the
records. Rates need one, so whoever owns the table calls :meth:`LiveTable.sample` about once a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.market import TickKind
from schemas.ticks import TickBatch

DAY_US = 86_400_000_000  # of UTC: no session of India's or America's exchanges crosses its midnight
RATE_WINDOW_S = 5.0
_GROW = 1024
_KNOWN_NAMES = 4096
_PRICES = ("last_price", "open", "high", "low", "close")
_WHOLE = ("volume", "receive_us", "ticks", "kind", "worker", "partition")
_KINDS = {int(kind): kind for kind in TickKind}

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Live:
    """One instrument as it is now. ``None``: the packets of its mode do not tell it (``ltp`` has only the price)."""

    instrument: str
    kind: TickKind
    worker: str
    last_price: float
    close: float | None  # the previous day's
    open: float | None  # of the day, as the exchange says
    high: float | None
    low: float | None
    volume: int | None  # of the day
    receive_us: int  # market time of its last tick
    ticks: int  # seen since this table was made
    ticks_per_s: float

    @property
    def change(self) -> float | None:
        """Against the previous close, in the price's unit."""
        return None if self.close is None else self.last_price - self.close

    @property
    def change_percent(self) -> float | None:
        """Against the previous close, in percent."""
        return None if not self.close else (self.last_price / self.close - 1) * 100


@dataclass(frozen=True, slots=True)
class Last:
    """An instrument's last price, and how far its partition has spoken: until then there was no later one."""

    price: float  # 0 when what came was none
    receive_us: int  # market time of its last tick
    clock_us: int  # market time


@dataclass(frozen=True, slots=True)
class Totals:
    """What the table has taken in, and how fast."""

    instruments: int
    ticks: int
    batches: int  # signs of life are not counted
    ticks_per_s: float
    batches_per_s: float
    clock_us: int  # market time up to which the slowest partition has spoken, 0 when none has


@dataclass(frozen=True, slots=True)
class _Sample:
    at_s: float
    ticks: NDArray[np.int64]
    batches: int
    workers: dict[str, int]


class LiveTable:
    """The fold. Not locked: :class:`streams.prices.reader.LivePrices` keeps one for several threads."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.batches = 0
        self.clocks: dict[int, int] = {}  # partition -> largest time it has told
        self.worker_ticks: dict[str, int] = {}
        self._row_of: dict[str, int] = {}
        self._rows_of: dict[tuple[str, ...], Rows] = {}
        self._workers: list[str] = []
        self._worker_number: dict[str, int] = {}
        self._columns: dict[str, NDArray[Any]] = {
            **{name: np.empty(0) for name in _PRICES},
            **{
                name: np.empty(0, np.int64) for name in ("volume", "receive_us", "ticks", "kind", "worker", "partition")
            },
        }
        self._samples: deque[_Sample] = deque()

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, instrument: str) -> bool:
        return instrument in self._row_of

    def fold(self, batch: TickBatch, partition: int = 0) -> None:
        """Takes in one record of a partition. Ticks older than what is known of their instrument only count."""
        last = int(batch.receive_us[-1]) if len(batch) else 0
        self.clocks[partition] = max(self.clocks.get(partition, 0), batch.sent_us, last)
        if not len(batch):
            return
        self.batches += 1
        self.worker_ticks[batch.worker] = self.worker_ticks.get(batch.worker, 0) + len(batch)
        rows = self._rows(batch.names)[batch.instrument]
        np.add.at(self._columns["ticks"], rows, 1)
        current = batch.receive_us >= self._columns["receive_us"][rows]
        if not current.all():  # two workers for a moment, during a handover
            rows, batch = rows[current], batch.take(current)
        self._columns["partition"][rows] = partition
        self._take(rows, batch)

    def _take(self, rows: Rows, batch: TickBatch) -> None:
        """Where a row appears twice numpy keeps the last value, which is the later tick."""
        columns = self._columns
        quoted = batch.kind != TickKind.LTP
        if quoted.all():
            self._take_quotes(rows, batch, slice(None))
        else:
            self._forget_other_days(rows[~quoted], batch.receive_us[~quoted])
            self._take_quotes(rows[quoted], batch, quoted)
        columns["last_price"][rows] = batch.last_price
        columns["receive_us"][rows] = batch.receive_us
        columns["kind"][rows] = batch.kind
        columns["worker"][rows] = self._number(batch.worker)

    def _take_quotes(self, rows: Rows, batch: TickBatch, which: Any) -> None:
        for name in ("open", "high", "low", "close", "volume"):
            self._columns[name][rows] = getattr(batch, name)[which]

    def _forget_other_days(self, rows: Rows, receive_us: NDArray[np.int64]) -> None:
        """An ``ltp`` tick says nothing of the day: what an earlier mode told stays true until the day is over."""
        old = rows[self._columns["receive_us"][rows] // DAY_US != receive_us // DAY_US]
        for name in ("open", "high", "low", "close"):
            self._columns[name][old] = 0
        self._columns["volume"][old] = -1

    def _rows(self, names: tuple[str, ...]) -> Rows:
        """Table rows of a batch's names. Workers repeat their names, so each list is looked up once."""
        if (known := self._rows_of.get(names)) is not None:
            return known
        if len(self._rows_of) >= _KNOWN_NAMES:
            self._rows_of.clear()
        for name in names:
            if name not in self._row_of:
                self._row_of[name] = len(self.names)
                self.names.append(name)
        self._make_room(len(self.names))
        rows = self._rows_of[names] = np.array([self._row_of[name] for name in names], np.intp)
        return rows

    def _make_room(self, wanted: int) -> None:
        have = len(self._columns["ticks"])
        if wanted <= have:
            return
        more = max(_GROW, have, wanted - have)
        for name, column in self._columns.items():
            absent = -1 if name == "volume" else 0
            self._columns[name] = np.concatenate([column, np.full(more, absent, column.dtype)])

    def _number(self, worker: str) -> int:
        number = self._worker_number.setdefault(worker, len(self._workers))
        if number == len(self._workers):
            self._workers.append(worker)
        return number

    def sample(self, at_s: float) -> None:
        """Notes the counters at an instant of a monotonic clock; rates are over the last few seconds of samples."""
        self._samples.append(_Sample(at_s, self._columns["ticks"].copy(), self.batches, dict(self.worker_ticks)))
        while len(self._samples) > 2 and at_s - self._samples[1].at_s >= RATE_WINDOW_S:
            self._samples.popleft()

    def _span(self) -> tuple[_Sample, _Sample, float] | None:
        if len(self._samples) < 2:
            return None
        first, last = self._samples[0], self._samples[-1]
        return first, last, max(last.at_s - first.at_s, 1e-3)

    def rates(self) -> NDArray[np.float64]:
        """Ticks per second of every row, shape ``(len(self),)``."""
        made = np.zeros(len(self))
        if span := self._span():
            first, last, seconds = span
            counted = min(len(self), len(last.ticks))
            earlier = np.zeros(counted, np.int64)
            kept = min(counted, len(first.ticks))
            earlier[:kept] = first.ticks[:kept]
            made[:counted] = (last.ticks[:counted] - earlier) / seconds
        return made

    def worker_rates(self) -> dict[str, float]:
        """Ticks per second that came from each worker."""
        span = self._span()
        if not span:
            return {}
        first, last, seconds = span
        return {name: (count - first.workers.get(name, 0)) / seconds for name, count in last.workers.items()}

    def totals(self) -> Totals:
        """The sums over all instruments."""
        rates, batches = self.worker_rates(), 0.0
        if span := self._span():
            first, last, seconds = span
            batches = (last.batches - first.batches) / seconds
        ticks = sum(self.worker_ticks.values())
        clock = min(self.clocks.values(), default=0)
        return Totals(len(self), ticks, self.batches, sum(rates.values()), batches, clock)

    def last(self, instrument: str) -> Last | None:
        """The last price of an instrument that ticked. Quick, and needs no lock: while the fold is at that very row,
        the price may be a tick ahead of its time."""
        columns, row = self._columns, self._row_of.get(instrument)
        if row is None or row >= len(columns["receive_us"]) or not columns["receive_us"][row]:
            return None  # its first tick is just being folded
        clock = self.clocks.get(int(columns["partition"][row]), 0)
        return Last(_price(columns["last_price"][row]), int(columns["receive_us"][row]), clock)

    def of(self, instruments: Iterable[str]) -> dict[str, Live]:
        """What is known of these instruments; those that never ticked are left out."""
        rates = self.rates()
        known = ((name, self._row_of.get(name)) for name in instruments)
        return {name: self._live(row, float(rates[row])) for name, row in known if row is not None}

    def _live(self, row: int, rate: float) -> Live:
        columns = self._columns
        volume = int(columns["volume"][row])
        day = {name: _price(columns[name][row]) or None for name in ("close", "open", "high", "low")}
        return Live(
            instrument=self.names[row],
            kind=_KINDS.get(int(columns["kind"][row]), TickKind.LTP),
            worker=self._workers[int(columns["worker"][row])],
            last_price=_price(columns["last_price"][row]),
            volume=volume if volume >= 0 else None,
            receive_us=int(columns["receive_us"][row]),
            ticks=int(columns["ticks"][row]),
            ticks_per_s=rate,
            **day,
        )


def _price(value: Any) -> float:
    """A record may hold any eight bytes; what is no number is no price."""
    price = float(value)
    return price if isfinite(price) else 0.0
