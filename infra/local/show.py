"""What runs, for people and for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.brake import read_brake
from infra.errors import UserError
from infra.local import state as states
from infra.local.logs import follow as added
from infra.local.logs import last_lines, path_of
from infra.settings import settings

COLOURS = {"running": "green", "starting": "yellow", "restarting": "yellow", "waiting": "dim", "dead": "red"}
KEYS = ("name", "state", "pid", "port", "ready_s", "restarts", "address", "error")


def as_data(state: states.State | None) -> dict[str, Any]:
    """The state in the form that machines read; ``waiting`` counts as ``starting``."""
    services = [{key: getattr(service, key) for key in KEYS} for service in state.services] if state else []
    for service in services:
        service["state"] = {"waiting": "starting"}.get(service["state"], service["state"])
    return {"ready": bool(state and state.ready), "services": services}


def print_status(*, as_json: bool) -> None:
    """Prints it."""
    home = settings().home
    state = states.now(home)
    if as_json:
        brake = {scope: asdict(hold) for scope, hold in read_brake(home).items()}
        more = {"home": str(home), "console": settings().console_url, "brake": brake}
        print(json.dumps(as_data(state) | more))
        return
    console = Console(highlight=False)
    if state is None:
        console.print(f"Nothing was started in {home}; `./portfolio up` does it.")
        return
    print_services(console, state)
    for scope, hold in read_brake(home).items():
        why = f": {hold.reason}" if hold.reason else ""
        console.print(f"[red]{hold.state}[/]: {escape(scope)} by {escape(hold.actor or 'nobody')}{escape(why)}")


def print_services(console: Console, state: states.State) -> None:
    """A table, and below it what is wrong."""
    console.print(table(state))
    for service in state.services:
        if service.error:
            console.print(f"[red]{service.title}[/]: {service.error}", soft_wrap=True)


def table(state: states.State) -> Table:
    """A line for each server and service."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("service", "state", "ready in", "address", "process", "restarts"):
        shown.add_column(heading, justify="right" if heading in ("ready in", "process", "restarts") else "left")
    for service in state.services:
        shown.add_row(
            service.name,
            f"[{COLOURS.get(service.state, 'dim')}]{service.state}[/]",
            f"{service.ready_s:.1f} s" if service.ready_s is not None else "",
            service.address or f"127.0.0.1:{service.port}",
            str(service.pid or ""),
            str(service.restarts or ""),
        )
    return shown


def print_log(service: str, *, lines: int, follow: bool) -> None:
    """Prints the end of a log. UserError when there is none."""
    home = settings().home
    path = path_of(home, service)
    if not path.exists():
        there = ", ".join(sorted(found.stem for found in Path(home / "logs").glob("*.log")))
        raise UserError(f"There is no log of {service}" + (f": choose among {there}." if there else " yet."))
    for line in last_lines(path, lines):
        print(line)
    for piece in added(path) if follow else ():
        print(piece, end="", flush=True)
