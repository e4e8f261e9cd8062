"""What a dead process's last words mean, in a sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

KNOWN = (
    (r"No space left on device|ENOSPC|disk full", "The disk is full: free some space and start again."),
    (
        r"Address already in use|BindException|could not bind|Port \d+ is in use",
        "One of its ports is taken: stop the other program, or choose other ports with PORTFOLIO_PORT_BASE.",
    ),
    (
        r"OutOfMemoryError|Cannot allocate memory|could not map anonymous|insufficient memory",
        "There is not enough memory: close other programs and start again.",
    ),
    (
        r"Found unreadable|Corrupt|InconsistentClusterId|InvalidNodeId|meta\.properties|incompatible with server|"
        r"CommitLogReadException|Invalid cluster\.id|Cannot start node if snitch|No such file or directory.*global/|"
        r"invalid primary checkpoint|could not locate a valid checkpoint|not a database cluster|Saved cluster name",
        "Its data folder is damaged or of another version: `./portfolio down --wipe` removes the data to start afresh.",
    ),
)


def sentence(lines: Sequence[str]) -> str:
    """What is known about such last lines; empty when nothing is."""
    text = "\n".join(lines)
    return next((meaning for pattern, meaning in KNOWN if re.search(pattern, text)), "")


def last_words(lines: Sequence[str], count: int = 4) -> list[str]:
    """The lines worth showing: the errors if there are any, without stack frames."""
    plain = [line for line in lines if line.strip() and not re.match(r"\s+(at|\.\.\.) ", line)]
    errors = [line for line in plain if re.search(r"error|exception|fatal|refused", line, re.IGNORECASE)]
    return (errors or plain)[-count:]
