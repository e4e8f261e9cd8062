"""Keeps the wanted number of worker processes running on this computer."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time

import structlog

from infra.settings import settings

STABLE_S = 10.0  # a worker that lived this long is started again at once
LEAVE_S = 90.0
log = structlog.get_logger()


class Supervisor:
    """Starts, replaces and lets go of worker processes."""

    def __init__(self) -> None:
        self._pool = settings().feed_pool
        self._wanted = 0
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._running: dict[int, asyncio.subprocess.Process] = {}

    def want(self, count: int) -> None:
        """From now on this many workers, numbered from 1."""
        if count != self._wanted:
            log.info("workers wanted", count=count, before=self._wanted)
        self._wanted = count
        for number in range(1, count + 1):
            keeper = self._keepers.get(number)
            if keeper is None or keeper.done():
                self._keepers[number] = asyncio.create_task(self._keep(number))
        for number, process in self._running.items():
            if number > count:
                # with nobody left to hand over to, there is nothing to wait for
                _send(process, signal.SIGHUP if count else signal.SIGTERM)

    async def stop(self) -> None:
        """Ends all workers at once."""
        self._wanted = 0
        for process in self._running.values():
            _send(process, signal.SIGTERM)
        if self._keepers:
            await asyncio.wait(self._keepers.values(), timeout=12)
        for process in self._running.values():
            _send(process, signal.SIGKILL)

    @property
    def running(self) -> dict[int, int]:
        """Process ids by number."""
        return {number: process.pid for number, process in self._running.items()}

    async def _keep(self, number: int) -> None:
        """Runs worker ``number`` as long as it is wanted; one that keeps dying is started ever more slowly."""
        wait = 0.2
        while number <= self._wanted:
            started = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "producers.feed.worker", str(number), stdin=asyncio.subprocess.DEVNULL
            )
            self._running[number] = process
            try:
                code = await self._wait(number, process)
            finally:
                del self._running[number]
            if number > self._wanted:
                return
            wait = 0.2 if time.monotonic() - started > STABLE_S else min(30.0, wait * 2)
            log.warning("worker ended", worker=f"{self._pool}-{number}", code=code, again_in_s=round(wait, 1))
            await asyncio.sleep(wait)

    async def _wait(self, number: int, process: asyncio.subprocess.Process) -> int:
        """Its exit code; a worker that is no longer wanted and does not leave in time is ended."""
        unwanted_since = None
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(process.wait()), 1)
            unwanted_since = (unwanted_since or time.monotonic()) if number > self._wanted else None
            if unwanted_since and time.monotonic() - unwanted_since > LEAVE_S:
                _send(process, signal.SIGKILL)


def _send(process: asyncio.subprocess.Process, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(sign)
