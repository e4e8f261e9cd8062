"""Stopping a home."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from infra.errors import UserError
from infra.local import state as states
from infra.local.home import is_home, wipe
from infra.local.leftovers import stop_leftovers
from infra.settings import settings

PATIENCE_S = 90.0


def down(*, wipe: bool) -> None:
    """Stops a home's processes, those of a killed supervisor too, and removes its data if told so."""
    home = settings().home
    console = Console(highlight=False)
    if not is_home(home):
        console.print(f"Nothing runs in {home}.")
    else:
        with console.status("stopping …"):
            stopped = stop(home)
        console.print("Stopped." if stopped else "Nothing ran.")
    if wipe:
        remove(home)
        console.print(f"The data in {home} are removed.")


def stop(home: Path, told: Callable[[], None] = lambda: None) -> bool:
    """Stops what runs in a home; whether anything did. UserError when it does not stop."""
    state = states.read(home)
    if not states.is_held(home):
        return stop_leftovers(home) > 0
    supervisor = state.supervisor.process() if state else None
    if supervisor:
        supervisor.terminate()
    deadline = time.monotonic() + PATIENCE_S
    while states.is_held(home):
        told()
        if time.monotonic() > deadline:
            raise UserError(f"The supervisor of {home} does not stop; its log is {home / 'logs' / 'supervisor.log'}.")
        time.sleep(0.05)
    return True


def remove(home: Path) -> None:
    """Removes a home's data; it is stopped."""
    wipe(home)
