"""Numbered migrations of the stores: ``infra/ddl/NNNN_name.cql`` for Cassandra, ``.sql`` for PostgreSQL.

Each is run once, in order, and remembered with the checksum of its text in the store's ``schema_migrations``. A
migration that was changed after it had been run is refused: a change is a new file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.errors import UserError
from infra.settings import Settings

DDL = Path(__file__).parent / "ddl"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """sha256 of its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """Its statements, comments left out. They contain no semicolon in quotes."""
        bare = re.sub(r"--[^\n]*", "", self.text)
        return [statement.strip() for statement in bare.split(";") if statement.strip()]


def read(suffix: str, folder: Path = DDL) -> list[Migration]:
    """The migrations of a store in their order. ValueError when two have the same number."""
    found = [
        Migration(int(path.stem[:4]), path.name, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob(f"[0-9][0-9][0-9][0-9]_*.{suffix}"))
    ]
    if len({m.number for m in found}) != len(found):
        raise ValueError(f"two *.{suffix} migrations have the same number")
    return found


def pending(migrations: Iterable[Migration], done: Mapping[int, str], store: str) -> list[Migration]:
    """Those still to be run, given the checksums of those that were. UserError when a changed one was run before."""
    left = []
    for migration in migrations:
        checksum = done.get(migration.number)
        if checksum is None:
            left.append(migration)
        elif checksum != migration.checksum:
            raise UserError(
                f"Migration {migration.name} was changed after it had been run in {store}: put it back as it was and "
                "write the change as a new file (or start afresh with `./portfolio down --wipe`)."
            )
    return left


def repeatable(statement: str) -> str:
    """A CQL statement that leaves alone what it has made before: schemas have no transactions to undo a half."""
    return re.sub(r"(?i)^CREATE (TABLE|TYPE|INDEX|MATERIALIZED VIEW) (?!IF)", r"CREATE \1 IF NOT EXISTS ", statement)


def migrate_cassandra(settings: Settings, folder: Path = DDL) -> list[str]:
    """Makes the keyspace, runs what is pending; the names of those run. UserError as above."""
    from cassandra import DriverException
    from cassandra.protocol import ErrorMessage

    from infra.cassandra import connect

    session = connect(settings, keyspace=False)
    try:
        replication = {
            "class": "NetworkTopologyStrategy",
            settings.cassandra_datacenter: settings.cassandra_replication,
        }
        session.execute(f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication = {replication}")
        session.set_keyspace(settings.keyspace)
        session.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, name text, checksum text, "
            "run_at timestamp)"
        )
        done = {row.number: row.checksum for row in session.execute("SELECT number, checksum FROM schema_migrations")}
        left = pending(read("cql", folder), done, "Cassandra")
        for migration in left:
            for statement in migration.statements:
                try:
                    session.execute(repeatable(statement))
                except (DriverException, ErrorMessage) as error:
                    raise UserError(f"Cassandra refused migration {migration.name}: {error}") from error
            session.execute(
                "INSERT INTO schema_migrations (number, name, checksum, run_at) "
                "VALUES (%s, %s, %s, toTimestamp(now()))",
                (migration.number, migration.name, migration.checksum),
            )
    finally:
        session.cluster.shutdown()
    return [migration.name for migration in left]


def migrate_postgres(settings: Settings, folder: Path = DDL) -> list[str]:
    """Runs what is pending, all or nothing, one process at a time; the names of those run. UserError as above."""
    from psycopg2 import Error

    from infra.postgres import connect

    connection = connect(settings)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(715320)")
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, name text NOT NULL, "
                "checksum text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())"
            )
            cursor.execute("SELECT number, checksum FROM schema_migrations")
            left = pending(read("sql", folder), dict(cursor.fetchall()), "PostgreSQL")
            for migration in left:
                try:
                    cursor.execute(migration.text)
                except Error as error:
                    reason = str(error).splitlines()[0]
                    raise UserError(f"PostgreSQL refused migration {migration.name}: {reason}") from error
                cursor.execute(
                    "INSERT INTO schema_migrations (number, name, checksum) VALUES (%s, %s, %s)",
                    (migration.number, migration.name, migration.checksum),
                )
    finally:
        connection.close()
    return [migration.name for migration in left]
