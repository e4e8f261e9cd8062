"""Join tokens in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import connection


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as it is kept. ``used_*`` are empty until a node was let in with it."""

    id: str
    secret_sha256: bytes
    approve: bool
    tags: list[str]
    actor: str
    is_expired: bool  # by PostgreSQL's clock
    used_by: str = ""
    used_request: int = 0  # ``at_us`` of the join request
    used_us: int = 0  # when that was decided


def add(
    by: connection, id_: str, secret_sha256: bytes, *, approve: bool, tags: Sequence[str], valid_s: float, actor: str
) -> datetime:
    """Keeps a new token; until when it can be used."""
    with by, by.cursor() as cursor:
        cursor.execute(
            "INSERT INTO join_tokens (id, secret_sha256, approve, tags, made_by, expires_at) "
            "VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s)) RETURNING expires_at",
            (id_, secret_sha256, approve, list(tags), actor, valid_s),
        )
        row = cursor.fetchone()
    assert row is not None  # noqa: S101 - RETURNING of an INSERT
    expires_at: datetime = row[0]
    return expires_at


def find(by: connection, id_: str) -> StoredToken | None:
    """The token, locked until the transaction ends; None when there is none."""
    with by.cursor() as cursor:
        cursor.execute(
            "SELECT id, secret_sha256, approve, tags, made_by, expires_at <= now(), coalesce(used_by, ''), "
            "coalesce(used_request, 0), coalesce(used_us, 0) FROM join_tokens WHERE id = %s FOR UPDATE",
            (id_,),
        )
        row = cursor.fetchone()
    return StoredToken(row[0], bytes(row[1]), *row[2:]) if row else None


def use(by: connection, id_: str, node: str, request_us: int, now_us: int) -> None:
    """Marks it as used, in the caller's transaction."""
    with by.cursor() as cursor:
        cursor.execute(
            "UPDATE join_tokens SET used_by = %s, used_request = %s, used_us = %s WHERE id = %s",
            (node, request_us, now_us, id_),
        )
