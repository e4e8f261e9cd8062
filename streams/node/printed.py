"""Reads what keepers wrote of an algo's output, and tells it to topic ``algo-logs``."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer

from schemas.codec import encode
from schemas.fleet import LogLine
from schemas.topics import ALGO_LOGS
from streams.node.files import write_whole
from streams.node.keeping import Keeping
from streams.node.packages import Packages
from streams.node.state import State

MOST_BYTES = 256 << 10  # in one batch
NO_FILE = 0
LEAVE_S = 5.0  # how long a removed task's last lines may take to be told


@dataclass(frozen=True, slots=True)
class Place:
    """How far a log was told: the number of the last line, and where it ends. ``file`` is an inode."""

    number: int = 0
    file: int = NO_FILE
    offset: int = 0


def parse(line: bytes) -> tuple[int, int, str, str] | None:
    """Number, time, source and text of a line of the log; None when it is none."""
    parts = line.split(b" ", 3)
    if len(parts) != 4 or not parts[0].isdigit() or not parts[1].isdigit() or parts[2] not in (b"out", b"err", b"node"):
        return None
    return int(parts[0]), int(parts[1]), parts[2].decode(), parts[3].decode(errors="replace")


def lines_of(data: bytes, after: int, node: str, task: str) -> tuple[list[LogLine], int]:
    """The records of some whole lines, and the number of the last. Numbers that are missing were left out."""
    found = []
    for line in data.split(b"\n"):
        if (parsed := parse(line)) is None or parsed[0] <= after:
            continue
        number, at_us, source, text = parsed
        found.append(LogLine(node, task, at_us, source, text, number - after - 1))  # type: ignore[arg-type]
        after = number
    return found, after


class Tail:
    """Follows the log of one task over its turns."""

    def __init__(self, folder: Path, node: str, task: str) -> None:
        self._folder, self._node, self._task = folder, node, task
        self._kept = folder / "told.json"
        self.place = self._read_place()

    def _read_place(self) -> Place:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Place(**json.loads(self._kept.read_bytes()))
        return Place()

    def next(self) -> tuple[list[LogLine], Place]:
        """The next lines, and the place after them."""
        place = self.place
        for path in self._files():
            with contextlib.suppress(OSError), path.open("rb") as file:
                look = os.fstat(file.fileno())
                offset = place.offset if look.st_ino == place.file else 0
                file.seek(offset)
                data = file.read(MOST_BYTES)
                whole = data[: data.rfind(b"\n") + 1]
                lines, number = lines_of(whole, place.number, self._node, self._task)
                place = Place(number, look.st_ino, offset + len(whole))
                if lines or len(data) == MOST_BYTES:
                    break
        else:
            lines = []
        return lines, place

    def _files(self) -> list[Path]:
        """The files that may have something new, the older one first."""
        before, newest = self._folder / "log.1", self._folder / "log"
        with contextlib.suppress(OSError):
            if newest.stat().st_ino == self.place.file:
                return [newest]
        return [before, newest]

    def told(self, place: Place) -> None:
        """Everything up to here was told."""
        if place != self.place:
            self.place = place
            with contextlib.suppress(OSError):  # the task's folder may have been removed meanwhile
                content = {"number": place.number, "file": place.file, "offset": place.offset}
                write_whole(self._kept, json.dumps(content).encode(), durable=False)


class Printed:
    """Tells one task's log: a batch is sent, and the place moves on when Kafka has all of it."""

    def __init__(self, tail: Tail, task: str, to: Producer) -> None:
        self._tail, self._key, self._to = tail, task.encode(), to
        self._waiting = 0
        self._failed = False
        self._after = tail.place

    def pump(self) -> bool:
        """Sends the next lines unless some are on their way; True when there were some."""
        if self._waiting:
            return True
        lines, after = self._tail.next()
        if not lines:
            self._tail.told(after)
            return False
        self._after, self._failed = after, False
        self._waiting = len(lines)
        for number, line in enumerate(lines):
            try:
                self._to.produce(ALGO_LOGS.name, encode(line), self._key, on_delivery=self._told)
            except (BufferError, KafkaException):
                self._failed = True
                self._waiting -= len(lines) - number
                break
        return True

    def _told(self, error: Any, _: Any) -> None:
        self._waiting -= 1
        self._failed = self._failed or error is not None
        if not self._waiting and not self._failed:
            self._tail.told(self._after)


class Printing:
    """Tells what all tasks print, and clears up after those that are no more once their last lines are told."""

    def __init__(self, state: State, node: str, keeping: Keeping, packages: Packages, to: Producer) -> None:
        self._state, self._node = state, node
        self._keeping, self._packages, self._to = keeping, packages, to
        self._printed: dict[str, Printed] = {}
        self._leaving: dict[str, float] = {}  # removed tasks whose folders are still there, until when

    def let_go(self, task: str) -> None:
        """A task is no more."""
        self._leaving[task] = time.monotonic() + LEAVE_S

    def pump(self) -> bool:
        """Sends what there is; True while there is more."""
        busy = [self._one(name).pump() for name in self._state.tasks]
        for name, until in list(self._leaving.items()):
            if name in self._state.tasks:  # it is back
                del self._leaving[name]
            elif time.monotonic() > until or not self._one(name).pump():
                self._clear_up(name)
        return any(busy) or bool(self._leaving)

    def _one(self, name: str) -> Printed:
        if name not in self._printed:
            self._printed[name] = Printed(Tail(self._keeping.place(name), self._node, name), name, self._to)
        return self._printed[name]

    def _clear_up(self, name: str) -> None:
        del self._leaving[name], self._printed[name]
        self._keeping.remove(name)
        self._packages.keep_only(kept.task.package for kept in self._state.tasks.values())
