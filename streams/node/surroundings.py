"""What an algo's process finds around it: a clean environment, its own folder as its home, and the market's clock."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from infra.clock import clock_file
from infra.settings import CHECKOUT, Settings
from schemas.fleet import Task

PATH = "/usr/local/bin:/usr/bin:/bin"


def environment(task: Task, folder: Path, settings: Settings) -> dict[str, str]:
    """Of the agent's own environment nothing is passed on: no secret can be in it by accident.

    ``settings``: with the node's Kafka.
    """
    threads = str(max(1, int(task.cpu)))
    found = {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": threads,  # else one for each core of the computer, with memory for each
        "OMP_NUM_THREADS": threads,
        "PORTFOLIO_HOME": str(folder),
        "PORTFOLIO_TASK": task.task,
        "PORTFOLIO_KAFKA": settings.kafka_servers,
        "PORTFOLIO_PARTITIONS": str(settings.partitions),
        "PORTFOLIO_CLOCK": "simulated" if clock_file(folder).exists() else "wall",
        "PORTFOLIO_LOG_LEVEL": settings.log_level,
    }
    if settings.kafka_security:
        found["PORTFOLIO_KAFKA_SECURITY"] = json.dumps(settings.kafka_security)
    if sys.pycache_prefix:  # an algo reads what the platform has compiled, and writes nothing there
        found["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    for name in ("SSL_CERT_FILE", "TZ"):
        if value := os.environ.get(name):
            found[name] = value
    return found


def copy_clock(settings: Settings, folder: Path) -> None:
    """The home's simulated market clock, where there is one, as the task's own."""
    theirs, ours = clock_file(settings.home), clock_file(folder)
    if settings.clock == "simulated" and theirs.exists():
        shutil.copyfile(theirs, ours)
    else:
        ours.unlink(missing_ok=True)


def keeper_environment() -> dict[str, str]:
    """The keeper's: only what Python needs to find it."""
    return {"PATH": PATH, "LANG": "C.UTF-8", "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}


def arguments_of(text: str) -> dict[str, Any]:
    """A command's arguments. ValueError when they are no JSON object."""
    values = json.loads(text or "{}")
    if not isinstance(values, dict):
        raise ValueError("they are no JSON object")
    return values
