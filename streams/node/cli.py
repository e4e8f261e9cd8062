"""``portfolio node``: the computers that run algos. A client of the console's REST, but for ``join``."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="node",
    help="The computers that run your algos: let them join, see how they are, take them out.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="the node's name, as in `node list`")]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="TAG", help="a mark of your own, as cloud or fast; several times")
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object, for machines")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="do not wait until the algos on it have stopped")]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.command()
def token(
    approve: Annotated[bool, typer.Option("--approve", help="let it in at once; else `node approve` does")] = False,
    valid: Annotated[str, typer.Option(metavar="TIME", help="how long it can be used: 30m, 1h, 2d")] = "1h",
    tag: Tags = None,
    kafka: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Kafka's address as the other computer reaches it", show_default=False),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Print the command that lets one computer join. It works once, and for a limited time."""
    asked = {"approve": approve, "valid_s": seconds(valid), "tags": _tags(tag), "kafka": kafka}
    answer = _call("POST", "/nodes/tokens", json=asked)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    then = "and it is in" if answer["approve"] else "then `./portfolio node approve NAME` here"
    typer.echo(f"On the other computer, once, within {valid}, {then}:", err=True)
    typer.echo(answer["command"])
    if answer["warning"]:
        typer.secho(answer["warning"], fg="yellow", err=True)


@app.command()
def join(
    blob: Annotated[str, typer.Argument(metavar="TOKEN", help="what `node token` printed")],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="what this computer is called; its host name by default")
    ] = "",
    tag: Tags = None,
) -> None:
    """Make this computer a node and run its agent until Ctrl-C. To come again, `node run` needs no token."""
    from streams.node.join import join as enter

    decided = enter(blob, name or None, _tags(tag))
    waits = decided.standing == "pending"
    typer.echo(
        f"This computer is node {decided.node}"
        + (f"; it waits for `./portfolio node approve {decided.node}` on the platform's computer." if waits else ".")
    )
    _become_agent()


@app.command()
def run() -> None:
    """Run the agent of this computer, which joined before, until Ctrl-C."""
    from infra.errors import UserError
    from infra.settings import settings
    from streams.node.identity import joined_identity

    if joined_identity(settings().home) is None:
        raise UserError("This computer has not joined: run what `./portfolio node token` prints on the platform's.")
    _become_agent()


def _become_agent() -> None:
    """The agent takes this process's place: what the command line loaded would make it a third larger."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", "streams.node"])  # noqa: S606 - no shell is meant


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every node: is it well, how busy is it, how many algos run on it."""
    answer = _call("GET", "/nodes")
    if as_json:
        typer.echo(json.dumps(answer))
        return
    from streams.node.show import print_nodes

    print_nodes(answer["nodes"])


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """One node: its machine, its algos, and what happened there last."""
    answer = _call("GET", f"/nodes/{_quoted(name)}")
    if as_json:
        typer.echo(json.dumps(answer))
        return
    from streams.node.show import print_node

    print_node(answer)


@app.command()
def approve(name: Name, as_json: AsJson = False) -> None:
    """Let a node in that waits, or that is draining."""
    _change(name, "approve", as_json, no_wait=True)


@app.command()
def drain(name: Name, as_json: AsJson = False, no_wait: NoWait = False) -> None:
    """Start nothing more on a node, and stop what runs there; `node approve` undoes it."""
    _change(name, "drain", as_json, no_wait)


@app.command()
def remove(name: Name, as_json: AsJson = False, no_wait: NoWait = False) -> None:
    """Stop what runs on a node and take it out; to come again it needs a new token."""
    _change(name, "remove", as_json, no_wait)


def _change(name: str, what: str, as_json: bool, no_wait: bool) -> None:
    from streams.console.fates import tell

    tell(_call("POST", f"/nodes/{_quoted(name)}/{what}"), as_json=as_json, wait=not no_wait)


def seconds(text: str) -> int:
    """``90s``, ``30m``, ``1h``, ``2d`` or bare seconds. typer.BadParameter for anything else."""
    if not (found := re.fullmatch(r"(\d{1,9})([smhd]?)", text.strip())):
        raise typer.BadParameter(f"{text!r} is no time: write 90s, 30m, 1h or 2d", param_hint="--valid")
    return int(found[1]) * UNITS[found[2] or "s"]


def _tags(given: list[str] | None) -> list[str]:
    return [tag.strip() for text in given or () for tag in text.split(",") if tag.strip()]


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _call(method: str, path: str, **arguments: Any) -> Any:
    from streams.console.fates import ask

    return ask(method, path, **arguments)
