"""Files that are replaced in one step: whatever is killed, a reader finds the old content or the new."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, durable: bool = True) -> None:
    """Replaces a file (readable by its owner only). ``durable``: it is on the disk when this returns."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    fresh.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
