"""The Faust application of the fleet: its tables of nodes, tasks, algos and commands, and the agent that folds them.

All six topics have one partition, so one worker has them all and folds them in one stream; a second worker stands by.
A record is acknowledged after its changes are in the tables' changelogs (``infra.faust_tables``); what is repeated
after a crash changes nothing, since the fold does not mind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic
from faust.types import TP
from mode import CrashingSupervisor

from infra import kafka
from infra.faust_app import CHANGELOG, App, make_app
from infra.faust_tables import Acknowledger, DurableTable
from infra.settings import Settings
from streams.fleet.book import TOPICS, Book
from streams.fleet.entries import KINDS, VERSION, changes, pack_entry, state_of
from streams.fleet.pages import add_pages

GROUP = "fleet"
CAUGHT_UP_EVERY_S = 0.1
log = structlog.get_logger(process="fleet")


def table_name(kind: str) -> str:
    """The Faust table of a kind of entries."""
    return f"{kind}-v{VERSION}"


def make_changelogs(of: Settings) -> None:
    """Makes the tables' changelog topics: compacted, one partition. UserError or KafkaException when Kafka refuses."""
    names = [f"{GROUP}-{table_name(kind)}{CHANGELOG}" for kind in KINDS]
    config = {"cleanup.policy": "compact", "segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.1"}
    client = kafka.admin(of)
    made = client.create_topics([NewTopic(name, 1, of.kafka_replication, config=config) for name in names])
    for done in made.values():
        try:
            done.result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def fleet_app(of: Settings, book: Book, slot: int = 0) -> App:
    """The app, which keeps ``book``."""
    app = make_app(GROUP, of, of.fleet_web_port + slot, slot, store="memory://", Table=DurableTable)
    tables = {kind: _table(app, kind) for kind in KINDS}
    acknowledger = Acknowledger(app, list(tables.values()))
    names = list(TOPICS)
    topic = app.topic(*names, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    @app.agent(topic, name="fold", concurrency=1, supervisor_strategy=CrashingSupervisor)  # type: ignore[untyped-decorator]
    async def fold_fleet(stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            app.buffered.taken(len(message.value or b""))
            at_us = round(message.timestamp * 1000) * 1000  # Kafka's are milliseconds
            before = book.take(message.topic, message.offset, message.key, message.value, at_us)
            for table, key, entry in changes(before, book.state):
                if entry is None:
                    tables[table].pop(key.encode(), None)
                else:
                    tables[table][key.encode()] = pack_entry(entry)
            await acknowledger.folded(event)

    @app.task  # type: ignore[untyped-decorator]
    async def acknowledge() -> None:
        await acknowledger.run()

    recovered = asyncio.Event()
    left = set(KINDS)

    def recovery_of(kind: str) -> Callable[[], Awaitable[None]]:
        async def done() -> None:
            left.discard(kind)
            if left:
                return
            left.update(KINDS)
            try:
                book.restart(state_of({name: dict(table.items()) for name, table in tables.items()}))
            except ValueError as error:  # Faust would pass over it
                log.error("the tables cannot be read", reason=str(error))
                await app.crash(error)
            recovered.set()

        return done

    for kind, table in tables.items():
        table.on_recover(recovery_of(kind))

    @app.task  # type: ignore[untyped-decorator]
    async def catch_up() -> None:
        while True:
            await recovered.wait()
            recovered.clear()
            await _until_caught_up(app, book, of)

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def revoked(_: Any, partitions: Any, **kwargs: Any) -> None:
        book.active = False
        app.buffered.bytes = 0  # Faust has emptied its buffers

    add_pages(app, book)
    return app


def _table(app: App, kind: str) -> Any:
    return app.Table(table_name(kind), partitions=1, key_type=bytes, value_type=bytes)


async def _until_caught_up(app: App, book: Book, of: Settings) -> None:
    """Sets the book active once what is in the topics at the recovery is folded, and if the topics are ours."""
    begins, ends = await asyncio.to_thread(_span, of)
    ours = {TP(name, 0) for name in TOPICS}
    while (behind := book.behind(begins, ends)) or not ours <= set(app.consumer.assignment()):
        book.detail = f"reads {', '.join(behind)}" if behind else "another worker has the topics"
        await asyncio.sleep(CAUGHT_UP_EVERY_S)
    book.active, book.detail = True, ""
    log.info("the fleet is known", nodes=len(book.state.nodes), tasks=len(book.state.tasks))


def _span(of: Settings) -> tuple[dict[str, int], dict[str, int]]:
    """Of each topic: where the group goes on reading, and where the topic ends now."""
    reader = kafka.consumer(GROUP, of)
    try:
        marks = {name: reader.get_watermark_offsets(TopicPartition(name, 0), timeout=10) for name in TOPICS}
        places = reader.committed([TopicPartition(name, 0) for name in TOPICS], timeout=10)
        begins = {at.topic: max(at.offset, marks[at.topic][0]) for at in places}
        return begins, {name: end for name, (_, end) in marks.items()}
    finally:
        reader.close()
