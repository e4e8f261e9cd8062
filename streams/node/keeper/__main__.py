"""``python -S -P -s -m streams.node.keeper`` in a task's folder: runs what its ``launch.json`` says, once.

The lock is held as long as the keeper lives: two keepers of a task never run at a time, and a launch that was
started before is not started again.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time

from streams.node.keeper.watch import Keeper


def main() -> int:
    """The exit status: 0 when the launch has run, 1 when it had before or another runs."""
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _taken(lock):
        return 1
    with open("launch.json", encoding="utf-8") as file:  # noqa: PTH123
        spec = json.load(file)
    if _last_launch() == spec["launch"]:
        return 1
    Keeper(spec).run()
    return 0


def _taken(lock: int) -> bool:
    """Waits a little: the keeper before may be about to leave, and agents try the lock to see who lives."""
    for _ in range(100):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _last_launch() -> str:
    try:
        with open("status.json", encoding="utf-8") as file:  # noqa: PTH123
            return str(json.load(file)["launch"])
    except (OSError, ValueError, KeyError):
        return ""


if __name__ == "__main__":
    sys.exit(main())
