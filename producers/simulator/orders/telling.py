"""Who is told of orders: websocket frames to all of the account's connections, and postbacks over HTTP.

Neither holds up the desk: frames go to the connections' outboxes, postbacks through a queue to a task of their own.
A postback that cannot be delivered is lost, as Kite promises nothing either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import orjson

from producers.simulator.orders.form import checksum, news_form
from producers.simulator.orders.records import Entry, Order

QUEUED = 10_000  # postbacks; the oldest are lost
REST_S = 1.0  # after a failure, in which postbacks are lost without trying
ANSWER_S = 2.0
POSTED = frozenset({"COMPLETE", "CANCELLED", "REJECTED", "UPDATE"})


class Postbacks:
    """Postbacks to one address (``http://host:port/path``), one after the other on a connection that is kept."""

    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        self._secret = secret
        self._queue: asyncio.Queue[tuple[Order, Entry, str]] = asyncio.Queue(QUEUED)
        self._quiet_until = 0.0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def tell(self, order: Order, entry: Entry, status: str) -> None:
        """Queues one."""
        if status in POSTED:
            if self._queue.full():
                self._queue.get_nowait()
            self._queue.put_nowait((order, entry, status))

    async def run(self) -> None:
        """Delivers, for ever."""
        while True:
            told = await self._queue.get()
            if time.monotonic() < self._quiet_until:
                continue
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._post(self._body(*told))
            except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
                self._hang_up()
                self._quiet_until = time.monotonic() + REST_S

    def _body(self, order: Order, entry: Entry, status: str) -> bytes:
        made = news_form(order, entry, status)
        return orjson.dumps(made | {"checksum": checksum(made["order_id"], made["order_timestamp"], self._secret)})

    async def _post(self, body: bytes) -> None:
        reader, writer = self._streams = self._streams or await asyncio.open_connection(self._host, self._port)
        writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        if not length or b"connection: close" in head:
            self._hang_up()
        else:
            await reader.readexactly(int(length[0].split(b":")[1]))

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Telling:
    """Everybody who is told. ``send`` gives a frame to every connection."""

    def __init__(self, send: Callable[[str], None], postbacks: Postbacks | None) -> None:
        self._send, self._postbacks = send, postbacks

    def tell(self, order: Order, entry: Entry, status: str) -> None:
        """Frames first."""
        data = orjson.dumps(news_form(order, entry, status)).decode()
        self._send(f'{{"type":"order","id":"","data":{data}}}')
        if self._postbacks is not None:
            self._postbacks.tell(order, entry, status)
