"""Files with secrets in the home: made at the first use, readable by their owner only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4


def secret_file(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds; made when it is not there.

    Several processes of a new home do this at once: the file is there whole or not at all, and the first one's counts.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{uuid4().hex}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(make())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()
