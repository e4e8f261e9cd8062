"""A Faust table whose changes are written in the transactions of the one process in charge (``infra.fenced``).

What a batch of records changes is in the changelog whole or not at all, together with whatever else the transaction
wrote, and a process that is not in charge any more changes nothing.

Faust begins a recovery by asking where the changelog ends. At that moment this process takes charge, so that nobody
else changes the table from then on, and reads what was committed by itself: a hundred thousand records in a second or
two, where Faust takes one at a time. Faust then finds its table complete.

It is one table, so that a transaction touches one partition for all its changes: its keys are ``kind/key``.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from infra import kafka
from infra.errors import UserError
from infra.faust_app import CHANGELOG, App, BoundedConsumer
from infra.settings import Settings

Change = tuple[str, str, bytes | None]  # kind, key, value or None where it is gone
Message = tuple[str, bytes, bytes | None]  # topic, key, value
ANSWER_S, TRIES = 5.0, 12
WAIT_MS = 100  # a topic whose records were taken too late is asked for again only when the fetch under way ends


class ImpatientThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's, whose fetches wait no longer than that for records."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        made = super()._create_worker_consumer(transport)
        made._fetch_max_wait_ms = WAIT_MS
        return made


class FencedConsumer(BoundedConsumer):
    """Faust's consumer, for an app with a :class:`FencedTable`."""

    def _new_consumer_thread(self) -> Any:
        return ImpatientThread(self, loop=self.loop, beacon=self.beacon)

    async def highwaters(self, *partitions: Any) -> dict[Any, int]:
        """Called before a recovery, and for nothing else."""
        return await self.app.fenced_table.recover(partitions)  # type: ignore[no-any-return]

    def goes_on_from(self, partition: Any, offset: int) -> None:
        """What is before this offset counts as acknowledged."""
        self._committed_offset[partition] = offset
        self._acked[partition] = []
        self._acked_index[partition] = set()


class FencedTable:
    """The table of an app. ``take_charge`` is awaited before each recovery, ``recovered`` after it."""

    def __init__(
        self,
        app: App,
        name: str,
        of: Settings,
        take_charge: Callable[[], Awaitable[None]],
        recovered: Callable[[], Awaitable[None]],
    ) -> None:
        self._app, self._settings, self._take_charge = app, of, take_charge
        self._table = app.Table(name, partitions=1, key_type=bytes, value_type=bytes)
        self._table.on_recover(recovered)
        self.changelog = f"{app.conf.id}-{name}{CHANGELOG}"
        app.transport.Consumer = FencedConsumer
        app.fenced_table = self

    def make_changelog(self) -> None:
        """Makes its topic. UserError when Kafka does not."""
        config = {"cleanup.policy": "compact", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}
        topic = NewTopic(self.changelog, 1, self._settings.kafka_replication, config=config)
        client = kafka.admin(self._settings)  # kept until the answer is in
        reason = ""
        for _ in range(TRIES):  # a Kafka that has just started may leave a request without an answer
            try:
                client.create_topics([topic], request_timeout=ANSWER_S)[self.changelog].result(ANSWER_S + 2)
            except TimeoutError:
                reason = "no answer"
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    return
                reason = error.args[0].str()
            else:
                return
        raise UserError(f"Kafka did not make {self.changelog}: {reason}.")

    def contents(self) -> dict[str, dict[str, bytes]]:
        """What is in the table: kind -> key -> value."""
        found: dict[str, dict[str, bytes]] = defaultdict(dict)
        for place, value in self._table.items():
            kind, _, key = place.decode().partition("/")
            found[kind][key] = value
        return found

    def put(self, changes: Iterable[Change]) -> list[Message]:
        """Changes the table; what is to be written in the transaction that makes it last."""
        messages: list[Message] = []
        for kind, key, value in changes:
            place = f"{kind}/{key}".encode()
            self._set(place, value)
            messages.append((self.changelog, place, value))
        return messages

    def _set(self, place: bytes, value: bytes | None) -> None:
        if value is None:
            self._table.data.pop(place, None)  # the store itself: Faust writes no changelog then
        else:
            self._table.data[place] = value

    async def recover(self, changelogs: Iterable[Any]) -> dict[Any, int]:
        """The table as it was committed, once this process is in charge; where the changelog ends."""
        await self._take_charge()
        ends: dict[Any, int] = {}
        for changelog in changelogs:  # there is one
            ends[changelog] = await asyncio.to_thread(self._read)
            self._app.tables.recovery.active_offsets[changelog] = ends[changelog] - 1  # Faust needs to read nothing
        return ends

    def _read(self) -> int:
        end = 0
        self._table.data.clear()
        for message in kafka.read_on(self.changelog, 0, self._settings):
            self._set(message.key() or b"", message.value())
            end = int(message.offset() or 0) + 1
        return end
