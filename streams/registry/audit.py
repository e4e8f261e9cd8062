"""The audit of commands: each command and its fate in PostgreSQL, for years.

Read from ``commands`` and ``algo-events``. Rows are made by whichever comes first, and a fate only goes forward, so
repeated and reordered records leave the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from confluent_kafka import Message
from psycopg2 import DataError
from psycopg2.extensions import connection

from schemas.codec import UndecodableError, decode
from schemas.fleet import AlgoEvent, Command
from schemas.topics import ALGO_EVENTS, COMMANDS

TOPICS = (COMMANDS, ALGO_EVENTS)
FATES = ("accepted", "refused", "done", "failed")
UNFIT = (DataError, ValueError)  # impossible times, broken JSON, NUL characters
BATCH = 500
COMMAND = """
INSERT INTO command_audit (id, node, verb, task, package, arguments, signer, sequence, actor, issued_at, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, to_timestamp(%s / 1e6), to_timestamp(%s / 1e6))
ON CONFLICT (id) DO UPDATE SET (node, verb, task, package, arguments, signer, sequence, actor, issued_at, expires_at) =
    (excluded.node, excluded.verb, excluded.task, excluded.package, excluded.arguments, excluded.signer,
     excluded.sequence, excluded.actor, excluded.issued_at, excluded.expires_at)
WHERE command_audit.verb IS NULL
"""
FATE = """
INSERT INTO command_audit (id, node, task, fate, reason, answered_at)
VALUES (%s, %s, %s, %s, %s, to_timestamp(%s / 1e6))
ON CONFLICT (id) DO UPDATE SET fate = excluded.fate, reason = excluded.reason, answered_at = excluded.answered_at
WHERE command_audit.fate = 'requested' OR (command_audit.fate = 'accepted' AND excluded.fate <> 'accepted')
"""
log = structlog.get_logger(process="audit")


def write(by: connection, records: Sequence[Command | AlgoEvent]) -> None:
    """Writes commands and fates in one transaction; other events are passed over.

    Anybody can write anything to a topic: what PostgreSQL cannot hold is left out and told, and the rest is kept.
    """
    try:
        _write(by, records)
    except UNFIT as error:
        if len(records) == 1:
            log.warning("a record does not fit the audit", record=repr(records[0])[:500], reason=str(error).strip())
            return
        for record in records:
            write(by, [record])


def _write(by: connection, records: Sequence[Command | AlgoEvent]) -> None:
    with by, by.cursor() as cursor:
        for record in records:
            if isinstance(record, Command):
                cursor.execute(COMMAND, _row(record))
            elif record.command and record.kind in FATES:
                row = (record.command, record.node, record.task, record.kind, record.reason, record.at_us)
                cursor.execute(FATE, row)


def _row(c: Command) -> tuple[Any, ...]:
    return (
        c.id, c.node, c.verb, c.task, c.package, c.arguments, c.signer, c.sequence, c.actor, c.issued_us, c.expires_us,
    )  # fmt: skip


def take(by: connection, messages: Sequence[Message]) -> None:
    """Writes what a batch of messages holds."""
    write(by, [record for message in messages if (record := _record(message)) is not None])


def _record(message: Message) -> Command | AlgoEvent | None:
    kind: type[Any] = Command if message.topic() == COMMANDS.name else AlgoEvent
    try:
        record: Command | AlgoEvent = decode(kind, message.value() or b"")
    except UndecodableError:
        return None  # the fleet counts it
    return record
