"""`portfolio watch`: the market on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command()
def watch(
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end.")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", help="Save a picture to this file and end.")] = None,
    width: Annotated[int, typer.Option(min=60, max=400, help="Columns of the saved picture.")] = 130,
    height: Annotated[int, typer.Option(min=12, max=200, help="Lines of the saved picture.")] = 34,
    seconds: Annotated[int, typer.Option(min=1, max=60, help="Seconds watched before the picture is saved.")] = 20,
) -> None:
    """Watch the market: prices, ticks a second, workers, lag. Ctrl-C stops."""
    from infra.settings import settings
    from streams.console import watch as view

    if svg:
        view.save_svg(settings(), svg, (width, height), seconds)
    elif once:
        view.once(settings())
    else:
        view.watch(settings())
