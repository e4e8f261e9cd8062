"""What exactly one supervisor does for all: the broker's session, the list of instruments, the balance of the slots.

Kafka's group protocol chooses it: the supervisors are a group on a topic of one partition, and its owner leads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupState, KafkaException, Message, TopicPartition

from infra.clock import market_clock
from infra.errors import UserError
from infra.kafka import (
    admin,
    consumer,
    dead_letter,
    end_offsets,
    flush,
    partitions_of,
    produce_all,
    producer,
    read_compacted,
)
from infra.settings import settings
from producers.feed.plan import Erase, Slots, Step, Write, even_out, mend
from producers.feed.provider import ConnectionLostError, Provider
from producers.feed.slots import GROUP, MOVED
from schemas.calendar import calendar_of
from schemas.codec import UndecodableError, decode, encode
from schemas.market import Instrument, Subscription
from schemas.topics import FEED_POOLS, INSTRUMENTS, SUBSCRIPTIONS, TICKS

FIRST_WATCHLIST = Path(__file__).with_name("first_watchlist.txt")
LOOK_S = 0.5
POLL_S = 0.1
AGAIN_S = 2.0
CALM_LOOKS = 3  # the group must look the same this often in a row before records are moved
log = structlog.get_logger()


class Leadership:
    """Whether this supervisor leads."""

    def __init__(self) -> None:
        self.is_ours = False
        self._consumer: Consumer = consumer(
            "feed-leaders", config={"group.instance.id": settings().feed_pool, "session.timeout.ms": 6000}
        )
        self._consumer.subscribe([FEED_POOLS.name], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    def poll(self) -> bool:
        """Whether it is ours now; quick."""
        self._consumer.poll(0)
        return self.is_ours

    def close(self) -> None:
        """Gives it up."""
        self._consumer.close()

    def _given(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.is_ours = bool(partitions)

    def _taken(self, _: Consumer, __: list[TopicPartition]) -> None:
        self.is_ours = False


async def lead_when_ours(leadership: Leadership, provider: Provider) -> None:
    """Leads whenever this supervisor is the chosen one; work that fails is told and begun anew."""
    while True:
        if leadership.poll():
            work = asyncio.create_task(_lead(provider))
            while leadership.poll() and not work.done():
                await asyncio.wait([work], timeout=POLL_S)
            work.cancel()
            (ended,) = await asyncio.gather(work, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("leading failed", error=repr(ended))
                await asyncio.sleep(AGAIN_S)
        await asyncio.sleep(POLL_S)


async def _lead(provider: Provider) -> None:
    """The leader's work, until cancelled."""
    async with asyncio.TaskGroup() as work:
        work.create_task(provider.keep_session())
        catalogue = Catalogue()
        work.create_task(catalogue.keep_fresh(provider))
        work.create_task(Balancer(catalogue).run())


class Catalogue:
    """The provider's instruments, published once a market day; and those that others published."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self.is_read = asyncio.Event()
        self._consumer: Consumer = consumer("feed-leader-instruments")
        self._consumer.assign([TopicPartition(INSTRUMENTS.name, 0, OFFSET_BEGINNING)])

    def token_of(self, instrument: str) -> int | None:
        """The instrument's token, or None when nobody published it."""
        return self._tokens.get(instrument)

    async def keep_fresh(self, provider: Provider) -> None:
        """Publishes what is new or changed, then follows the topic; again each market day."""
        known = {i.instrument: i for i in await asyncio.to_thread(_published)}
        self._tokens = {name: i.token for name, i in known.items()}
        published_for = None
        while True:
            today = calendar_of("NSE").day_of(market_clock().now_us())
            if today != published_for:
                try:
                    listed = await provider.instruments()
                except ConnectionLostError as error:
                    log.info("no instruments yet", reason=str(error))
                else:
                    new = [i for i in listed if known.get(i.instrument) != i]
                    await asyncio.to_thread(produce_all, [(INSTRUMENTS, None, i.instrument, i) for i in new])
                    known |= {i.instrument: i for i in new}
                    self._tokens |= {i.instrument: i.token for i in new}
                    published_for = today
                    log.info("instruments published", new_or_changed=len(new), listed=len(listed))
                    self.is_read.set()
            await asyncio.sleep(LOOK_S)

    async def catch_up(self) -> None:
        """Reads what others have published until now; who subscribes to an instrument has published it before."""
        place = TopicPartition(INSTRUMENTS.name, 0)
        end = (await asyncio.to_thread(end_offsets, INSTRUMENTS, [0]))[0]
        while self._consumer.position([place])[0].offset < end:
            self._follow()
            await asyncio.sleep(0)

    def _follow(self) -> None:
        for message in self._consumer.consume(5000, 0.05):
            if message.error() is None and message.value() is not None:
                with contextlib.suppress(UndecodableError):
                    instrument = decode(Instrument, message.value())
                    self._tokens[instrument.instrument] = instrument.token


def _published() -> Iterable[Instrument]:
    found: dict[bytes, Instrument] = {}
    writer = producer()
    for message in read_compacted(INSTRUMENTS):
        if message.value() is None:
            found.pop(message.key(), None)
            continue
        try:
            found[message.key()] = decode(Instrument, message.value())
        except UndecodableError as error:
            where = {"partition": message.partition(), "offset": message.offset()}
            dead_letter(writer, INSTRUMENTS, str(error), message.value(), source="feed-leader", **where)
    writer.flush(5)
    return found.values()


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
        ends = await asyncio.to_thread(end_offsets, SUBSCRIPTIONS, range(self._partitions), self._admin)
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
        ends = await asyncio.to_thread(end_offsets, SUBSCRIPTIONS, slots, self._admin)
        places = [TopicPartition(SUBSCRIPTIONS.name, slot) for slot in slots]
        while any(place.offset < ends[place.partition] for place in self._consumer.position(places)):
            self._read()
            await asyncio.sleep(0.02)
