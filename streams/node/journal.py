"""The agent's own log: the lines of ``infra.log``, without the library behind it.

That one brings rich, twisted and asyncio where they are installed: 15 MB, of the 80 that an agent may take.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any


class Journal:
    """Writes one JSON object a line on standard error, or plain text where a person looks at it."""

    def __init__(self, process: str) -> None:
        self._process = process

    def info(self, event: str, **more: Any) -> None:
        """Something that goes as it should."""
        self._write("info", event, more)

    def warning(self, event: str, **more: Any) -> None:
        """Something that somebody should know of."""
        self._write("warning", event, more)

    def _write(self, level: str, event: str, more: dict[str, Any]) -> None:
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        if sys.stderr.isatty():
            line = " ".join([at, f"[{level}]", event, *(f"{name}={value}" for name, value in more.items())])
        else:
            line = json.dumps({"process": self._process} | more | {"event": event, "level": level, "timestamp": at})
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
