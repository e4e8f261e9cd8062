"""PostgreSQL: a connection from the settings."""

from __future__ import annotations

import psycopg2
from psycopg2.extensions import connection

from infra.errors import UserError
from infra.settings import Settings, settings


def connect(of: Settings | None = None) -> connection:
    """A connection. UserError when the server does not answer."""
    chosen = of or settings()
    try:
        return psycopg2.connect(chosen.postgres_url, connect_timeout=10)
    except psycopg2.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"PostgreSQL does not answer ({reason}); see `./portfolio status`.") from error
