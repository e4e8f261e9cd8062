"""The hand that writes: changes of the feed, planned on the folded state, written, and seen again before it answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException, Message, Producer

from infra import kafka
from infra.settings import Settings
from schemas.codec import encode
from schemas.market import FeedPool, Mode
from schemas.topics import FEED_POOLS, SUBSCRIPTIONS, TICKS, Topic
from streams.console.errors import DoesNotFitError, NotFoundError, UnavailableError
from streams.console.feed import FeedState
from streams.console.plan import Layout, Plan, Write, plan_add, plan_remove
from streams.prices.follow import Follower

PATIENCE_S = 10.0
KITE_CONNECTIONS = 3
_MOVES = 5  # how often a removal follows an instrument that is just being moved to another slot


class FeedDesk:
    """Changes the feed. One change at a time, so that two people cannot fill the same last place."""

    def __init__(self, state: FeedState, follower: Follower, of: Settings) -> None:
        self._state = state
        self._follower = follower
        self._settings = of
        self._one = threading.Lock()
        self._producer: Producer | None = None

    def layout(self) -> Layout:
        """How the feed is cut now. Call it under the follower's lock."""
        chosen = self._settings
        wanted = sum({**{chosen.feed_pool: chosen.feed_workers}, **self._state.pools}.values())
        alive = [w for w in self._state.workers(time.time()) if w.state in ("streaming", "connecting")]
        slots = kafka.partitions_of(SUBSCRIPTIONS, chosen)
        most = min(chosen.kite_connections, slots)
        return Layout(slots, kafka.partitions_of(TICKS, chosen), max(wanted, len(alive)), most)

    def add(self, names: Sequence[str], mode: Mode) -> Plan:
        """Subscribes; all or nothing. NotFoundError, DoesNotFitError or UnavailableError when it cannot be done."""
        with self._one:
            with self._follower.lock:
                wanted = [self._state.book.find(name) for name in names]
                plan = plan_add(self._state, wanted, mode, self.layout())
            self._write_slots(plan.writes)
            return plan

    def remove(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Unsubscribes; returns the removed ones and those that were not subscribed.

        NotFoundError when none of them is subscribed.
        """
        with self._one:
            with self._follower.lock:
                meant = list(dict.fromkeys(self._meant(name) for name in names))
                present = [name for name in meant if name in self._state.places]
            absent = [name for name in meant if name not in present]
            if not present:
                verb = "is" if len(absent) == 1 else "are"
                raise NotFoundError(f"{', '.join(absent[:5])} {verb} not subscribed; see `./portfolio feed list`.")
            for _ in range(_MOVES):
                with self._follower.lock:
                    writes = plan_remove(self._state, present)
                if not writes:
                    break
                self._write_slots(writes)
            return present, absent

    def set_workers(self, workers: int) -> None:
        """Sets how many workers this computer's pool runs. DoesNotFitError beyond what Kite or the slots allow."""
        chosen = self._settings
        with self._one:
            with self._follower.lock:
                others = sum(n for pool, n in self._state.pools.items() if pool != chosen.feed_pool)
            slots = kafka.partitions_of(SUBSCRIPTIONS, chosen)
            if workers > slots:
                raise DoesNotFitError(f"The feed is cut into {slots} slots, so at most {slots} workers can share it.")
            if workers + others > chosen.kite_connections:
                elsewhere = f", {others} of them used by other computers" if others else ""
                raise DoesNotFitError(
                    f"{workers} workers are too many: Kite allows {chosen.kite_connections} connections an API key"
                    f"{elsewhere} (set PORTFOLIO_KITE_CONNECTIONS if your key has more)."
                )
            pool = chosen.feed_pool
            self._write([(FEED_POOLS, 0, pool, encode(FeedPool(pool, workers)))])

    def _meant(self, text: str) -> str:
        """What is subscribed may have left the list of instruments: its full name still removes it."""
        name = text.strip().upper()
        if name in self._state.places:
            return name
        subscribed = [place for place in self._state.places if place.rpartition(":")[2] == name]
        return subscribed[0] if len(subscribed) == 1 else self._state.book.find(text).instrument

    def _write_slots(self, writes: Sequence[Write]) -> None:
        self._write([(SUBSCRIPTIONS, w.slot, w.instrument, encode(w.record) if w.record else None) for w in writes])

    def _write(self, records: Sequence[tuple[Topic, int, str, bytes | None]]) -> None:
        """Writes, waits for the acknowledgements, then until this process's own fold has seen them."""
        if not records:
            return
        ends: dict[tuple[str, int], int] = {}
        failed: list[str] = []

        def note(error: Any, message: Message) -> None:
            if error:
                failed.append(error.str())
            else:
                at = (str(message.topic()), int(message.partition() or 0))
                ends[at] = max(ends.get(at, -1), int(message.offset() or 0))

        topics = {topic.name: topic for topic, *_ in records}
        self._send(records, note, failed)
        if failed:
            raise UnavailableError(f"Kafka did not take the change ({failed[0]}); see `./portfolio status`.")
        for (name, partition), offset in ends.items():
            if not self._follower.wait_seen(topics[name], partition, offset, PATIENCE_S):
                raise UnavailableError(
                    "The change is written, but the console has not read it back yet; look again soon."
                )

    def _send(self, records: Sequence[tuple[Topic, int, str, bytes | None]], note: Any, failed: list[str]) -> None:
        to = self._producer  # compared with None: a producer is falsy while its queue is empty
        if to is None:
            to = kafka.producer(self._settings, {"delivery.timeout.ms": int(PATIENCE_S * 1000)})
        try:
            for topic, partition, key, value in records:
                to.produce(topic.name, value, key.encode(), partition=partition, on_delivery=note)
                to.poll(0)
            if to.flush(PATIENCE_S + 2):
                failed.append("no answer in time")
        except (KafkaException, BufferError) as error:
            failed.append(str(error))
        if failed:  # nothing may be written later, when the person has long been told that it failed
            to.purge()
            to.flush(1)
        self._producer = None if failed else to
