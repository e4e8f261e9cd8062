"""The websocket side: who may connect, and what clients ask for. Kite's protocol (its documentation, version 3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from producers.simulator.connection import HEARTBEAT, MOST_TOKENS, Connection
from producers.simulator.errors import KiteError
from producers.simulator.exchange import Exchange
from producers.simulator.packets import MODE_CODES
from producers.simulator.sessions import Sessions

MOST_CONNECTIONS = 3
HEARTBEAT_S = 1.0


class Sockets:
    """The websocket server of an exchange."""

    def __init__(self, exchange: Exchange, sessions: Sessions) -> None:
        self._exchange = exchange
        self._sessions = sessions
        self._admitted: dict[ServerConnection, tuple[str, str]] = {}  # -> API key, access token

    @asynccontextmanager
    async def serve(self, port: int) -> AsyncIterator[Server]:
        """Serves on a loopback port (0: any) while the context lasts."""
        async with serve(
            self._handle,
            "127.0.0.1",
            port,
            process_request=self._admit,
            compression=None,  # packets do not compress well, and Kite does not
            ping_interval=None,  # heartbeats do it; a silent exchange shall be silent
            max_size=1 << 20,
            write_limit=1 << 18,
            close_timeout=2,
        ) as server:
            beats = asyncio.create_task(self._beat())
            try:
                yield server
            finally:
                beats.cancel()

    def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        query = parse_qs(urlsplit(request.path).query)
        key, token = (query.get(name, [""])[0] for name in ("api_key", "access_token"))
        try:
            self._sessions.check(key, token)
            self._admitted = {s: who for s, who in self._admitted.items() if s.state is not State.CLOSED}
            if sum(who[0] == key for who in self._admitted.values()) >= MOST_CONNECTIONS:
                raise KiteError(429, "NetworkException", f"At most {MOST_CONNECTIONS} connections for an api_key")
        except KiteError as error:
            headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(error.body))})
            return Response(error.status, error.phrase, headers, error.body)
        self._admitted[socket] = (key, token)
        return None

    async def _handle(self, socket: ServerConnection) -> None:
        _, token = self._admitted[socket]
        connection = Connection(socket, token, self._exchange.market.catalogue)
        self._exchange.connections.add(connection)
        writer = asyncio.create_task(connection.write())
        try:
            async for message in socket:
                self._obey(connection, message)
        except ConnectionClosed:
            pass
        finally:
            self._exchange.connections.discard(connection)
            self._admitted.pop(socket, None)
            writer.cancel()

    def _obey(self, connection: Connection, message: str | bytes) -> None:
        try:
            verb, value = _request(message)
            if verb == "subscribe":
                tokens = _tokens(value)
                refused = connection.subscribe(tokens)
                if refused:
                    connection.say(error_text(f"Limit of {MOST_TOKENS} instruments exceeded: {len(refused)} ignored."))
                self._exchange.snapshot(connection, list(dict.fromkeys(tokens)))
            elif verb == "unsubscribe":
                connection.unsubscribe(_tokens(value))
            else:
                mode, tokens = value[0], _tokens(value[1])
                connection.set_mode(mode, tokens)
                self._exchange.snapshot(connection, list(dict.fromkeys(tokens)))
        except ValueError as error:
            connection.say(error_text(str(error)))

    async def _beat(self) -> None:
        """Heartbeats to connections that had nothing else, and an end to those whose token has died."""
        while True:
            await asyncio.sleep(HEARTBEAT_S / 4)
            quiet = time.monotonic() - HEARTBEAT_S
            for connection in list(self._exchange.connections):
                if not self._sessions.is_valid(self._sessions.api_key, connection.access_token):
                    connection.cut()
                elif connection.last_offered < quiet and not self._exchange.is_silent:
                    connection.say(HEARTBEAT)


def error_text(message: str) -> str:
    """A text frame that tells a client of an error."""
    return text("error", message)


def text(kind: str, data: Any) -> str:
    """A text frame: ``error``, ``order`` or ``message``."""
    return orjson.dumps({"type": kind, "data": data}).decode()


def _request(message: str | bytes) -> tuple[str, Any]:
    try:
        asked = orjson.loads(message)
        verb, value = asked["a"], asked["v"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ValueError('Not a request: {"a": "subscribe", "v": [tokens]} is one.') from None
    if verb not in ("subscribe", "unsubscribe", "mode"):
        raise ValueError(f"Unknown action {verb!r}: subscribe, unsubscribe or mode.")
    if verb == "mode" and not (isinstance(value, list) and len(value) == 2 and value[0] in MODE_CODES):
        raise ValueError('A mode is set by {"a": "mode", "v": ["ltp"|"quote"|"full", [tokens]]}.')
    return verb, value


def _tokens(value: Any) -> list[int]:
    if not isinstance(value, list) or not all(isinstance(token, int) for token in value):
        raise ValueError("Instrument tokens are a list of integers.")
    return value
