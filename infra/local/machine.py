"""Whether this machine has room: memory and disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.errors import UserError

DISK_MB = 1500  # the servers' first files, and logs


def memory_free_mb() -> int:
    """Memory that could be had without swapping, within this container's limit."""
    import psutil

    free = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and (most := limit.read_text(encoding="ascii").strip()).isdigit():
        free = min(free, int(most) - int(used.read_text(encoding="ascii")))
    return free >> 20


def disk_free_mb(folder: Path) -> int:
    """Space left on the disk of a folder that exists."""
    return shutil.disk_usage(folder).free >> 20


def require_room(home: Path, memory_mb: int) -> None:
    """UserError when there is too little disk or memory for so much."""
    if (free := disk_free_mb(home)) < DISK_MB:
        raise UserError(f"The disk of {home} has {free} MB left, {DISK_MB} MB are needed: free some space.")
    if (free := memory_free_mb()) < memory_mb:
        raise UserError(f"{memory_mb} MB of memory are needed and {free} MB are free: close other programs.")
