"""The algo's log: lines on standard output, errors on standard error. The node's agent takes them to ``algo-logs``."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from streams.algo.events import Note
from streams.prices.lines import clock_text, zone_of


class Output:
    """Writes lines; nothing is held back."""

    def say(self, text: str, *, error: bool = False) -> None:
        """A line of the runner's own."""
        print(f"ERROR {text}" if error else f"- {text}", file=sys.stderr if error else sys.stdout, flush=True)

    def notes(self, notes: Iterable[Note]) -> None:
        """The algo's lines: market time in the exchange's zone, unit, text."""
        for note in notes:
            when = clock_text(note.at_us, zone_of(note.unit))
            if note.level == "error":
                self.say(f"{when} {note.unit} {note.text}", error=True)
            else:
                print(f"{when} {note.unit} {note.text}", flush=True)
