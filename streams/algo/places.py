"""Which of the run's units are this task's: a member of the group ``algo.<run>`` on topic ``ticks``.

Kafka shares the partitions of ``ticks`` among the run's tasks, wherever they run. A unit belongs to the owner of the
partition that its first instrument has in topic ``subscriptions``. The member reads nothing: it only belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from confluent_kafka import OFFSET_END, Consumer, Message, TopicPartition

from infra import kafka
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.market import Subscription
from schemas.topics import TICKS
from streams.algo.reader import LogError

SESSION_S = 10.0
MOVED = "moved-to"  # a tombstone with this header: the subscription lives on in another partition


class Membership:
    """This task in its run's group. ``on_lost(partitions, orderly)`` is called while they are still ours if orderly."""

    def __init__(self, group: str, task: str, of: Settings, on_lost: Callable[[set[int], bool], None]) -> None:
        self.owned: set[int] = set()
        self._task, self._on_lost = task, on_lost
        self._consumer: Consumer = kafka.consumer(
            group,
            of,
            {
                "group.instance.id": task.replace(
                    "@", "."
                ),  # one that was killed has its partitions back as soon as it is up again
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": int(SESSION_S * 1000),
                "heartbeat.interval.ms": 1000,
                "max.poll.interval.ms": 86_400_000,  # a callback that hangs is the watchdog's business
                "queued.max.messages.kbytes": 64,
            },
        )
        self._consumer.subscribe(
            [TICKS.name], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )  # fmt: skip

    def poll(self) -> bool:
        """Lets Kafka give and take partitions; True when it did. LogError when the task runs twice."""
        before = set(self.owned)
        message = self._consumer.poll(0)
        error = message.error() if message is not None else None
        if error is not None and error.fatal():
            raise LogError(f"Task {self._task} runs twice, or Kafka refuses it: {error.str()}.")
        return self.owned != before

    def close(self) -> None:
        """Leaves; what was owned is given up first, in order."""
        self._consumer.close()

    def _assigned(self, of: Consumer, partitions: list[TopicPartition]) -> None:
        given = [TopicPartition(place.topic, place.partition, OFFSET_END) for place in partitions]
        of.incremental_assign(given)
        if given:
            of.pause(given)
        self.owned |= {place.partition for place in given}

    def _revoked(self, of: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop(of, partitions, True)

    def _lost(self, of: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop(of, partitions, False)

    def _drop(self, of: Consumer, partitions: list[TopicPartition], orderly: bool) -> None:
        gone = {place.partition for place in partitions}
        self.owned -= gone
        self._on_lost(gone, orderly)
        of.incremental_unassign(partitions)


class Partitions:
    """The partition of ``ticks`` that each of the run's instruments has: a fold of ``subscriptions``."""

    def __init__(self, instruments: Iterable[str]) -> None:
        self._wanted = set(instruments)
        self.dropped: set[str] = set()  # those that are not subscribed any more
        self._held: dict[str, tuple[int, int]] = {}  # instrument -> its slot, its partition of ticks

    def take(self, message: Message) -> bool:
        """Takes in a record; True when it changed something."""
        name, value = (message.key() or b"").decode(errors="replace"), message.value()
        if name not in self._wanted:
            return False
        before = self.of(name), name in self.dropped
        if value is None:
            if MOVED not in dict(message.headers() or ()) and self._held.get(name, (-1, 0))[0] == message.partition():
                self.dropped.add(name)
        else:
            try:
                self._held[name] = int(message.partition() or 0), decode(Subscription, value).partition
                self.dropped.discard(name)
            except UndecodableError:
                return False  # the feed puts it aside
        return before != (self.of(name), name in self.dropped)

    def of(self, instrument: str) -> int:
        """The partition of an instrument, or the last that it had; -1 when it was never subscribed."""
        return self._held.get(instrument, (0, -1))[1]
