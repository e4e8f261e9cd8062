"""The last tick of every instrument: what an order meets that comes before the next one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from producers.paper.quote import TICK_SIZE, Quote, quote
from schemas.market import TickKind
from schemas.ticks import DEPTH_LEVELS, TickBatch

_GROW = 1024
_KNOWN_NAMES = 4096


class Table:
    """A fold of tick batches, one assignment a column and batch."""

    def __init__(self) -> None:
        self._row_of: dict[str, int] = {}
        self._rows_of: dict[tuple[str, ...], NDArray[np.intp]] = {}
        self._columns: dict[str, NDArray[Any]] = {
            "at_us": np.zeros(0, np.int64), "last": np.zeros(0), "volume": np.zeros(0, np.int64),
            "shown": np.zeros(0, bool), "depth_price": np.zeros((0, DEPTH_LEVELS)),
            "depth_quantity": np.zeros((0, DEPTH_LEVELS), np.int64),
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._row_of)

    def fold(self, batch: TickBatch) -> None:
        """Takes in a batch; ticks older than what is known of their instrument are left aside."""
        if not len(batch):
            return
        rows = self._rows(batch.names)[batch.instrument]
        current = batch.receive_us >= self._columns["at_us"][rows]
        if not current.all():
            rows, batch = rows[current], batch.take(current)
        shown = batch.kind == TickKind.FULL if len(batch.depth_price) else np.zeros(len(batch), bool)
        for name, values in (
            ("at_us", batch.receive_us), ("last", batch.last_price), ("volume", batch.volume), ("shown", shown)
        ):  # fmt: skip
            self._columns[name][rows] = values  # where a row comes twice the later tick stays
        if len(batch.depth_price):
            self._columns["depth_price"][rows] = batch.depth_price
            self._columns["depth_quantity"][rows] = batch.depth_quantity

    def quote(self, instrument: str, tick_size: float = TICK_SIZE) -> Quote | None:
        """What was shown last; None when nothing was, or no price."""
        row = self._row_of.get(instrument)
        if row is None:
            return None
        of = {name: column[row] for name, column in self._columns.items()}
        depth = (of["depth_price"], of["depth_quantity"]) if of["shown"] else None
        return quote(int(of["at_us"]), float(of["last"]), int(of["volume"]), depth, tick_size)

    def _rows(self, names: tuple[str, ...]) -> NDArray[np.intp]:
        if (known := self._rows_of.get(names)) is not None:
            return known
        if len(self._rows_of) >= _KNOWN_NAMES:
            self._rows_of.clear()
        rows = self._rows_of[names] = np.array([self._row_of.setdefault(n, len(self._row_of)) for n in names], np.intp)
        have = len(self._columns["last"])
        if len(self._row_of) > have:
            more = max(_GROW, have, len(self._row_of) - have)
            for name, column in self._columns.items():
                grown = np.zeros((more, *column.shape[1:]), column.dtype)
                self._columns[name] = np.concatenate([column, grown])
        return rows
