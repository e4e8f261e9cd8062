"""The commands that start, show and stop the platform on this machine."""

from __future__ import annotations

import os
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

Detach = Annotated[bool, typer.Option("--detach", "-d", help="Return when all is ready; everything goes on.")]
Only = Annotated[str, typer.Option(metavar="NAME,…", help="Only these, with what they need.", show_default=False)]
Speed = Annotated[float, typer.Option(help="Simulated market time runs so many times faster.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Wipe = Annotated[bool, typer.Option("--wipe", help="Remove the home's data as well.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on showing what is added.")]
Lines = Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")]


@app.command()
def up(detach: Detach = False, only: Only = "", speed: Speed = 0) -> None:
    """Start everything and show the live market; Ctrl-C stops it."""
    if speed:
        os.environ["PORTFOLIO_CLOCK_SPEED"] = str(speed)
    from infra.local.up import up as start

    start([name.strip() for name in only.split(",") if name.strip()], detach=detach)


@app.command()
def down(wipe: Wipe = False) -> None:
    """Stop everything; the data stay, unless --wipe."""
    from infra.local.down import down as stop

    stop(wipe=wipe)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show what runs."""
    from infra.local.show import print_status

    print_status(as_json=as_json)


@app.command()
def logs(service: str, follow: Follow = False, lines: Lines = 100) -> None:
    """Show the log of a server or service."""
    from infra.local.show import print_log

    print_log(service, lines=lines, follow=follow)


@app.command()
def doctor() -> None:
    """Show what this machine has and lacks, and how to get it."""
    from infra.local.doctor import doctor as examine

    examine()
