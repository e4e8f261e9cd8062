"""The journal: what the exchange has taken and done, in a file that outlives it.

One JSON object a line. Each operation is one write of whole lines, handed to the operating system before anybody is
told of it, so the end of the process loses nothing (that of the machine may). The first line says the day and what
was carried into it; a new day begins a new file, and the last few days' are kept beside it.

    {"day": "2026-11-23", "cash": .., "carried": [..], "holdings": [..]}
    {"instrument": {..}}                                               before the first order in it
    {"order": "261123000000001", "placed": [..], "entries": [..]}      a new order
    {"order": "261123000000001", "entries": [..], "trades": [..]}      what became of it
    {"cash": ..}                                                       money was put in or taken out
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from infra.errors import UserError

NAME = "orders.jsonl"
KEPT_DAYS = 5


class Journal:
    """The file of one home. ``folder`` is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def read(self) -> Iterator[dict[str, Any]]:
        """What is in it. A last line that was not written whole is cut off: nobody was told of it.

        UserError when another line cannot be read.
        """
        with self._path.open("rb") as file:
            whole = 0
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    made = orjson.loads(line)
                except orjson.JSONDecodeError:
                    raise UserError(f"Line {number} of {self._path} is damaged: move the file away.") from None
                yield made
        os.truncate(self._path, whole)

    def write(self, lines: Iterable[dict[str, Any]]) -> None:
        """Adds lines, in one write."""
        rest = memoryview(b"".join(orjson.dumps(line) + b"\n" for line in lines))
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def begin(self, day_before: str, first: dict[str, Any]) -> None:
        """Puts the file aside as that of ``day_before`` (empty: there was none) and begins a new one."""
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(first) + b"\n")
        if day_before:
            kept = self._path.with_name(f"orders-{day_before}.jsonl")
            kept.unlink(missing_ok=True)
            os.link(self._path, kept)
        fresh.replace(self._path)
        os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND)
        for old in self.earlier()[:-KEPT_DAYS]:
            old.unlink()

    def earlier(self) -> list[Path]:
        """The kept files of earlier days, oldest first."""
        return sorted(self._path.parent.glob("orders-????-??-??.jsonl"))

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def read_file(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of an earlier day's file."""
    with path.open("rb") as file:
        yield from map(orjson.loads, file)
