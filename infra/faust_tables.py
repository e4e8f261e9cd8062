"""Faust tables that lose nothing: a record is acknowledged once what it changed is in the changelog.

Faust itself flushes its producer before it commits offsets, but gives up after a tenth of a second without progress,
and the record that it is just handing over is in no queue: a worker that is killed then goes on behind changes that no
changelog has. Here each change's own acknowledgement by Kafka is waited for, in order, before the record's.
"""

from __future__ import annotations

import asyncio
from typing import Any

import faust
import structlog

from infra.faust_app import App

MOST_HELD = 1000  # records that are folded and not acknowledged yet; then the agent waits
log = structlog.get_logger()


class DurableTable(faust.Table):  # type: ignore[misc]
    """A table that remembers the changes of which Kafka has said nothing yet. Use: ``make_app(Table=DurableTable)``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unsaved: list[asyncio.Future[Any]] = []

    def send_changelog(self, *args: Any, **kwargs: Any) -> Any:
        """As Faust's, with the future of the change kept."""
        sent = super().send_changelog(*args, **kwargs)
        self.unsaved.append(sent)
        return sent

    def take_unsaved(self) -> list[asyncio.Future[Any]]:
        """The changes since the last call."""
        taken, self.unsaved = self.unsaved, []
        return taken


class Acknowledger:
    """Acknowledges records in their order, each after the changes that it made to the tables."""

    def __init__(self, app: App, tables: list[DurableTable]) -> None:
        self._app, self._tables = app, tables
        self._held: asyncio.Queue[tuple[Any, list[asyncio.Future[Any]]]] = asyncio.Queue(MOST_HELD)

    async def folded(self, event: Any) -> None:
        """A record was folded, and the tables have its changes. Waits while too many are held."""
        await self._held.put((event, [sent for table in self._tables for sent in table.take_unsaved()]))
        await asyncio.sleep(0)  # an agent with a full buffer would let nobody else run

    async def run(self) -> None:
        """For ever; the app ends when Kafka did not take a change, and starts again where it was."""
        while True:
            event, changes = await self._held.get()
            try:
                for change in changes:
                    await change
            except Exception as error:  # noqa: BLE001 - whatever it was, the tables are not what the log says
                log.error("a table's change was not written", reason=str(error) or type(error).__name__)
                await self._app.crash(error)
                return
            event.ack()
