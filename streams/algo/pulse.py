"""What a watchdog sees of the callbacks, without a clock in what it watches."""

from __future__ import annotations


class Pulse:
    """``count`` grows with every callback; ``what`` names the one that runs, "" between them."""

    def __init__(self) -> None:
        self.count = 0
        self.what = ""

    def begin(self, what: str) -> None:
        """A callback is being called."""
        self.count += 1
        self.what = what

    def end(self) -> None:
        """It has returned."""
        self.what = ""
