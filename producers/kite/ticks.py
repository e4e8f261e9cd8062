"""Kite's websocket: one connection, its messages, its refusals."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from infra.clock import Clock
from producers.feed.provider import ConnectionLostError, Frame, Notice, TokenRejectedError
from schemas.market import Mode

CHUNK = 500  # tokens a request: Kite names no limit, but one giant request delays the first ticks


class KiteConnection:
    """One open websocket (``producers.feed.provider.Connection``)."""

    def __init__(self, socket: ClientConnection, clock: Clock) -> None:
        self._socket = socket
        self._clock = clock

    async def subscribe(self, modes: Mapping[int, Mode]) -> None:
        """Asks for these tokens, then for their modes."""
        for tokens in _chunks(modes):
            await self._send("subscribe", tokens)
            for mode in sorted({modes[token] for token in tokens}):
                await self._send("mode", [mode, [token for token in tokens if modes[token] == mode]])

    async def unsubscribe(self, tokens: Iterable[int]) -> None:
        """No longer wants these tokens."""
        for chunk in _chunks(tokens):
            await self._send("unsubscribe", chunk)

    async def events(self) -> AsyncIterator[Frame | Notice]:
        """Binary frames (heartbeats too) and text messages, until the connection is lost."""
        now_us, read = self._clock.now_us, self._socket.recv
        try:
            while True:
                message = await read()
                if isinstance(message, bytes):
                    yield Frame(message, now_us())
                else:
                    yield _notice(message)
        except ConnectionClosed as closed:
            raise ConnectionLostError(f"Kite closed the connection ({closed})") from closed

    async def close(self) -> None:
        """Ends the connection."""
        await self._socket.close()

    async def _send(self, action: str, value: object) -> None:
        try:
            await self._socket.send(json.dumps({"a": action, "v": value}))
        except ConnectionClosed as closed:
            raise ConnectionLostError(f"Kite closed the connection ({closed})") from closed


async def open_connection(address: str, api_key: str, access_token: str, clock: Clock) -> KiteConnection:
    """Connects. TokenRejectedError on 403; ConnectionLostError, with the reason, on everything else."""
    query = urlencode({"api_key": api_key, "access_token": access_token})
    try:
        socket = await connect(
            f"{address}?{query}",
            additional_headers={"X-Kite-Version": "3"},
            compression=None,
            ping_interval=None,  # the feed's own watchdog listens for Kite's heartbeats
            open_timeout=10,
            close_timeout=1,
            max_size=None,
            max_queue=64,
        )
    except InvalidStatus as refused:
        status = refused.response.status_code
        if status == 403:
            raise TokenRejectedError("Kite does not take the access token: log in again") from refused
        if status == 429:
            raise ConnectionLostError("Kite allows 3 connections a key and all are in use") from refused
        raise ConnectionLostError(f"Kite answered the connection with status {status}") from refused
    except (InvalidURI, InvalidHandshake, OSError, TimeoutError) as error:
        raise ConnectionLostError(f"no connection to {address}: {error or type(error).__name__}") from error
    return KiteConnection(socket, clock)


def _notice(text: str) -> Notice:
    try:
        message = json.loads(text)
        return Notice(str(message["type"]), json.dumps(message["data"]))
    except (ValueError, KeyError, TypeError):
        return Notice("unreadable", text[:500])


def _chunks(tokens: Iterable[int]) -> Iterator[list[int]]:
    every = list(tokens)
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]
