"""One part under supervision: started, found ready, started again when it dies, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from structlog.stdlib import BoundLogger

from infra.errors import UserError
from infra.libc import SERVERS_SLACK_NS, timer_slack
from infra.local.diagnosis import cause
from infra.local.logs import path_of, since
from infra.local.parts import Part
from infra.local.state import Mark, ServiceState

READY_WITHIN_S = 240.0  # a hung one is ended then; a slow machine is not a fault
FIRST_ATTEMPTS = 2  # a part that dies so often before it was ever ready is given up
SETTLED_S = 10.0  # a part that ran so long is started again at once when it dies
LONGEST_DELAY_S = 30.0
HEALTH_EVERY_S = 10.0
HUNG_AFTER_S = 60.0


def delay_s(quick_deaths: int) -> float:
    """How long to wait before the next start, after so many deaths soon after the start."""
    return 0.0 if quick_deaths <= 1 else min(LONGEST_DELAY_S, 0.5 * 2 ** (quick_deaths - 2))


class NeverReadyError(UserError):
    """A part could not be started; the sentence says why."""


@dataclass(slots=True)
class Running:
    """A part and its process. ``changed`` is called with every new state."""

    part: Part
    home: Path
    environment: Mapping[str, str]
    changed: Callable[[], None]
    log: BoundLogger
    state: ServiceState = field(init=False)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _process: asyncio.subprocess.Process | None = None
    _stopping: bool = False
    _log_start: int = 0  # where this process's part of the log begins

    def __post_init__(self) -> None:
        part = self.part
        self.state = ServiceState(part.name, part.title, "waiting", part.port, address=part.address)

    def _set(self, **changes: object) -> None:
        before, self.state = self.state, replace(self.state, **changes)  # type: ignore[arg-type]
        self.changed()
        if before.state != self.state.state:
            told = {name: changes[name] for name in ("ready_s", "restarts", "error") if changes.get(name)}
            self.log.info(self.state.state, part=self.part.name, **told)

    async def run(self, needs: list[Running]) -> None:
        """Runs the part until it is stopped. NeverReadyError when it does not start the first time."""
        for need in needs:
            await need.ready.wait()
        self._set(state="starting")
        began = time.monotonic()
        try:
            await asyncio.to_thread(self.part.prepare)
        except UserError as error:
            raise NeverReadyError(self._give_up(str(error))) from error
        if self.part.command is None:
            await self._first_time(began)
            return
        quick_deaths = 0
        while not self._stopping:
            began = time.monotonic()
            process = await self._spawn(self.part.command())
            await self._watch(process, began)
            quick_deaths = quick_deaths + 1 if time.monotonic() - began < SETTLED_S else 1
            self._mourn(process, quick_deaths)
            await asyncio.sleep(delay_s(quick_deaths))

    async def _spawn(self, command: list[str]) -> asyncio.subprocess.Process:
        slack = timer_slack(SERVERS_SLACK_NS) if self.part.is_server else contextlib.nullcontext()
        with slack, path_of(self.home, self.part.name).open("ab") as log:
            self._log_start = log.tell()
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.home,
                start_new_session=True,
            )
        self._process = process
        with contextlib.suppress(psutil.NoSuchProcess):
            self._set(pid=process.pid, created=Mark.of(process.pid).created)
        return process

    async def _watch(self, process: asyncio.subprocess.Process, began: float) -> None:
        """Waits for the process to be ready, then for its end."""
        ended = asyncio.create_task(process.wait())
        try:
            while not ended.done():
                if await asyncio.to_thread(self.part.answers):
                    await self._first_time(began)
                    await self._attend(ended)
                elif time.monotonic() - began > READY_WITHIN_S:
                    self._kill_group(signal.SIGKILL)
                await asyncio.wait({ended}, timeout=0.05)
        finally:
            ended.cancel()

    async def _attend(self, ended: asyncio.Task[int]) -> None:
        """Asks the ready part now and then how it is, until it ends. A hung service is killed, a server only told of:
        it may be busy with what a restart would only repeat.
        """
        answered = time.monotonic()
        while not (await asyncio.wait({ended}, timeout=HEALTH_EVERY_S))[0]:
            if await asyncio.to_thread(self.part.answers):
                answered = time.monotonic()
                if self.state.error:
                    self._set(error="")
                continue
            silent_s = time.monotonic() - answered
            self._set(error=f"It runs, but has not answered for {silent_s:.0f} s.")
            if silent_s > HUNG_AFTER_S and not self.part.is_server:
                self._kill_group(signal.SIGKILL)

    async def _first_time(self, began: float) -> None:
        """The part answers: furnishes it, and tells."""
        if not self.ready.is_set():
            try:
                await asyncio.to_thread(self.part.furnish)
            except UserError as error:
                raise NeverReadyError(self._give_up(str(error))) from error
            except Exception as error:
                why = f"It answers, but refused its topics or tables: {type(error).__name__}: {error}"
                raise NeverReadyError(self._give_up(why)) from error
        self.ready.set()
        self._set(state="running", ready_s=round(time.monotonic() - began, 2), error="")

    def _mourn(self, process: asyncio.subprocess.Process, quick_deaths: int) -> None:
        """Notes why the process died. What it left of its own processes ends too, or would stand in the way."""
        self._kill_group(signal.SIGTERM)
        why = cause(process.returncode or 0, since(path_of(self.home, self.part.name), self._log_start))
        if self._stopping:
            return
        if not self.ready.is_set() and quick_deaths >= FIRST_ATTEMPTS:
            raise NeverReadyError(self._give_up(why))
        self._set(state="restarting", pid=None, ready_s=None, restarts=self.state.restarts + 1, error=why)

    def _give_up(self, why: str) -> str:
        self._set(state="dead", pid=None, error=why)
        return f"{self.part.title} could not be started. {why} (log: {path_of(self.home, self.part.name)})"

    def _kill_group(self, number: signal.Signals) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    async def stop(self) -> None:
        """Ends the process: asked first, then made to."""
        self._stopping = True
        process = self._process
        if process and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), self.part.stop_s)
            except TimeoutError:
                self._kill_group(signal.SIGKILL)
                await process.wait()
        self._kill_group(signal.SIGKILL)
        if self.state.state != "dead":
            self._set(state="stopped", pid=None, ready_s=None)
