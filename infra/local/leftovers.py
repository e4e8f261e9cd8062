"""Processes that a killed supervisor left behind."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from infra.local import state as states

PATIENCE_S = 20.0


def leftovers(home: Path) -> list[psutil.Process]:
    """The processes of the last supervisor that still run, with their own children; the latest started first."""
    state = states.read(home)
    marks = [service.mark for service in state.services if service.mark] if state else []
    found = [process for mark in marks if (process := mark.process())]
    family = list(found)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
    return family[::-1]


def stop_leftovers(home: Path) -> int:
    """Ends them, asked first, then made to; how many there were. Call it while no supervisor runs."""
    found = leftovers(home)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(found, PATIENCE_S)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, PATIENCE_S)
    return len(found)
