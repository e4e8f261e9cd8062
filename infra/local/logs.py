"""The services' logs: written by themselves into ``logs/NAME.log``, kept small, shown to people."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LIMIT = 20 << 20  # bytes of a log; the previous as many are kept in NAME.log.1


def path_of(home: Path, name: str) -> Path:
    """Where a service's log is."""
    return home / "logs" / f"{name}.log"


def rotate(path: Path, limit: int = LIMIT) -> bool:
    """Puts a log that has grown too long aside. Its writer keeps the file, since it only appends."""
    if not path.exists() or path.stat().st_size < limit:
        return False
    shutil.copyfile(path, path.with_suffix(".log.1"))
    with path.open("r+b") as file:
        file.truncate(0)
    return True


def last_lines(path: Path, count: int, reach: int = 1 << 18) -> list[str]:
    """The end of a log, from at most ``reach`` bytes."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - reach))
        return file.read().decode(errors="replace").splitlines()[-count:]


def since(path: Path, position: int, reach: int = 1 << 16) -> list[str]:
    """The lines written after a position, from at most ``reach`` bytes."""
    size = path.stat().st_size if path.exists() else 0
    return last_lines(path, 60, min(reach, size - position if size >= position else size))


def follow(path: Path, goes_on: Callable[[], bool] = lambda: True) -> Iterator[str]:
    """What is added to a log from now on, in pieces; also after it was put aside."""
    position = path.stat().st_size if path.exists() else 0
    while goes_on():
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            position = 0
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                added = file.read()
            position += len(added)
            yield added.decode(errors="replace")
        else:
            time.sleep(0.1)
