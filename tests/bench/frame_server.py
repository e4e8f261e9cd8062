"""A websocket server that does nothing but send frames, so that what is measured is the receiving side."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Frames = Callable[[set[int]], Iterator[bytes]]  # of a connection that has subscribed to these tokens


class FrameServer:
    """Notes what each connection subscribes to; sends when told to, until told to stop."""

    def __init__(self) -> None:
        self._open: dict[ServerConnection, set[int]] = {}  # what each connection has subscribed to
        self._start, self._stop = threading.Event(), threading.Event()
        self._frames: Frames = lambda _: iter(())
        self._per_second = 0.0

    @property
    def subscribed(self) -> list[set[int]]:
        """The tokens of each open connection."""
        return list(self._open.values())

    @property
    def connections(self) -> list[int]:
        """How many tokens each open connection has subscribed to."""
        return [len(wanted) for wanted in self.subscribed]

    @property
    def instruments(self) -> int:
        """How many different tokens are subscribed to by all connections together."""
        return len(set().union(*self.subscribed))

    def play(self, frames: Frames, per_second: float = 0) -> None:
        """Begins, with so many frames a second on each connection; 0: as fast as they are taken."""
        self._frames, self._per_second = frames, per_second
        self._start.set()

    def stop(self) -> None:
        """Ends all sending."""
        self._stop.set()
        self._start.set()

    def handle(self, connection: ServerConnection) -> None:
        """One connection, in a thread of its own."""
        wanted = self._open[connection] = set()
        try:
            with contextlib.suppress(ConnectionClosed):
                self._listen(connection, wanted)
                self._send(connection, self._frames(wanted))
                while not self._stop.wait(1):
                    connection.send(b"\x00")
        finally:
            del self._open[connection]

    def _listen(self, connection: ServerConnection, wanted: set[int]) -> None:
        """Until it is told to send."""
        while not self._start.is_set():
            try:
                asked = json.loads(connection.recv(0.5))
            except TimeoutError:
                connection.send(b"\x00")  # Kite's sign of life
                continue
            if asked["a"] == "unsubscribe":
                wanted.difference_update(asked["v"])
            elif asked["a"] == "mode":
                wanted.update(asked["v"][1])

    def _send(self, connection: ServerConnection, frames: Iterator[bytes]) -> None:
        due = time.perf_counter()
        while not self._stop.is_set():
            if self._per_second:
                due += 1 / self._per_second
                time.sleep(max(0.0, due - time.perf_counter()))
            frame = next(frames, None)  # made after the wait: it may carry the time
            if frame is None:
                return
            connection.send(frame)


@contextlib.contextmanager
def frame_server(port: int) -> Iterator[FrameServer]:
    """A server on loopback while the block runs."""
    frames = FrameServer()
    with serve(frames.handle, "127.0.0.1", port, compression=None, ping_interval=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield frames
        finally:
            frames.stop()
            server.shutdown()
            thread.join()
