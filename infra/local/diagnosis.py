"""What a dead process's last words mean, in a sentence that says what to do."""

from __future__ import annotations

import re
import signal
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


def last_words(lines: Sequence[str], count: int = 3) -> list[str]:
    """The last lines that tell of an error, without stack frames."""
    plain = [line.strip() for line in lines if not re.match(r"\s+(at|\.\.\.) ", line)]
    return [line for line in plain if re.search(r"error|exception|fatal|refused", line, re.IGNORECASE)][-count:]


def cause(status: int, lines: Sequence[str]) -> str:
    """Why a process ended, by its exit status (negative: the signal that killed it) and its log since its start."""
    if meaning := sentence(lines):
        return meaning
    if status == -signal.SIGKILL:
        return "It was killed (SIGKILL): by somebody, or by the system for want of memory."
    how = f"It was ended by {signal.Signals(-status).name}." if status < 0 else f"It ended with status {status}."
    words = last_words(lines) or [line.strip() for line in lines[-3:]]
    return f"{how} Last words: {' | '.join(words)}" if words else how
