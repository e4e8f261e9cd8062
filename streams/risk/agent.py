"""The risk worker's agent: takes each record once and in order, and gives turns to the charge.

The table says how far every topic was read, so neither what Faust delivers twice nor what it passes over after a
rebalance matters (``infra.in_order``). Before it is active the worker is alone in charge, its book is what the table
says, everything but the intents is folded to where it ended then, and prices are there; only then intents are taken.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import structlog
from confluent_kafka import KafkaException
from faust.types import TP

from infra import kafka
from infra.clock import Clock
from infra.faust_app import App
from infra.fenced import FencedError
from infra.fenced_tables import FencedTable
from infra.in_order import InOrder
from infra.settings import Settings
from schemas.topics import ORDER_INTENTS
from streams.risk.charge import Charge
from streams.risk.clerk import Clerk
from streams.risk.intake import READ, Outcome, Record
from streams.risk.prices import MarketLog

MOST_HELD = 5000  # records that were delivered and not folded yet
MOST_A_TURN = 200
PAUSE_EVERY = 50  # records; others get their turn in between
IDLE_S = 0.05
LOOK_S = 0.1
TRY_AGAIN_S = 0.5
REST = tuple(name for name in READ if name != ORDER_INTENTS.name)
log = structlog.get_logger(process="risk")


class Taken(NamedTuple):
    """A record and Faust's event, which acknowledges it."""

    record: Record
    event: Any


class RiskAgent:
    """One worker."""

    def __init__(self, app: App, of: Settings, market: MarketLog, clock: Clock, clerk: Clerk) -> None:
        self._app, self._settings, self._clock, self._clerk = app, of, clock, clerk
        self.market = market
        self.table: FencedTable
        self.charge: Charge | None = None
        self.active, self.detail = False, "waits for its table"
        self._order = InOrder()
        self._inbox: deque[Taken] = deque()
        self._some, self._room = asyncio.Event(), asyncio.Event()
        self._beginning: asyncio.Task[None] | None = None
        self._committing: asyncio.Task[None] | None = None
        self._to_acknowledge: list[Any] = []

    # records -----------------------------------------------------------------------------------------------------

    async def consume(self, stream: Any) -> None:
        """The body of the Faust agent."""
        async for event in stream.noack().events():
            self._take(event)
            while len(self._inbox) >= MOST_HELD:
                self._room.clear()
                await self._room.wait()

    def _take(self, event: Any) -> None:
        message = event.message
        value = message.value or b""
        self._app.buffered.taken(len(value))
        if self._order.takes(message.topic, message.offset, time.monotonic()):
            record = Record(message.topic, message.offset, value, round(message.timestamp * 1_000_000))
            self._inbox.append(Taken(record, event))
            self._some.set()

    # being in charge ---------------------------------------------------------------------------------------------

    async def take_charge(self) -> None:
        """Before each recovery of the table: from here on nobody else changes it."""
        await self._give_up()
        self.detail = "takes charge"
        charge = Charge(self._settings, self.table, self.market, self._clock, self._clerk)
        await asyncio.to_thread(charge.take_charge)
        self.charge = charge

    async def on_recovered(self) -> None:
        """The table is as it was left."""
        if self.charge is not None:
            self._beginning = asyncio.ensure_future(self._begin(self.charge))

    async def on_revoked(self, partitions: Iterable[Any]) -> None:
        """Another worker has the topics, or this one gets them again."""
        await self._give_up()
        self._app.buffered.bytes = 0  # Faust has emptied its buffers
        self.detail = "waits for its topics"

    async def _give_up(self) -> None:
        self.active = False
        self._order.end()
        self._inbox.clear()
        self._room.set()
        self._to_acknowledge.clear()
        if self._beginning is not None:
            self._beginning.cancel()
        if (charge := self.charge) is not None:
            self.charge = None
            if self._committing is not None:
                await asyncio.wait({self._committing}, timeout=3.0)
            charge.end()

    async def _begin(self, charge: Charge) -> None:
        try:
            self.detail = "reads its table"
            await asyncio.to_thread(charge.restore)
            places = await self._places(charge)
            ends = {topic: end for topic, (_, end) in (await self._spans()).items()}
            self._order.begin({topic: places[topic] for topic in REST}, time.monotonic())
            while self._app.rebalancing:  # noqa: ASYNC110 - Faust has no event
                await asyncio.sleep(IDLE_S)
            for topic in REST:
                await self._go_on(topic, places[topic])
            while behind := [topic for topic in REST if self._order.next.get(topic, 0) < ends[topic]]:
                self.detail = f"reads {', '.join(behind)}"
                await asyncio.sleep(IDLE_S)
            while not self.market.ready:
                self.detail = self.market.problem or "waits for prices"
                await asyncio.sleep(IDLE_S)
            while self._inbox:  # noqa: ASYNC110 - what was read so far is folded
                await asyncio.sleep(IDLE_S)
            charge.watching.settle()
            gc.freeze()  # the book of a long day: looking through it for cycles would stop all verdicts for a second
            start = charge.book.next.get(ORDER_INTENTS.name, places[ORDER_INTENTS.name])
            self._order.next[ORDER_INTENTS.name] = start
            charge.intake.is_current = True
            await self._go_on(ORDER_INTENTS.name, start)
            self.active, self.detail = True, ""
            log.info("risk is in charge", orders=len(charge.book.orders), intents_from=start)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody else would hear of it
            log.error("risk cannot take charge", reason=f"{type(error).__name__}: {error}")
            await self._app.crash(error)

    async def _spans(self) -> Mapping[str, tuple[int, int]]:
        while True:
            try:
                return await asyncio.to_thread(kafka.spans, list(READ), self._settings)
            except KafkaException as error:
                log.warning("Kafka does not say where to go on", reason=str(error))
                await asyncio.sleep(TRY_AGAIN_S)

    async def _places(self, charge: Charge) -> dict[str, int]:
        """Where each topic goes on: behind what is in the table, or at its first record."""
        places = {}
        for topic, (first, end) in (await self._spans()).items():
            wanted = charge.book.next.get(topic, first)
            places[topic] = min(max(wanted, first), end)
            if places[topic] != wanted:
                log.error("records are not there any more", topic=topic, wanted=wanted, first=first, end=end)
        return places

    async def _go_on(self, topic: str, offset: int) -> None:
        self._app.consumer.goes_on_from(TP(topic, 0), offset)
        await self._app.seek(TP(topic, 0), offset)

    async def keep_order(self) -> None:
        """For ever: sends the consumer back to what it has passed over."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._app.rebalancing or not self._order.next or len(self._inbox) >= MOST_HELD:
                continue
            ours = [tp for tp in self._app.consumer.assignment() if tp.topic in READ]
            ends = {tp.topic: self._app.consumer.highwater(tp) or 0 for tp in ours}
            for topic, offset in list(self._order.overdue(ends, time.monotonic())):
                log.info("reads again", topic=topic, offset=offset)
                await self._app.seek(TP(topic, 0), offset)

    @property
    def is_kept(self) -> bool:
        """Whether the book is in the table's changelog as it is."""
        is_idle = self._committing is None or self._committing.done()
        return is_idle and not self._inbox and self.charge is not None and self.charge.is_kept

    # turns -------------------------------------------------------------------------------------------------------

    async def work(self) -> None:
        """For ever: turns, and their commits one after the other; the next turn is made while one is committed."""
        while True:
            if not self._inbox:
                await self._wait()
            charge = self.charge
            if charge is None:
                await asyncio.sleep(IDLE_S)
                continue
            taken = [self._inbox.popleft() for _ in range(min(len(self._inbox), MOST_A_TURN))]
            self._room.set()
            out = charge.turn([one.record for one in taken])
            self._to_acknowledge += [one.event for one in taken]
            if self._committing is not None:
                await self._committing
            if self.charge is charge and charge.is_to_commit(out):
                self._commit(charge, out, taken)
            await asyncio.sleep(0)

    async def _wait(self) -> None:
        self._some.clear()
        try:
            async with asyncio.timeout(IDLE_S):
                await self._some.wait()
        except TimeoutError:
            return

    def _commit(self, charge: Charge, out: Outcome, taken: list[Taken]) -> None:
        asked = {one.record.offset: one.record.at_us for one in taken if one.record.topic == ORDER_INTENTS.name}
        asked_us = [asked[verdict.offset] for verdict in out.verdicts]
        events, self._to_acknowledge = self._to_acknowledge, []
        work = asyncio.to_thread(charge.commit, out, charge.take_waiting(), asked_us)
        self._committing = asyncio.ensure_future(self._committed(charge, work, events))

    async def _committed(self, charge: Charge, work: Any, events: list[Any]) -> None:
        try:
            await work
        except (FencedError, KafkaException) as error:
            if self.charge is charge:
                log.error("risk is not in charge any more", reason=str(error))
                self.active = False
                await self._app.crash(error)
            return
        for event in events:
            event.ack()

    async def last_commit(self) -> None:
        """Before the process ends: what is under way is committed, if Kafka lets it, within some seconds."""
        self._order.end()
        if self._committing is not None:
            await asyncio.wait({self._committing}, timeout=5.0)
        await self._app.consumer.commit()
