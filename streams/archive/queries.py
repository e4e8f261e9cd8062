"""The named statements of ``queries.cql``, prepared once for a session, and many of them run at a time."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from cassandra.cluster import EXEC_PROFILE_DEFAULT, ResultSet, Session
from cassandra.query import PreparedStatement, Statement, tuple_factory

FILE = Path(__file__).with_name("queries.cql")
IN_FLIGHT = 64


@cache
def texts() -> dict[str, str]:
    """The statements by name."""
    parts = re.split(r"^-- (\w+) --$", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    bare = (re.sub(r"^--.*$", "", text, flags=re.MULTILINE).strip().rstrip(";") for text in parts[2::2])
    return dict(zip(parts[1::2], bare, strict=True))


class Queries:
    """``queries["candles"]`` is the prepared statement of that name. Rows come as plain tuples.

    (The driver's named tuples make a new class for every answer, which costs ten times the answer.)
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._profile = session.execution_profile_clone_update(EXEC_PROFILE_DEFAULT, row_factory=tuple_factory)
        self._prepared: dict[str, PreparedStatement] = {}

    def __getitem__(self, name: str) -> PreparedStatement:
        if name not in self._prepared:
            statement = self.session.prepare(texts()[name])
            statement.is_idempotent = True  # all of them are: the driver may try again
            self._prepared[name] = statement
        return self._prepared[name]

    def run(self, name: str, *values: Any) -> ResultSet:
        """Runs one statement and waits for it."""
        return self.session.execute(self[name], values, execution_profile=self._profile)

    def run_all(self, statements: Iterable[Statement], in_flight: int = IN_FLIGHT) -> list[Any]:
        """Runs statements, some in flight at a time; their rows in the order of the statements.

        Blocks: call it in a thread. After the first error no more are sent; it is raised when those in flight ended.
        """
        window = threading.Semaphore(in_flight)
        rows: dict[int, Any] = {}
        errors: list[BaseException] = []

        def done(found: Any, number: int) -> None:
            rows[number] = found
            window.release()

        def failed(error: BaseException) -> None:
            errors.append(error)
            window.release()

        for number, statement in enumerate(statements):
            window.acquire()
            if errors:
                window.release()
                break
            future = self.session.execute_async(statement, execution_profile=self._profile)
            future.add_callbacks(done, failed, callback_args=(number,))
        for _ in range(in_flight):
            window.acquire()
        if errors:
            raise errors[0]
        return [rows[number] for number in range(len(rows))]
