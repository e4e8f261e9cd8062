"""TickBatch: many ticks in one record, as columns.

In Avro each column is a ``bytes`` field of packed little-endian values; ``COLUMNS`` names their element types.
Any language reads one in a line: ``numpy.frombuffer(record["last_price"], "<f8")``.
"""

from __future__ import annotations

from collections.abc import Mapping
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
_REQUIRED = ("instrument", "kind", "receive_us", "last_price")
_ABSENT = {"volume": -1, "oi": -1}
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

    @classmethod
    def from_avro(cls, record: Mapping[str, Any]) -> TickBatch:
        """The reverse of :meth:`to_avro`. ValueError when a column's length is not that of the batch."""
        count = record["count"]
        values: dict[str, Column] = {}
        for name, dtype in COLUMNS.items():
            packed = record[name]
            if packed or not count:
                values[name] = np.frombuffer(packed, dtype)
            else:
                values[name] = np.full(count, _ABSENT.get(name, 0), dtype)
            if len(values[name]) != count:
                raise ValueError(f"column {name} has {len(values[name])} values, the batch {count} ticks")
        for name, dtype in DEPTH.items():
            values[name] = np.frombuffer(record[name], dtype).reshape(-1, DEPTH_LEVELS)
            if len(values[name]) not in (0, count):
                raise ValueError(f"column {name} has {len(values[name])} rows, the batch {count} ticks")
        names = _split(record["names"])
        if count and int(values["instrument"].max()) >= len(names):
            raise ValueError("the batch refers to an instrument that it does not name")
        return cls(record["provider"], record["worker"], record["sent_us"], names, **values)


@lru_cache(maxsize=4096)
def _split(names: str) -> tuple[str, ...]:
    """Workers send the same names again and again: split each once."""
    return tuple(names.split("\n")) if names else ()


def empty_batch(provider: str, worker: str, sent_us: int) -> TickBatch:
    """A sign of life: no ticks, and nothing missed until ``sent_us``."""
    columns = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
    columns |= {name: np.empty((0, DEPTH_LEVELS), dtype) for name, dtype in DEPTH.items()}
    return TickBatch(provider, worker, sent_us, (), **columns)


assert [f.name for f in fields(TickBatch)][4:] == [*COLUMNS, *DEPTH]  # noqa: S101 - one list, kept in step
