"""The processes of a task, whoever started them, and their end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil


def home_of(process: psutil.Process) -> str:
    """The folder that a living process has for its home; empty when it has none, or lives no more."""
    try:
        return process.environ().get("PORTFOLIO_HOME", "") if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""


def at_home_in(folder: Path) -> list[psutil.Process]:
    """All living ones that have this folder for their home."""
    return [process for process in psutil.process_iter() if home_of(process) == str(folder)]


def kill(processes: Iterable[psutil.Process]) -> None:
    """Ends each that has not ended meanwhile."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
