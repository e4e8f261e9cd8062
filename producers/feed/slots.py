"""Which slots this worker owns and what they hold: a consumer of ``subscriptions`` in the workers' group.

Slots that Kafka takes away go on streaming until their new owner says that it streams them (or for at most a
minute): handing over loses no tick, and the candle merge forgives the doubles.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, Message, TopicPartition

from infra.errors import UserError
from infra.kafka import consumer, dead_letter, end_offsets, producer
from schemas.codec import UndecodableError, decode
from schemas.market import FeedStatus, Subscription
from schemas.topics import FEED_STATUS, SUBSCRIPTIONS

GROUP = "feed-workers"
MOVED = "moved-to"  # header of the tombstone that a move leaves behind: the slot in which the instrument lives on
SESSION_S = 6.0  # a worker that is silent for so long loses its slots
HANDOVER_S = 60.0  # a slot that nobody takes over is let go after this
KEPT_AFTER_MOVE_S = 5.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Held:
    """A subscription and when it was written (wall clock, ms)."""

    subscription: Subscription
    at_ms: int


@dataclass(slots=True)
class Slot:
    """One slot of this worker's."""

    held: dict[str, Held] = field(default_factory=dict)
    taken_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    until: float | None = None  # monotonic; set when the slot is being handed over
    before: FeedStatus | None = None  # what was last said of it before we came, when nobody streamed it then
    told: set[str] = field(default_factory=set)  # instruments of which it is told what they missed before we came
    covered_us: int = 0  # market time up to which nothing of it is missing, or what is missing is told
    end: int | None = None  # offset up to which its records lay there when it came to us; None: not asked yet
    asked_at: float | None = None  # monotonic; since when all it held then is asked for
    streams_us: int = 0  # market time since when all it held then is streamed; 0: not yet
    giver: FeedStatus | None = None  # what the worker that hands it over to us said last

    @property
    def is_known(self) -> bool:
        """Whether what was said of it before is known."""
        return self.end is not None

    @property
    def tokens(self) -> list[int]:
        """Those of the instruments that it holds."""
        return [held.subscription.token for held in self.held.values()]


class SlotReader:
    """Follows this worker's slots. Every call is quick; none blocks."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self.slots: dict[int, Slot] = {}
        self._leaving: list[tuple[float, int, str]] = []  # (when, slot, instrument): moved elsewhere, kept a while
        self._has_left = False
        self._dead_letters = producer()
        self._watcher: Consumer = consumer(f"{GROUP}-{worker}-handover")
        self._consumer: Consumer = consumer(
            GROUP,
            config={
                "group.instance.id": worker,  # a worker that was killed has its slots back as soon as it is up again
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": int(SESSION_S * 1000),
                "heartbeat.interval.ms": 500,
            },
        )
        self._consumer.subscribe([SUBSCRIPTIONS.name], on_assign=self._assigned, on_revoke=self._revoked)

    def poll(self) -> bool:
        """Takes in what is new; True when the wanted instruments may have changed."""
        changed = False
        for message in [] if self._has_left else self._consumer.consume(1000, 0):
            error = message.error()
            if error is None:
                changed |= self._put(message)
            elif error.fatal() or error.code() == KafkaError._FATAL:
                raise UserError(f"Worker {self._worker} runs twice, or Kafka refuses it: {error.str()}")
        return changed | self._let_go() | self._drop_moved()

    @property
    def owned(self) -> list[int]:
        """Slots that are ours and not on their way out."""
        return [number for number, slot in self.slots.items() if slot.until is None]

    @property
    def unknown(self) -> list[int]:
        """Slots whose last state has not been read yet."""
        return [number for number, slot in self.slots.items() if not slot.is_known]

    def is_read(self, number: int) -> bool:
        """Whether all records that lay in the slot when it came to us have been read."""
        end = self.slots[number].end
        if not end:
            return end == 0
        return bool(self._consumer.position([TopicPartition(SUBSCRIPTIONS.name, number)])[0].offset >= end)

    def leave(self) -> None:
        """Leaves the group; all slots are now on their way out."""
        self._has_left = True
        self._consumer.close()
        self._hand_over(list(self.slots))

    def close(self) -> None:
        """Ends the consumers."""
        if not self._has_left:
            self._consumer.close()
        self._watcher.close()

    def _put(self, message: Message) -> bool:
        number, key = message.partition(), (message.key() or b"").decode(errors="replace")
        value = message.value()
        slot = self.slots.setdefault(number, Slot())
        if value is None:
            headers = dict(message.headers() or ())
            if MOVED in headers and key in slot.held:
                self._leaving.append((time.monotonic() + KEPT_AFTER_MOVE_S, number, key))
                return False
            return slot.held.pop(key, None) is not None
        try:
            subscription = decode(Subscription, value)
        except UndecodableError as error:
            where = {"partition": number, "offset": message.offset()}
            dead_letter(self._dead_letters, SUBSCRIPTIONS, str(error), value, source=self._worker, **where)
            return False
        self._leaving = [entry for entry in self._leaving if entry[1:] != (number, key)]
        slot.held[key or subscription.instrument] = Held(subscription, message.timestamp()[1])
        return True

    def _drop_moved(self) -> bool:
        now = time.monotonic()
        due = [entry for entry in self._leaving if entry[0] <= now]
        if due:
            self._leaving = [entry for entry in self._leaving if entry[0] > now]
            for _, number, key in due:
                if number in self.slots:
                    self.slots[number].held.pop(key, None)
        return bool(due)

    def _assigned(self, of: Consumer, partitions: list[TopicPartition]) -> None:
        for assigned in partitions:
            assigned.offset = OFFSET_BEGINNING
            back = self.slots.get(assigned.partition)
            if back is None:
                self.slots[assigned.partition] = Slot()
            else:  # it was on its way out and is ours again: read it anew, and keep streaming meanwhile
                back.until = None
        log.info("slots given", slots=[assigned.partition for assigned in partitions])
        of.incremental_assign(partitions)

    def _revoked(self, of: Consumer, partitions: list[TopicPartition]) -> None:
        self._hand_over([taken.partition for taken in partitions])
        of.incremental_unassign(partitions)

    def _hand_over(self, numbers: list[int]) -> None:
        log.info("slots taken", slots=numbers)
        until = time.monotonic() + HANDOVER_S
        for number in numbers:
            self.slots.setdefault(number, Slot()).until = until
        self.watch()

    def watch(self) -> None:
        """Listens to what others say of slots on their way; from now on, since who streams says so each second."""
        moving = [number for number, slot in self.slots.items() if slot.until is not None or slot.giver is not None]
        known = {at.partition: at.offset for at in self._watcher.position(self._watcher.assignment())}
        offsets = ((number, known.get(number, OFFSET_END)) for number in moving)
        self._watcher.assign([TopicPartition(FEED_STATUS.name, n, at if at >= 0 else OFFSET_END) for n, at in offsets])

    def _let_go(self) -> bool:
        """Drops the slots whose new owner streams them, or that nobody took for too long; hears how far others cover
        those that they hand over to us."""
        gone = [n for n, slot in self.slots.items() if slot.until is not None and slot.until < time.monotonic()]
        for message in self._watcher.consume(100, 0):
            slot = self.slots.get(message.partition()) if message.error() is None else None
            if slot is None:
                continue
            status = decode(FeedStatus, message.value())
            if slot.giver is not None and status.worker == slot.giver.worker:
                slot.giver = status
            if slot.until is not None and status.worker != self._worker and status.state == "streaming":
                gone.append(message.partition())
        for number in gone:
            self.slots.pop(number, None)
        if gone:
            log.info("slots handed over", slots=sorted(set(gone)))
        return bool(gone)


def look_back(slots: list[int]) -> dict[int, tuple[FeedStatus | None, int]]:
    """What was last said of these slots, and where their records end. Blocks for a moment: run it in a thread.

    UserError when Kafka does not tell all of it; the worker is started again then.
    """
    said, ends = _last_states(slots), end_offsets(SUBSCRIPTIONS.name, slots)
    return {slot: (said.get(slot), ends[slot]) for slot in slots}


def _last_states(slots: list[int]) -> dict[int, FeedStatus]:
    reader = consumer(f"{GROUP}-last-states")
    found: dict[int, FeedStatus] = {}
    try:
        ends = {slot: end for slot, end in end_offsets(FEED_STATUS.name, slots).items() if end}
        reader.assign([TopicPartition(FEED_STATUS.name, slot, end - 1) for slot, end in ends.items()])
        deadline = time.monotonic() + 30
        while len(found) < len(ends) and time.monotonic() < deadline:
            message = reader.poll(0.5)
            if message is not None and message.error() is None:
                found[message.partition()] = decode(FeedStatus, message.value())
    finally:
        reader.close()
    if missing := set(ends) - set(found):  # to go on would hide what was missed meanwhile
        raise UserError(f"Kafka did not give the last states of slots {sorted(missing)} within 30 s.")
    return found
