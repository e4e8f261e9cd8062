"""The candle worker's agent: takes records in, flushes at a measured pace, never acknowledges before it is durable.

When Cassandra or Kafka is away the worker tries again, from one second to eight between attempts, and goes on reading
until ``MAX_HELD`` records are held; then it reads no more until there is room. Memory stays bounded either way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Iterable
from typing import Any

import structlog
from confluent_kafka import KafkaException, Producer
from faust.types import TP

from infra.faust_app import App
from infra.in_order import InOrder
from infra.kafka import dead_letter, group_places, producer
from infra.metrics import CANDLE_TICKS
from infra.settings import Settings
from schemas.codec import UndecodableError, decode_part
from schemas.topics import TICKS
from streams.candles.flush import AWAY, FIRST_BACKOFF_S, LAST_BACKOFF_S, Flushed, Flusher
from streams.candles.share import Share
from streams.candles.ticks import Needed

MAX_HELD = 40_000  # records that are folded and not durable yet
BACKLOG = 1000  # records held: so many come only when there is a backlog
IDLE_S = 0.05
LOOK_S = 0.1
SILENCE_S = 3.0  # a flush may take a while
TRY_AGAIN_S = 0.5
log = structlog.get_logger()


class CandleAgent:
    """All shares of one worker."""

    def __init__(self, app: App, of: Settings, group: str) -> None:
        self._group, self._settings = group, of
        self._order = InOrder(SILENCE_S)
        self._beginning: asyncio.Task[None] | None = None
        self.shares: dict[int, Share] = {}
        self.assigned = False
        self.rejected = 0
        self.flushed = Flushed()
        self._app = app
        self._producer: Producer = producer(of, {"linger.ms": 2, "delivery.report.only.error": True})
        self.flusher = Flusher(of, self._producer, self._acknowledge)
        self._held = 0
        self._room = asyncio.Event()

    # records ---------------------------------------------------------------------------------------------------

    async def consume(self, stream: Any) -> None:
        """The body of the Faust agent."""
        events: AsyncIterable[Any] = stream.noack().events()
        async for event in events:
            self.take(event)
            while self._held >= MAX_HELD:
                self._room.clear()
                await self._room.wait()

    def take(self, event: Any) -> None:
        """Decodes one record and hands it to its share; what cannot be decoded goes to ``ticks-dlq``."""
        message = event.message
        value, message.value = message.value or b"", None  # held until it is durable: without its bytes
        event.value = None
        self._app.buffered.taken(len(value))
        if not self._order.takes(str(message.partition), message.offset, time.monotonic()):
            return  # what a rebalance delivers too early, or again
        batch: Needed | None = None
        try:
            batch = decode_part(Needed, value)
        except UndecodableError as error:
            self._put_aside(message, value, str(error))
        share = self.shares.get(message.partition)
        if share is None:
            share = self.shares[message.partition] = Share(message.partition)
        share.take(event, message.offset, batch)
        self._held += 1
        if batch is not None:
            CANDLE_TICKS.inc(len(batch.last_price))

    def _put_aside(self, message: Any, value: bytes, reason: str) -> None:
        self.rejected += 1
        where = {"partition": message.partition, "offset": message.offset}
        dead_letter(self._producer, TICKS, reason, value, source="candles", **where)
        log.warning("a record of ticks was put aside", reason=reason, **where)

    def _acknowledge(self, event: Any) -> None:
        event.ack()
        self._held -= 1

    # partitions ------------------------------------------------------------------------------------------------

    def on_assigned(self, partitions: Iterable[Any]) -> None:
        """Partitions came: their state starts empty, from the committed offsets and what is stored."""
        for tp in partitions:
            if tp.topic == TICKS.name and tp.partition not in self.shares:
                self.shares[tp.partition] = Share(tp.partition)
        if self._beginning is not None:
            self._beginning.cancel()
        self._beginning = asyncio.ensure_future(self._begin())
        self.assigned = True

    async def _begin(self) -> None:
        """Learns where each partition goes on; until then nothing is taken, and what comes meanwhile comes again."""
        while True:
            try:
                places = await self._places(self.shares)
                break
            except KafkaException as error:
                log.warning("Kafka does not say where to go on", reason=str(error))
                await asyncio.sleep(TRY_AGAIN_S)
        self._order.begin({str(partition): offset for partition, offset in places.items()}, time.monotonic())

    async def _places(self, partitions: Iterable[int]) -> dict[int, int]:
        return await asyncio.to_thread(group_places, self._group, TICKS.name, list(partitions), self._settings)

    async def keep_order(self) -> None:
        """For ever: sends the consumer back to what it has passed over (``infra.in_order``)."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._app.rebalancing or not self._order.next or self._held >= MAX_HELD:
                continue
            ours = [tp for tp in self._app.consumer.assignment() if tp.topic == TICKS.name]
            ends = {str(tp.partition): self._app.consumer.highwater(tp) or 0 for tp in ours}
            for partition, offset in list(self._order.overdue(ends, time.monotonic())):
                await self._go_back(int(partition), offset)

    async def _go_back(self, partition: int, offset: int) -> None:
        try:
            first = (await self._places([partition]))[partition]
        except KafkaException:
            return  # it is tried again
        if first > offset:
            log.error("ticks were deleted before they were read", partition=partition, offset=offset, until=first)
            self._order.next[str(partition)] = offset = first
        log.info("reads again", partition=partition, offset=offset)
        await self._app.seek(TP(TICKS.name, partition), offset)

    async def on_revoked(self, partitions: Iterable[Any]) -> None:
        """Partitions went: nothing more is stored for them, once the flush under way has ended."""
        if self._beginning is not None:
            self._beginning.cancel()
        self._order.end()
        for tp in partitions:
            share = self.shares.pop(tp.partition, None)
            if share is not None:
                share.owned = False
                self._held -= len(share.held)
        self._app.buffered.bytes = 0
        self._room.set()
        await self.flusher.quiet(4.0)

    # durability ------------------------------------------------------------------------------------------------

    async def keep_flushing(self) -> None:
        """Flushes again and again; a server that is away is waited for."""
        backoff = FIRST_BACKOFF_S
        while True:
            if not any(share.held or not share.resumed for share in self.shares.values()):
                await asyncio.sleep(IDLE_S)
                continue
            try:
                self.flushed = await self.flusher.flush(list(self.shares.values()))
            except AWAY as error:
                self._tell_trouble(error)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF_S)
                continue
            self._room.set()
            if self.flusher.trouble:
                log.info("candles are stored again", held=self._held)
            self.flusher.trouble, backoff = "", FIRST_BACKOFF_S
            await self._pause(self.flushed.pause_s)

    async def _pause(self, seconds: float) -> None:
        """The pause between two flushes; cut short when a backlog is read, whose closed candles only pile up."""
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0 and self._held < BACKLOG:  # noqa: ASYNC110
            await asyncio.sleep(min(left, IDLE_S))

    def _tell_trouble(self, error: BaseException) -> None:
        first = not self.flusher.trouble
        self.flusher.trouble = str(error).splitlines()[0] if str(error) else type(error).__name__
        if first:
            log.warning("candles cannot be stored; trying again", reason=self.flusher.trouble, held=self._held)

    async def last_flush(self) -> None:
        """Before the process ends: stores and commits what is held, if the servers let it, within some seconds."""
        try:
            async with asyncio.timeout(5):
                await self.flusher.flush(list(self.shares.values()))
                await self._app.consumer.commit()
        except (TimeoutError, *AWAY) as error:
            log.warning("stopped without a last flush; it will be read again", reason=str(error), held=self._held)
