"""What becomes of commands, told on the terminal: each change names its commands, then waits for their fate."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import typer

SETTLED = ("done", "refused", "failed", "expired")
COLOURS = {"done": "green", "refused": "red", "failed": "red", "expired": "red"}
PATIENCE_S = 30.0  # an algo may need most of it to stop
ASKED_S = 5.0  # how long the console holds an answer back until there is news
Answer = dict[str, Any]


def tell(answer: Answer, *, as_json: bool, wait: bool) -> None:
    """Prints what a change did and, with ``wait``, what became of its commands.

    typer.Exit(1) when one of them was not done, or not within half a minute.
    """
    commands: list[Answer] = answer["commands"]
    if not as_json:
        typer.echo(answer["message"])
        for warning in answer.get("warnings", ()):
            typer.secho(warning, fg="yellow", err=True)
        for command in commands:
            typer.echo(f"{named(command)}: requested (command {command['id']})")
    ended = list(fates(commands)) if wait else commands
    if as_json:
        typer.echo(json.dumps(answer | {"commands": ended}))
    elif wait:
        for command in ended:
            typer.secho(sentence(command), fg=COLOURS.get(command["fate"], "yellow"))
    if wait and any(command["fate"] != "done" for command in ended):
        raise typer.Exit(1)


def fates(commands: list[Answer], patience_s: float = PATIENCE_S) -> Iterator[Answer]:
    """Each command as it is when its fate is known, or when the patience for all of them is over."""
    from infra.console_client import call

    deadline = time.monotonic() + patience_s
    for command in commands:
        now = command
        while now["fate"] not in SETTLED and (left := deadline - time.monotonic()) > 0:
            now = call("GET", f"/commands/{command['id']}", params={"wait_s": min(ASKED_S, round(left, 2))})
        yield now


def named(command: Answer) -> str:
    """What was commanded: ``start crossover@desk``."""
    return f"{command['verb']} {command['task']}"


def sentence(command: Answer) -> str:
    """A command's fate for a person."""
    if command["fate"] in SETTLED:
        return f"{named(command)}: {command['fate']}{': ' * bool(command['reason'])}{command['reason']}"
    so_far = "accepted, but not done" if command["fate"] == "accepted" else "not answered"
    return f"{named(command)}: {so_far} yet; `./portfolio algo command {command['id']}` follows it."


def ask(method: str, path: str, **arguments: Any) -> Any:
    """The console's answer, asked in the name of the person at this terminal. UserError as ``console_client.call``."""
    from infra.console_client import call

    return call(method, path, headers={"portfolio-actor": person()}, **arguments)


def person() -> str:
    """Who is at this terminal, as a header can carry it."""
    import getpass

    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        name = "terminal"
    return re.sub(r"[^\w.@-]", "-", name, flags=re.ASCII)[:64]


def follow(command: Answer, *, as_json: bool, wait: bool) -> None:
    """Prints one command's fate, with ``wait`` when it is known. typer.Exit(1) when it was not done."""
    (ended,) = fates([command]) if wait else [command]
    if as_json:
        typer.echo(json.dumps(ended))
    else:
        typer.secho(sentence(ended), fg=COLOURS.get(ended["fate"], "yellow"))
    if wait and ended["fate"] != "done":
        raise typer.Exit(1)
