"""One client's websocket: what it is subscribed to, and a bounded outbox.

A client that reads too slowly never holds up the others: once ``OUTBOX_BYTES`` wait for it, the rows that change
are only remembered, and it gets their latest state when there is room again, as from a real exchange. The tape
(:meth:`Connection.put`) waits for room instead, so nothing of a recording is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from producers.simulator.catalogue import Catalogue
from producers.simulator.market import Market
from producers.simulator.packets import LTP, MODE_CODES, QUOTE, frames

Column = NDArray[Any]
OUTBOX_BYTES = 4_000_000
MOST_TOKENS = 3000
STUCK_S = 60.0  # a client that takes nothing for so long is cut off
HEARTBEAT = b"\x00"


class Connection:
    """The exchange's side of one websocket."""

    def __init__(self, socket: ServerConnection, access_token: str, listed: Catalogue) -> None:
        self.access_token = access_token
        self.modes: dict[int, int] = {}  # token -> mode, whether listed today or not
        self.last_offered = time.monotonic()
        self._socket = socket
        self._outbox: deque[bytes | str] = deque()
        self._waiting = 0  # bytes
        self._gone = False
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self.relist(listed)

    def relist(self, listed: Catalogue) -> None:
        """Takes the rows of another day's list."""
        self._row_of = listed.row_of
        self._row_modes = np.zeros(len(listed), np.uint8)
        self._behind = np.zeros(len(listed), bool)
        self._set_rows(self.modes)

    def _set_rows(self, modes: dict[int, int]) -> None:
        for token, mode in modes.items():
            if (row := self._row_of.get(token)) is not None:
                self._row_modes[row] = mode

    def subscribe(self, tokens: list[int]) -> list[int]:
        """Adds tokens in quote mode (those already there keep theirs); returns the ones that were too many."""
        refused = []
        for token in tokens:
            if token in self.modes:
                continue
            if len(self.modes) >= MOST_TOKENS:
                refused.append(token)
            else:
                self.modes[token] = QUOTE
        self._set_rows({token: self.modes[token] for token in tokens if token in self.modes})
        return refused

    def unsubscribe(self, tokens: list[int]) -> None:
        """Drops tokens."""
        for token in tokens:
            self.modes.pop(token, None)
        self._set_rows(dict.fromkeys(tokens, 0))

    def set_mode(self, mode: str, tokens: list[int]) -> None:
        """Changes the mode of those of the tokens that are subscribed to."""
        mine = {token: MODE_CODES[mode] for token in tokens if token in self.modes}
        self.modes.update(mine)
        self._set_rows(mine)

    def rows(self, tokens: list[int]) -> Column:
        """The rows of those of the tokens that are listed and subscribed to."""
        return np.array([self._row_of[t] for t in tokens if t in self._row_of and t in self.modes], np.int64)

    def snapshot(self, market: Market, rows: Column) -> None:
        """The current packets of these rows."""
        self._offer(frames(market.blocks(rows, self._row_modes[rows])))

    def tick(self, market: Market, changed: Column, moved: Column) -> None:
        """What changed in a step; in ltp mode only what has another price."""
        modes = self._row_modes
        mine = np.concatenate((changed[modes[changed] > LTP], moved[modes[moved] == LTP]))
        if self._waiting > OUTBOX_BYTES:
            self._behind[mine] = True
            return
        if self._behind.any():
            self._behind[mine] = True
            mine = np.flatnonzero(self._behind & (modes > 0))
            self._behind[:] = False
        if len(mine):
            self._offer(frames(market.blocks(mine, modes[mine])))

    def say(self, message: bytes | str) -> None:
        """Queues one message, a text frame or bytes as they are."""
        self._offer([message])

    async def put(self, made: list[bytes]) -> None:
        """Queues frames, one by one as there is room. ConnectionError when the client is gone."""
        for frame in made:
            while self._waiting > OUTBOX_BYTES // 8 and not self._gone:
                self._room.clear()
                await self._room.wait()
            if self._gone:
                raise ConnectionError("the client is gone")
            self._offer([frame])

    def _offer(self, messages: list[bytes] | list[bytes | str]) -> None:
        self._outbox.extend(messages)
        self._waiting += sum(map(len, messages))
        self.last_offered = time.monotonic()
        self._wake.set()

    async def write(self) -> None:
        """Sends what is queued, for ever; returns when the client is gone or stuck."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._outbox:
                    message = self._outbox.popleft()
                    async with asyncio.timeout(STUCK_S):
                        await self._socket.send(message)
                    self._waiting -= len(message)
                    self._room.set()
        except (ConnectionClosed, TimeoutError):
            self._socket.transport.abort()
        finally:
            self._gone = True
            self._room.set()

    def cut(self) -> None:
        """Breaks the connection off, without a goodbye."""
        self._socket.transport.abort()
