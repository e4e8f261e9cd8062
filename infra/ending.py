"""A process that ends whatever its clients do: a thread that waits for a server that is away may never return."""

from __future__ import annotations

import os
import sys
import threading


def end_within(seconds: float, status: int) -> None:
    """Ends this process with a status if it is still there after this time."""

    def end() -> None:
        sys.stderr.flush()
        os._exit(status)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
