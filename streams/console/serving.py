"""What a route is given: the console, once it knows enough to answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from streams.console.errors import UnavailableError
from streams.console.state import Console


def console_of(request: Request) -> Console:
    """The application's console, ready or not."""
    console: Console = request.app.state.console
    return console


def ready(request: Request) -> Console:
    """The console. UnavailableError until it has read its topics once."""
    console = console_of(request)
    if not console.ready:
        raise UnavailableError(console.problem or "The console is still reading its topics; ask again in a moment.")
    return console


Any_ = Annotated[Console, Depends(console_of)]
Ready = Annotated[Console, Depends(ready)]
