"""What tests want to go wrong with orders: with the answer to who places one, and with the frames that tell of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

Kind = Literal["timeout", "error", "duplicate-frames", "no-frames", "late-frames", "none"]
LATE_S = 2.0


class OrderFaults:
    """The faults that are on. ``send`` gives a frame to every connection.

    - ``timeout``: the next orders are taken, and the answer never comes
    - ``error``: the next orders are refused with 502 and not taken
    - ``duplicate-frames``: the next frames are sent twice; ``no-frames``: not at all; ``late-frames``: they are held
      back and then sent in reverse order, after ``LATE_S`` at the latest
    - ``none``: all is well again
    """

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._place: Kind = "none"
        self._frames: Kind = "none"
        self._places = self._left = 0
        self._late: list[str] = []

    def set(self, kind: Kind, count: int) -> None:
        """The next ``count`` are concerned."""
        if kind in ("timeout", "error", "none"):
            self._place, self._places = kind, count
        if kind not in ("timeout", "error"):
            self._release()
            self._frames, self._left = kind, count

    def takes(self, kind: Kind) -> bool:
        """Whether this fault happens to the order that is being placed."""
        if self._place != kind or self._places <= 0:
            return False
        self._places -= 1
        return True

    def send(self, frame: str) -> None:
        """Sends a frame, or does with it what tests want."""
        if self._frames == "none" or self._left <= 0:
            self._send(frame)
            return
        self._left -= 1
        if self._frames == "duplicate-frames":
            self._send(frame)
            self._send(frame)
        elif self._frames == "late-frames":
            if not self._late:
                asyncio.get_running_loop().call_later(LATE_S, self._release)
            self._late.append(frame)
            if not self._left:
                self._release()

    def _release(self) -> None:
        late, self._late = self._late, []
        for frame in reversed(late):
            self._send(frame)
