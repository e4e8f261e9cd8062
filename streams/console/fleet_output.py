"""What a run prints, as the API gives it: at once, or line by line as it comes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict

from schemas.fleet import LogLine
from streams.console import fleet_models as models
from streams.console.fleet_logs import LogReader
from streams.console.state import Console
from streams.fleet.commands import find_tasks
from streams.fleet.fold import FleetState

LOOK_S = 0.1
SIGN_OF_LIFE_S = 5.0  # a stream that is silent for longer is broken, its reader may think


def open_log(console: Console, run: str, query: models.LogQuery) -> tuple[LogReader, list[models.LogRow]]:
    """A reader of the run's lines, and the last of them. UnknownNameError, UnavailableError."""
    reader = LogReader(console.settings, tasks_of(console.fleet.state, run, query.node))
    try:
        return reader, rows(reader.last(query.lines))
    except BaseException:
        reader.close()
        raise


def tasks_of(state: FleetState, run: str, node: str) -> Callable[[str], bool]:
    """Which task's lines are wanted. A removed run still has its lines; UnknownNameError for one never heard of."""
    name, _, on = run.partition("@")
    known = {entry.wanted.node for entry in state.tasks.values() if entry.wanted and entry.wanted.run == name}
    wanted = {place for place in (on, node) if place}
    if not known or not wanted <= known:
        find_tasks(state, name, sorted(wanted))  # says what there is instead
    if wanted:
        tasks = {f"{name}@{place}" for place in wanted}
        return lambda task: task in tasks
    return lambda task: task.rpartition("@")[0] == name


def rows(lines: Sequence[LogLine]) -> list[models.LogRow]:
    """Lines as the API says them."""
    return [models.LogRow(**asdict(line)) for line in lines]


async def events(
    reader: LogReader, first: Sequence[models.LogRow], is_gone: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    """Server-sent events: the first lines, then those that come, until the other side is gone."""
    spoken = time.monotonic()
    lines: Sequence[models.LogRow] = first
    try:
        while not await is_gone():
            for row in lines:
                yield f"data: {row.model_dump_json()}\n\n"
            if lines or time.monotonic() - spoken > SIGN_OF_LIFE_S:
                spoken = time.monotonic()
                yield ": it goes on\n\n"
            if not lines:
                await asyncio.sleep(LOOK_S)
            lines = rows(reader.more())
    finally:
        # closing takes a moment, and whoever is cancelled here cannot wait for anything
        threading.Thread(target=reader.close, name="log-closes", daemon=True).start()
