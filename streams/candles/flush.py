"""Makes what was folded durable: stored candles merged in, closed candles told, all stored, then acknowledged.

Everything that waits for a server runs in a thread; the state is touched only between, on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from cassandra import DriverException
from cassandra.cluster import NoHostAvailable
from confluent_kafka import KafkaException, Producer

from infra.cassandra import connect
from infra.errors import UserError
from infra.metrics import CANDLE_FLUSH
from infra.settings import Settings
from schemas.codec import encode
from schemas.market import Candle
from schemas.topics import CANDLES
from streams.archive.reader import CandleReader
from streams.archive.writer import CandleWriter
from streams.candles.fold import absorb
from streams.candles.share import Share
from streams.candles.state import NEVER, InstrumentDay

PAUSE_S = 0.5  # at least, from the start of one flush to the start of the next
OPEN_SHARE = 4.0  # rewriting candles that are still open may take at most one part in so many of the time
FIRST_BACKOFF_S, LAST_BACKOFF_S = 1.0, 8.0
AWAY = (UserError, DriverException, NoHostAvailable, KafkaException, OSError)

log = structlog.get_logger()


@dataclass(slots=True)
class Flushed:
    """What a flush did."""

    rows: int = 0
    open_rows: int = 0
    told: int = 0
    seconds: float = 0.0

    @property
    def pause_s(self) -> float:
        """How long to wait before the next one starts."""
        rewriting = self.seconds * self.open_rows / max(self.rows, 1)
        return max(PAUSE_S - self.seconds, rewriting * OPEN_SHARE - self.seconds, 0.05)


class Flusher:
    """The two servers behind a worker's shares, connected when they are first needed."""

    def __init__(self, of: Settings, producer: Producer, acknowledge: Callable[[Any], None]) -> None:
        self._settings = of
        self._producer = producer
        self._acknowledge = acknowledge
        self._reader: CandleReader | None = None
        self._writer: CandleWriter | None = None
        self._lock = asyncio.Lock()
        self._told: set[int] = set()  # shares (by id) whose settled candles are in the topic
        self.trouble = ""  # one sentence while a server is away

    async def flush(self, shares: Iterable[Share]) -> Flushed:
        """One flush of all shares. Raises one of ``AWAY`` when a server is; what was settled is kept for the next."""
        async with self._lock:
            started = time.perf_counter()
            flushed = Flushed()
            active = [share for share in shares if share.owned]
            for share in active:
                share.fold()
            covers = [len(share.held) for share in active]
            await asyncio.to_thread(self._connect)
            if not any(share.settled for share in active):
                await self._read(active)
            for share, count in zip(active, covers, strict=True):
                share.settle(count)
            await self._tell(active, flushed)
            await self._store(active, flushed)
            for share in active:
                for record in share.done():
                    self._acknowledge(record)
            flushed.seconds = time.perf_counter() - started
            CANDLE_FLUSH.observe(flushed.seconds)
            return flushed

    async def quiet(self, timeout_s: float) -> None:
        """Waits until no flush is under way, at most this long."""
        try:
            async with asyncio.timeout(timeout_s), self._lock:
                pass
        except TimeoutError:
            log.warning("a partition was given up while its candles were being stored")

    def _connect(self) -> None:
        if self._writer is None:
            session = connect(self._settings)
            self._reader, self._writer = CandleReader(session), CandleWriter(session)

    async def _read(self, shares: list[Share]) -> None:
        """Reads what is stored of the instrument-days that were touched, and merges it in."""
        reader = self._reader
        assert reader is not None  # noqa: S101 - connected before
        for share in shares:
            if not share.resumed:
                for instrument, day in await asyncio.to_thread(reader.open_days, share.partition):
                    share.state.expect(instrument, day)
                share.resumed = True
        wanted: list[tuple[Share, InstrumentDay]] = [(s, of) for s in shares for of in s.state.unread.values()]
        if not wanted:
            return
        asked = [(of.instrument, of.day, min(of.known_from, NEVER), of.wanted_from) for _, of in wanted]
        answers = await asyncio.to_thread(reader.newest, asked)
        for (share, of), (stored, known_from) in zip(wanted, answers, strict=True):
            absorb(share.state, of, stored, known_from)

    async def _tell(self, shares: list[Share], flushed: Flushed) -> None:
        """Writes complete candles to their topic, before they are stored as complete: told at least once."""
        untold = [share for share in shares if id(share) not in self._told]
        candles = [candle for share in untold if share.settled for candle in share.settled.completed]
        await asyncio.to_thread(self._publish, candles)
        self._told.update(id(share) for share in untold)
        flushed.told = len(candles)

    def _publish(self, candles: Sequence[Candle]) -> None:
        """Produces and waits for the acknowledgement, of dead letters produced before too."""
        refused: list[str] = []

        def failed(error: Any, _: Any) -> None:  # called for errors only
            refused.append(str(error))

        for candle in candles:
            while True:
                try:
                    self._producer.produce(CANDLES.name, encode(candle), candle.instrument.encode(), on_delivery=failed)
                    break
                except BufferError:
                    self._producer.poll(0.1)
        if left := self._producer.flush(20):
            raise UserError(f"Kafka at {self._settings.kafka_servers} has not taken {left} records for 20 s.")
        if refused:
            raise UserError(f"Kafka refused a candle: {refused[0]}")

    async def _store(self, shares: list[Share], flushed: Flushed) -> None:
        rows = [candle for share in shares if share.settled for candle in share.settled.touched]
        flushed.rows = len(rows)
        flushed.open_rows = sum(not candle.complete for candle in rows)
        await asyncio.to_thread(self._write, shares, rows)
        self._told.difference_update(id(share) for share in shares)

    def _write(self, shares: list[Share], rows: Sequence[Candle]) -> None:
        writer = self._writer
        assert writer is not None  # noqa: S101 - connected before
        for share in shares:
            if share.settled and share.settled.opened:
                writer.mark_days(share.partition, share.settled.opened)
        writer.write(rows)
        for share in shares:
            if share.settled and share.settled.closed:
                writer.mark_days(share.partition, (), share.settled.closed)
