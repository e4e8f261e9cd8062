"""The balance of the slots: mends what was written by hand, evens out the workers' loads."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupState, KafkaException, Message, TopicPartition

from infra.errors import UserError
from infra.kafka import admin, consumer, dead_letter, end_offsets, flush, partitions_of, produce_all, producer
from infra.settings import settings
from producers.feed.catalogue import Catalogue
from producers.feed.plan import Erase, Slots, Step, Write, even_out, mend
from producers.feed.slots import GROUP, MOVED
from schemas.codec import UndecodableError, decode, encode
from schemas.market import Subscription
from schemas.topics import SUBSCRIPTIONS, TICKS

FIRST_WATCHLIST = Path(__file__).with_name("first_watchlist.txt")
LOOK_S = 0.5
CALM_LOOKS = 3  # the group must look the same this often in a row before records are moved
log = structlog.get_logger()


class Balancer:
    """Folds ``subscriptions``, mends what was written by hand and evens out the workers' loads."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._slots = Slots()
        self._partitions = partitions_of(SUBSCRIPTIONS)
        self._consumer: Consumer = consumer("feed-leader-subscriptions")
        self._consumer.assign(
            [TopicPartition(SUBSCRIPTIONS.name, slot, OFFSET_BEGINNING) for slot in range(self._partitions)]
        )
        self._producer = producer()
        self._admin = admin()

    async def run(self) -> None:
        """Looks twice a second; moves only while the group is calm."""
        await self._catalogue.is_read.wait()
        await self._first_watchlist()
        before: dict[int, str] = {}
        calm = 0
        while True:
            if changed := self._read():
                await self._catalogue.catch_up()
            owners = await self._owners()
            calm = calm + 1 if owners and owners == before and not changed else 0
            before = owners
            if steps := mend(self._slots, partitions_of(TICKS), self._catalogue.token_of):
                self._put_aside(steps)
                await self._take(steps, "mended")
            elif calm >= CALM_LOOKS and (steps := even_out(self._slots, owners)):
                await self._take(steps, "evened out")
                calm = 0
            await asyncio.sleep(LOOK_S)

    async def _first_watchlist(self) -> None:
        """At the simulator, a newcomer's first start subscribes to a few well-known names."""
        ends = await asyncio.to_thread(end_offsets, SUBSCRIPTIONS.name, range(self._partitions), self._admin)
        if any(ends.values()) or not settings().uses_simulator:
            return
        names = FIRST_WATCHLIST.read_text(encoding="utf-8").splitlines()
        wanted = [(n, token) for n in names if (token := self._catalogue.token_of(n)) is not None]
        records = [
            (
                SUBSCRIPTIONS,
                place % self._partitions,
                name,
                Subscription(name, "kite", token, "full", place % partitions_of(TICKS)),
            )
            for place, (name, token) in enumerate(wanted)
        ]
        await asyncio.to_thread(produce_all, records)

    def _put_aside(self, steps: list[Step]) -> None:
        """Subscriptions to what nobody knows do not vanish without a word."""
        for step in steps:
            if isinstance(step, Erase) and self._catalogue.token_of(step.instrument) is None:
                lost = self._slots.held[step.slot][step.instrument].subscription
                reason = f"no instrument {step.instrument} is known; `feed add` names similar ones"
                log.warning("subscription refused", reason=reason)
                dead_letter(self._producer, SUBSCRIPTIONS, reason, encode(lost), source="feed", partition=step.slot)

    def _read(self) -> bool:
        messages = self._consumer.consume(5000, 0)
        for message in messages:
            if message.error() is None:
                self._put(message)
        return bool(messages)

    def _put(self, message: Message) -> None:
        key = (message.key() or b"").decode(errors="replace")
        at = (message.timestamp()[1], message.offset())
        moved = MOVED in dict(message.headers() or ())
        if message.value() is None:
            self._slots.put(message.partition(), key, None, at, moved)
            return
        with contextlib.suppress(UndecodableError):  # the slot's worker puts it aside
            subscription = decode(Subscription, message.value())
            self._slots.put(message.partition(), key or subscription.instrument, subscription, at, moved)

    async def _owners(self) -> dict[int, str]:
        """Which worker owns each slot; empty unless the group is stable and all slots have an owner."""
        try:
            answers = self._admin.describe_consumer_groups([GROUP], request_timeout=5)
            group = await asyncio.wrap_future(answers[GROUP])
        except KafkaException as error:
            log.info("no word of the group", reason=str(error))
            return {}
        if group.state != ConsumerGroupState.STABLE:
            return {}
        owners = {
            place.partition: member.group_instance_id
            for member in group.members
            for place in member.assignment.topic_partitions
        }
        return owners if len(owners) == self._partitions else {}

    async def _take(self, steps: list[Step], why: str) -> None:
        """Writes the steps in order, then folds them so that the next look sees them."""
        log.info(why, records=len(steps))
        for step in steps:
            value, headers = None, []
            key = step.subscription.instrument if isinstance(step, Write) else step.instrument
            if isinstance(step, Write):
                value = encode(step.subscription)
            elif isinstance(step, Erase) and step.moved:
                headers = [(MOVED, b"")]
            arguments: dict[str, Any] = {"partition": step.slot, "headers": headers}
            self._producer.produce(SUBSCRIPTIONS.name, value, key.encode(), **arguments)
        try:
            await asyncio.to_thread(flush, self._producer)
        except UserError as error:
            log.warning("the move is not acknowledged yet", reason=str(error))
        await self._catch_up({step.slot for step in steps})

    async def _catch_up(self, slots: set[int]) -> None:
        """Reads on until what was just written is folded."""
        ends = await asyncio.to_thread(end_offsets, SUBSCRIPTIONS.name, slots, self._admin)
        places = [TopicPartition(SUBSCRIPTIONS.name, slot) for slot in slots]
        while any(place.offset < ends[place.partition] for place in self._consumer.position(places)):
            self._read()
            await asyncio.sleep(0.02)
