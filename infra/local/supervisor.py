"""The supervisor of a home: ``python -m infra.local.supervisor [NAME...]``, started by ``./portfolio up``.

Starts the named parts (all by default) with what they need, as early as their needs allow, keeps them running, tells
their state in ``run/state.json``, and stops them in reverse order on SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys

from infra.clock import start_clock
from infra.errors import UserError
from infra.local import state as states
from infra.local.home import make_home
from infra.local.leftovers import stop_leftovers
from infra.local.logs import path_of, rotate
from infra.local.parts import Part, environment, parts_of, stop_waves
from infra.local.running import Running
from infra.log import set_up
from infra.settings import Settings, settings

HOUSEKEEPING_S = 10.0


class Supervisor:
    """The parts of one home while they run."""

    def __init__(self, chosen: Settings, parts: list[Part]) -> None:
        self._settings = chosen
        self._state = states.State(states.Mark.of(os.getpid()))
        self._needs = {part.name: part.needs for part in parts}
        surroundings, log = environment(chosen), set_up("supervisor")
        self._running = {part.name: Running(part, chosen.home, surroundings, self._tell, log) for part in parts}
        self._failure = ""
        self._tell()

    def _tell(self) -> None:
        running = getattr(self, "_running", {})
        states.write(
            self._settings.home,
            states.State(
                self._state.supervisor,
                tuple(one.state for one in running.values()),
                bool(running) and all(one.ready.is_set() for one in running.values()),
                getattr(self, "_failure", ""),
            ),
        )

    async def run(self) -> int:
        """Until told to stop (0), or until a part cannot be started (1)."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        tasks = [
            asyncio.create_task(one.run([self._running[need] for need in self._needs[name]]))
            for name, one in self._running.items()
        ]
        tasks.append(asyncio.create_task(self._keep_house()))
        told = asyncio.create_task(stop.wait())
        try:
            await self._until_told_or_failed(told, tasks)
        finally:
            told.cancel()
            await self._stop(tasks)
        return 1 if self._failure else 0

    async def _until_told_or_failed(self, told: asyncio.Task[bool], tasks: list[asyncio.Task[None]]) -> None:
        left: set[asyncio.Task[bool] | asyncio.Task[None]] = {told, *tasks}
        while not told.done():
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for error in (task.exception() for task in done):
                if isinstance(error, UserError):
                    self._failure = str(error)
                    self._tell()
                    return
                if error:
                    raise error

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for wave in stop_waves(self._running, self._needs):
            await asyncio.gather(*(self._running[name].stop() for name in wave))
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            for name in (*self._running, "supervisor"):
                with contextlib.suppress(OSError):
                    rotate(path_of(self._settings.home, name))


def main(names: list[str]) -> int:
    """Runs until stopped."""
    chosen = settings()
    make_home(chosen.home)
    with states.hold(chosen.home) as held:
        if not held:
            sys.stderr.write("another supervisor of this home runs\n")
            return 1
        stop_leftovers(chosen.home)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # Kafka and Cassandra keep many files open
        if chosen.clock == "simulated":
            start_clock(chosen.home, chosen.clock_speed)
        return asyncio.run(Supervisor(chosen, parts_of(chosen, names)).run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
