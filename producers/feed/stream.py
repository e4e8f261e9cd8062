"""One provider's connection kept alive: subscribe, watch for silence, back off, resubscribe, tell interruptions."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from typing import Literal

import structlog

from producers.feed.provider import (
    Connection,
    ConnectionLostError,
    Frame,
    Notice,
    Provider,
    TokenRejectedError,
)
from schemas.market import Mode

State = Literal["streaming", "connecting", "waiting-for-token", "refused"]
log = structlog.get_logger()


class Backoff:
    """Waits that double up to half a minute, with full jitter so that workers do not come back all at once."""

    def __init__(self, first_s: float = 0.25, longest_s: float = 30.0) -> None:
        self._first, self._longest = first_s, longest_s
        self._next = first_s

    def next_s(self) -> float:
        """How long to wait now."""
        wait = random.uniform(self._next / 2, self._next)  # noqa: S311 - jitter
        self._next = min(self._longest, self._next * 2)
        return wait

    def reset(self) -> None:
        """After a success."""
        self._next = self._first


class Stream:
    """Streams the wanted tokens of one provider into ``on_frames`` until cancelled.

    ``on_lost(reason)`` is called once for each interruption, after the last frame before it; ``on_notice`` with each
    text message.
    """

    def __init__(
        self,
        provider: Provider,
        silence_s: float,
        on_frames: Callable[[list[Frame]], None],
        on_lost: Callable[[str], None],
        on_notice: Callable[[Notice], None],
    ) -> None:
        self._provider, self._silence_s = provider, silence_s
        self._on_frames, self._on_lost, self._on_notice = on_frames, on_lost, on_notice
        self._arrived: list[Frame] = []
        self._some = asyncio.Event()
        self._wanted: dict[int, Mode] = {}
        self._asked: dict[int, Mode] = {}
        self._connection: Connection | None = None
        self._changed = asyncio.Event()
        self._heard = 0.0
        self.state: State = "connecting"
        self.detail = ""
        self.refused = ""  # one sentence when more is wanted than one connection carries

    def want(self, modes: Mapping[int, Mode]) -> None:
        """From now on these tokens in these modes; only the difference goes to the provider."""
        limit = self._provider.connection_limit
        self._wanted = dict(list(modes.items())[:limit])
        beyond = len(modes) - len(self._wanted)
        self.refused = (
            f"{beyond} of {len(modes)} instruments do not fit into one connection, which carries {limit}: "
            "start more workers with `./portfolio feed workers N`"
            if beyond
            else ""
        )
        self._changed.set()

    @property
    def has_asked(self) -> bool:
        """Whether everything wanted has been asked for on this connection."""
        return self._asked == self._wanted

    async def run(self) -> None:
        """Connects and streams, again and again."""
        backoff = Backoff()
        while True:
            try:
                self._connection = await self._provider.connect()
            except TokenRejectedError as error:
                self._tell("waiting-for-token", str(error))
                await self._provider.new_token()
            except ConnectionLostError as error:
                self._tell("connecting", str(error))
                await asyncio.sleep(backoff.next_s())
            else:
                await self._until_lost(self._connection, backoff)

    async def _until_lost(self, connection: Connection, backoff: Backoff) -> None:
        self._asked = {}
        self._heard = time.monotonic()
        self._changed.set()
        works = (self._read(connection), self._deliver(), self._steer(connection), self._watch())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            reason = next(str(task.exception()) for task in done if not task.cancelled())
            log.warning("interrupted", provider=self._provider.name, reason=reason)
            if self.state == "streaming":
                backoff.reset()
            self._tell("connecting", reason)
            self._hand_on()
            self._on_lost(reason)
        finally:
            self._connection = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), 2)
        await asyncio.sleep(backoff.next_s())

    async def _read(self, connection: Connection) -> None:
        async for event in connection.events():
            self._heard = time.monotonic()
            if isinstance(event, Notice):
                self._on_notice(event)
                continue
            if self.state != "streaming":
                self._tell("streaming", "")
            self._arrived.append(event)
            self._some.set()

    async def _deliver(self) -> None:
        """Hands on together what the socket gave at once: under load a batch is worth several frames."""
        while True:
            await self._some.wait()
            self._some.clear()
            self._hand_on()

    def _hand_on(self) -> None:
        frames, self._arrived = self._arrived, []
        if frames:
            self._on_frames(frames)

    async def _steer(self, connection: Connection) -> None:
        """Sends what changed between what was asked for and what is wanted."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            gone = [token for token in self._asked if token not in self._wanted]
            new = {token: mode for token, mode in self._wanted.items() if self._asked.get(token) != mode}
            wanted = dict(self._wanted)
            if gone:
                await connection.unsubscribe(gone)
            if new:
                await connection.subscribe(new)
            self._asked = wanted

    async def _watch(self) -> None:
        """Silence of a whole connection is a dead socket: the provider sends signs of life when nothing happens."""
        while True:
            await asyncio.sleep(self._silence_s / 10)
            silent = time.monotonic() - self._heard
            if silent > self._silence_s:
                raise ConnectionLostError(f"nothing was heard for {self._silence_s:g} s")

    def _tell(self, state: State, detail: str) -> None:
        if (state, detail) != (self.state, self.detail):
            log.info("stream", state=state, detail=detail)
        self.state, self.detail = state, detail
