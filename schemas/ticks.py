"""TickBatch: many ticks in one record, as columns.

In Avro each column is a ``bytes`` field of packed little-endian values; ``COLUMNS`` names their element types.
Any language reads one in a line: ``numpy.frombuffer(record["last_price"], "<f8")``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
DEPTH_LEVELS = 10  # five bids, best first, then five asks, best first

COLUMNS: dict[str, str] = {
    "instrument": "<u2",  # index into ``names``
    "kind": "<u1",  # schemas.market.TickKind
    "receive_us": "<i8",
    "exchange_us": "<i8",  # 0: the packet had none
    "last_trade_us": "<i8",  # 0: none
    "last_price": "<f8",
    "last_quantity": "<u4",
    "average_price": "<f8",
    "volume": "<i8",  # cumulative for the day; -1: the packet had none
    "buy_quantity": "<u4",
    "sell_quantity": "<u4",
    "open": "<f8",
    "high": "<f8",
    "low": "<f8",
    "close": "<f8",  # the previous day's
    "oi": "<i8",  # -1: none
    "oi_day_high": "<i8",
    "oi_day_low": "<i8",
    "resumed_us": "<i8",  # not 0: first tick after an interruption; covered only up to this time
}
DEPTH: dict[str, str] = {"depth_price": "<f8", "depth_quantity": "<u4", "depth_orders": "<u2"}
_DTYPES = {name: np.dtype(dtype) for name, dtype in COLUMNS.items()}
_DEPTH_DTYPES = {name: np.dtype(dtype) for name, dtype in DEPTH.items()}
_REQUIRED = ("instrument", "kind", "receive_us", "last_price")
ABSENT = {"volume": -1, "oi": -1}  # what a column holds of packets that do not have it; 0 where it is not named
_ABSENT_BYTE = {"volume": b"\xff", "oi": b"\xff"}


@dataclass(frozen=True, slots=True, eq=False)
class TickBatch:
    """Ticks of one partition in the order in which they were received.

    Every column has shape ``(n,)``, depth columns ``(n, 10)``; depth columns are ``(0, 10)`` when no tick of
    the batch has depth. In the bytes a column that says nothing (all zero, or all absent) is left empty.
    An empty batch (n = 0) is a sign of life: its ``sent_us`` says that nothing happened until then.
    """

    provider: str
    worker: str
    sent_us: int
    names: tuple[str, ...]
    instrument: Column
    kind: Column
    receive_us: Column
    exchange_us: Column
    last_trade_us: Column
    last_price: Column
    last_quantity: Column
    average_price: Column
    volume: Column
    buy_quantity: Column
    sell_quantity: Column
    open: Column
    high: Column
    low: Column
    close: Column
    oi: Column
    oi_day_high: Column
    oi_day_low: Column
    resumed_us: Column
    depth_price: Column
    depth_quantity: Column
    depth_orders: Column

    def __len__(self) -> int:
        return len(self.last_price)

    def take(self, rows: Column) -> TickBatch:
        """The same batch with only these rows (an index or boolean array); ``names`` are kept."""
        values = {name: getattr(self, name)[rows] for name in COLUMNS}
        has_depth = len(self.depth_price) > 0
        values |= {name: getattr(self, name)[rows] if has_depth else getattr(self, name) for name in DEPTH}
        return TickBatch(self.provider, self.worker, self.sent_us, self.names, **values)

    def to_avro(self) -> dict[str, Any]:
        """The record as fastavro writes it."""
        record: dict[str, Any] = {
            "provider": self.provider,
            "worker": self.worker,
            "sent_us": self.sent_us,
            "names": "\n".join(self.names),
            "count": len(self),
        }
        for name in COLUMNS:
            packed = getattr(self, name).tobytes()
            # all zero or all absent? strip looks no further than the first byte that says something
            record[name] = packed if name in _REQUIRED or packed.strip(_ABSENT_BYTE.get(name, b"\0")) else b""
        for name in DEPTH:
            record[name] = getattr(self, name).tobytes()
        return record


def fields_of(record: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Some fields of a batch from its Avro record, the reverse of :meth:`TickBatch.to_avro`.

    Columns are views of the record's bytes, or shared, and read-only. ValueError when a column's length is not that of
    the batch.
    """
    count = record["count"]
    values: dict[str, Any] = {}
    for name in wanted:
        found = record[name]
        if name in _DTYPES:
            column = np.frombuffer(found, _DTYPES[name]) if found or not count else absent_column(name, count)
            if len(column) != count:
                raise ValueError(f"column {name} has {len(column)} values, the batch {count} ticks")
            values[name] = column
        elif name in _DEPTH_DTYPES:
            column = np.frombuffer(found, _DEPTH_DTYPES[name])
            if column.size not in (0, count * DEPTH_LEVELS):
                raise ValueError(f"column {name} has {column.size} values, the batch {count} ticks")
            values[name] = column.reshape(-1, DEPTH_LEVELS)
        else:
            values[name] = _split(found) if name == "names" else found
    if count and int(values["instrument"].max()) >= len(values["names"]):
        raise ValueError("the batch refers to an instrument that it does not name")
    return values


@lru_cache(maxsize=1024)
def absent_column(name: str, count: int) -> Column:
    """A column that says nothing, shape ``(count,)``: shared, so read-only."""
    column = np.full(count, ABSENT.get(name, 0), COLUMNS[name])
    column.flags.writeable = False
    return column


@lru_cache(maxsize=4096)
def _split(names: str) -> tuple[str, ...]:
    """Workers send the same names again and again: split each once."""
    return tuple(names.split("\n")) if names else ()


def empty_batch(provider: str, worker: str, sent_us: int) -> TickBatch:
    """A sign of life: no ticks, and nothing missed until ``sent_us``."""
    columns = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
    columns |= {name: np.empty((0, DEPTH_LEVELS), dtype) for name, dtype in DEPTH.items()}
    return TickBatch(provider, worker, sent_us, (), **columns)


FIELDS = tuple(f.name for f in fields(TickBatch))
assert FIELDS[4:] == (*COLUMNS, *DEPTH)  # noqa: S101 - one list, kept in step
