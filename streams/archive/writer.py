"""Stores candles. Blocks: a stream calls it in a thread."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any

from cassandra.cluster import Session
from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement, Statement

from infra.metrics import CANDLE_ROWS
from schemas.market import Candle
from streams.archive.days import day_of
from streams.archive.queries import Queries

BATCH = 30  # rows in a batch: for minutes of one instrument it costs the server half of what batches of 10 do
BATCH_DAYS = 10  # instrument-days in a batch: with more Cassandra warns
BATCHES_IN_FLIGHT = 24

InstrumentDays = Iterable[tuple[str, date]]


class CandleWriter:
    """Upserts of one-minute candles and of what is known of their days. The driver's exceptions go to the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._queries = Queries(session)

    def write(self, candles: Sequence[Candle]) -> None:
        """Stores these versions; returns when all are durable. May be called again with the same after an error."""
        ordered = sorted(candles, key=attrgetter("instrument", "start_us"))
        self._queries.run_all(self._batches(ordered), BATCHES_IN_FLIGHT)
        CANDLE_ROWS.inc(len(ordered))

    def mark_days(self, ticks_partition: int, opened: InstrumentDays, closed: InstrumentDays = ()) -> None:
        """Notes the instrument-days that have candles, those that may have open ones and those that have none left."""
        days, opening, closing = (self._queries[name] for name in ("put_day", "open_day", "close_day"))
        rows: list[BoundStatement] = []
        for instrument, day in opened:
            rows.append(days.bind((instrument, day)))
            rows.append(opening.bind((ticks_partition, instrument, day)))
        self._queries.run_all(rows)
        self._queries.run_all(closing.bind((ticks_partition, instrument, day)) for instrument, day in closed)

    def _batches(self, candles: Iterable[Candle]) -> Iterator[Statement]:
        """Rows in unlogged batches, each for one replica, so that no coordinator has to pass them on.

        Neighbouring rows are minutes of one instrument: one mutation for the server.
        """
        put = self._queries["put_candle"]
        alone = len(self._session.cluster.metadata.all_hosts()) == 1
        waiting: dict[Any, _Batch] = {}
        for candle in candles:
            row = bind_candle(put, candle)
            replica = None if alone else self._replica(row)
            batch = waiting.get(replica)
            if batch is None or batch.is_full(row):
                if batch is not None:
                    yield batch.statement
                batch = waiting[replica] = _Batch()
            batch.add(row)
        yield from (batch.statement for batch in waiting.values())

    def _replica(self, row: BoundStatement) -> Any:
        replicas = self._session.cluster.metadata.get_replicas(self._session.keyspace, row.routing_key)
        return replicas[0].host_id if replicas else None


class _Batch:
    """An unlogged batch that is being filled."""

    def __init__(self) -> None:
        self.statement = BatchStatement(BatchType.UNLOGGED)
        self.statement.is_idempotent = True
        self._rows = self._days = 0
        self._day: list[bytes] = []  # instrument and day of the last row

    def is_full(self, row: BoundStatement) -> bool:
        """Whether it has no room for this row."""
        return self._rows == BATCH or (self._days == BATCH_DAYS and row.values[:2] != self._day)

    def add(self, row: BoundStatement) -> None:
        """Takes a row in."""
        self.statement.add(row)
        self._rows += 1
        if row.values[:2] != self._day:
            self._day = row.values[:2]
            self._days += 1


# start, four prices, volume, oi, two tuples of (length, value) thrice, volume from and to, revision
_NUMBERS = struct.Struct(">q4d2q" + "iq" * 6 + "2qi")
_FLAGS: dict[bool, bytes] = {False: b"\0", True: b"\1"}


def bind_candle(put: PreparedStatement, candle: Candle) -> BoundStatement:
    """``put_candle`` with a candle's values, in Cassandra's bytes.

    The driver's own ``bind`` looks up every column's type and takes eight times as long; at a million ticks a
    second that was a third of the worker's time. A test holds this against it.
    """
    c = candle
    (a, b, d), (e, f, g) = c.first, c.last
    packed = _NUMBERS.pack(
        c.start_us, c.open, c.high, c.low, c.close, c.volume, c.oi,
        8, a, 8, b, 8, d, 8, e, 8, f, 8, g, c.volume_from, c.volume_to, c.revision,
    )  # fmt: skip
    bound = BoundStatement(put)
    bound.values = [
        c.instrument.encode(), _day_bytes(day_of(c.instrument, c.start_us)),
        packed[:8], packed[8:16], packed[16:24], packed[24:32], packed[32:40], packed[40:48], packed[48:56],
        packed[56:92], packed[92:128], packed[128:136], packed[136:144],
        _FLAGS[c.complete], _FLAGS[c.gap], packed[144:], c.source.encode(),
    ]  # fmt: skip
    return bound


@lru_cache(maxsize=1024)
def _day_bytes(day: date) -> bytes:
    """A date as Cassandra has it: days since 1970, the middle of an unsigned number."""
    return struct.pack(">I", day.toordinal() - date(1970, 1, 1).toordinal() + (1 << 31))
