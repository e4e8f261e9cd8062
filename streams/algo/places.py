"""Which of the run's units are this task's: a member of the group ``algo.<run>`` on topic ``ticks``.

Kafka shares the partitions of ``ticks`` among the run's tasks, wherever they run. A unit belongs to the owner of the
partition that its first instrument has in topic ``subscriptions``. The member reads nothing: it only belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from infra import kafka
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.market import Subscription
from schemas.topics import TICKS
from streams.algo.reader import LogError
from streams.prices.subscribed import Place, Subscribed

SESSION_S = 10.0


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
    """The partition of ``ticks`` that each of the run's instruments has, and the last that one had that is gone.

    All of a run's tasks come to the same, or two would have an instrument, or none.
    """

    def __init__(self, instruments: Iterable[str]) -> None:
        self._names = frozenset(instruments)
        self._subscribed = Subscribed()
        self._last: dict[str, Place] = {}  # the newest of each instrument, whether it still counts or not

    def take(self, slot: int, key: bytes | None, value: bytes | None, at_ms: int) -> bool:
        """Takes in a record of ``subscriptions`` that Kafka dates ``at_ms``; True when it changed something."""
        name = (key or b"").decode(errors="replace")
        if name not in self._names:
            return False
        try:
            record = decode(Subscription, value) if value is not None else None
        except UndecodableError:
            return False  # its reader puts it aside
        if record is not None and record.partition < 0:
            return False  # somebody wrote it by hand, and the feed will give it a partition
        before = self.of(name), name in self._subscribed
        self._subscribed.put(name, slot, record, at_ms)
        if place := self._subscribed.current(name):
            self._last[name] = max(place, self._last.get(name, place), key=lambda each: each.at)
        return before != (self.of(name), name in self._subscribed)

    @property
    def dropped(self) -> set[str]:
        """Instruments that are not subscribed any more."""
        return {name for name in self._last if name not in self._subscribed}

    def of(self, instrument: str) -> int:
        """The partition of an instrument, or the last that it had; -1 when it was never subscribed."""
        place = self._subscribed.current(instrument) or self._last.get(instrument)
        return place.record.partition if place else -1
