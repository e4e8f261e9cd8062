"""How a process that takes in large records keeps its memory."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
RECORDS_MB, KEPT_MB = 16, 64


def keep_freed_memory() -> None:
    """Lets malloc reuse what was freed instead of giving it back to the system each time. Does nothing without glibc.

    A batch of ticks is some 100 KB, just above what glibc returns to the system at once: decompressing one cost twice
    as long as its bytes need, for the pages that came and went.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(M_MMAP_THRESHOLD, RECORDS_MB << 20)
    mallopt(M_TRIM_THRESHOLD, KEPT_MB << 20)
