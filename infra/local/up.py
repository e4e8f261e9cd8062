"""Starting a home: everything is fetched and checked first, then the supervisor starts it and we show how."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from infra.errors import UserError
from infra.local import jars
from infra.local import state as states
from infra.local.down import stop
from infra.local.home import make_home
from infra.local.leftovers import stop_leftovers
from infra.local.logs import last_lines, path_of
from infra.local.machine import require_room
from infra.local.parts import Part, parts_of
from infra.local.ports import require_free
from infra.local.progress import Downloads, Lines
from infra.local.show import print_services
from infra.settings import CHECKOUT, Settings, settings


def up(only: Sequence[str], *, detach: bool) -> None:
    """Starts what is wanted. In the foreground it shows the market until Ctrl-C, then stops what it started."""
    chosen = settings()
    console = Console(highlight=False)
    make_home(chosen.home)
    if states.is_held(chosen.home):
        join(console, chosen, detach=detach)
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # as Ctrl-C: a closed terminal leaves nothing behind
    stays = False
    try:
        start(console, chosen, only)
        stays = detach
        if not stays:
            watch(console, chosen)
    except KeyboardInterrupt:
        pass
    finally:
        if not stays and states.is_held(chosen.home):
            stop_shown(console, chosen.home)


def join(console: Console, chosen: Settings, *, detach: bool) -> None:
    """Somebody has started this home already: says so, and shows the market; leaving it stops nothing."""
    console.print(f"Already started in {chosen.home}:")
    if state := states.now(chosen.home):
        print_services(console, state)
    say_where(console, chosen)
    if detach or not has_view(console, chosen):
        return
    with contextlib.suppress(KeyboardInterrupt):
        watch(console, chosen)
    if states.is_held(chosen.home):
        console.print("Everything goes on; `./portfolio down` stops it.")


def start(console: Console, chosen: Settings, only: Sequence[str]) -> None:
    """Fetches, checks, starts, and returns when all is ready. UserError when something is in the way."""
    parts = parts_of(chosen, only)
    stop_leftovers(chosen.home)
    fetch_jars(console, parts)
    require_room(chosen.home, sum(part.memory_mb for part in parts))
    require_free((part.title, port) for part in parts if part.command and not part.address for port in part.ports)
    began = time.monotonic()
    follow(console, chosen.home, spawn(chosen, only))
    console.print(f"All ready in {time.monotonic() - began:.0f} s.")
    say_where(console, chosen)


def fetch_jars(console: Console, parts: Sequence[Part]) -> None:
    """Downloads the jars that are missing, with a bar for each server."""
    servers = [part.name for part in parts if part.name in jars.ROOTS and part.command]
    if wanted := jars.missing(servers):
        with Downloads(console) as shown:
            shown.fetch(wanted)


def spawn(chosen: Settings, only: Sequence[str]) -> subprocess.Popen[bytes]:
    """The supervisor's process, in a session of its own: it outlives this command."""
    with path_of(chosen.home, "supervisor").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "infra.local.supervisor", *only],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=CHECKOUT,
            start_new_session=True,
        )


def follow(console: Console, home: Path, supervisor: subprocess.Popen[bytes]) -> None:
    """Shows each part's way to ready; returns when all are. UserError when the start was given up."""
    with Lines(console) as lines:
        while True:
            state = states.read(home)
            state = state if state and state.supervisor.pid == supervisor.pid else None
            if state:
                lines.show(state.services)
            if state and state.failure:
                supervisor.wait(60)
                raise UserError(state.failure)
            if state and state.ready:
                return
            if supervisor.poll() is not None:
                said = last_lines(path_of(home, "supervisor"), 1)
                raise UserError(f"The supervisor ended: {' '.join(said)} (log: {path_of(home, 'supervisor')})")
            time.sleep(0.05)


def runs_console(chosen: Settings) -> bool:
    """Whether the console is among what runs."""
    state = states.now(chosen.home)
    return any(service.name == "console" for service in (state.services if state else ()))


def say_where(console: Console, chosen: Settings) -> None:
    """The console's address, if it runs."""
    if runs_console(chosen):
        console.print(f"API: {chosen.console_url}/api/docs")


def has_view(console: Console, chosen: Settings) -> bool:
    """Whether the live view can be shown."""
    return console.is_terminal and runs_console(chosen)


def watch(console: Console, chosen: Settings) -> None:
    """The live view in a terminal, else nothing; until it is left, Ctrl-C, or the end of the supervisor."""
    if has_view(console, chosen):
        view = subprocess.Popen([sys.executable, "-P", "-m", "infra.cli", "watch"])
        try:
            while view.poll() is None and states.is_held(chosen.home):
                time.sleep(0.1)
        finally:
            view.terminate()
            view.wait()
        if view.returncode == 0:
            return
    console.print("Ctrl-C stops everything.")
    while states.is_held(chosen.home):
        time.sleep(0.5)
    console.print("Stopped by another command.")


def stop_shown(console: Console, home: Path) -> None:
    """Stops, and says so."""
    with console.status("stopping …"):
        stop(home)
    console.print("Stopped.")
