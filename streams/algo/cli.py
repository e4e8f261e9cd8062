"""``portfolio algo``: submit an algo, start it on nodes, see what it does, stop it. A client of the console's REST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="algo",
    help="Your algos: submit one, start it on any node, read what it prints, stop it. Nothing else is restarted.",
    no_args_is_help=True,
)
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="the run's name: the algo's, unless it was started --as another")
]
AlgoName = Annotated[str, typer.Argument(metavar="NAME", help="the algo's name, as in `algo list`")]
OnNodes = Annotated[
    list[str] | None, typer.Option("--node", metavar="NODE", help="only there; several: a,b or --node again")
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object, for machines")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="return at once, with the commands' ids")]


@app.command()
def submit(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="one Python file, or a folder of them")],
    name: Annotated[str, typer.Option(metavar="NAME", help="the algo's name; the file's or folder's by default")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="take the place of another algo of this name")] = False,
    as_json: AsJson = False,
) -> None:
    """Check an algo and put it where every node finds it. It does not start yet.

    The same again changes nothing. What runs goes on with what it was started with until `algo restart`.
    """
    from streams.algo.package import pack
    from streams.console.fates import ask

    query = {"replace": json.dumps(replace)} | ({"name": name} if name else {})
    form = {"package": (path.resolve().name, pack(path), "application/zip")}
    answer = ask("POST", "/algos", params=query, files=form)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    typer.echo(answer["message"])
    for warning in answer["warnings"]:
        typer.secho(warning, fg="yellow", err=True)


@app.command()
def start(
    name: AlgoName,
    node: Annotated[list[str], typer.Option("--node", metavar="NODE", help="where; several share the instruments")],
    as_: Annotated[
        str,
        typer.Option("--as", metavar="RUN", help="this run's name, to run one algo several times", show_default=False),
    ] = "",
    instruments: Annotated[
        list[str] | None,
        typer.Option("--instruments", "-i", metavar="A,B", help="as NSE:INFY,NSE:TCS; the feed is asked for new ones"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="a parameter; `algo show NAME` lists them; several times"),
    ] = None,
    live: Annotated[bool, typer.Option("--live/--paper", help="real orders, or only on paper")] = False,
    schedule: Annotated[
        str, typer.Option(metavar="WHEN", help='"NSE session", or cron as "15 9 * * 1-5" in its time; else at once')
    ] = "",
    may_command: Annotated[bool, typer.Option("--may-command", help="it may start and stop other runs")] = False,
    memory: Annotated[int, typer.Option(metavar="MB", help="the most memory of each task")] = 512,
    cpu: Annotated[float, typer.Option(metavar="CORES", help="the most processor of each task")] = 1.0,
    as_json: AsJson = False,
    no_wait: NoWait = False,
) -> None:
    """Start an algo on one node or several, on paper unless you say --live.

    Example: portfolio algo start crossover --node local --instruments INFY,TCS --set fast=5
    """
    asked = {
        "algo": name, "nodes": parts(node), "instruments": parts(instruments), "settings": pairs(set_ or []),
        "trading": "live" if live else "paper", "schedule": schedule, "may_command": may_command,
        "memory_mb": memory, "cpu": cpu,
    }  # fmt: skip
    _change("POST", "/runs", as_json, no_wait, json=asked | ({"run": as_} if as_ else {}))


@app.command()
def stop(run: Run, node: OnNodes = None, as_json: AsJson = False, no_wait: NoWait = False) -> None:
    """Stop a run; its state is kept, and `algo restart` brings it back."""
    _change("POST", f"/runs/{_quoted(run)}/stop", as_json, no_wait, json={"nodes": parts(node)})


@app.command()
def restart(run: Run, node: OnNodes = None, as_json: AsJson = False, no_wait: NoWait = False) -> None:
    """Stop a run and start it again with the algo as it was last submitted; also starts a stopped one."""
    _change("POST", f"/runs/{_quoted(run)}/restart", as_json, no_wait, json={"nodes": parts(node)})


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every algo, and what runs where."""
    from streams.console.fates import ask

    answer = ask("GET", "/algos")
    if as_json:
        typer.echo(json.dumps(answer))
        return
    from streams.algo.show import print_algos

    print_algos(answer["algos"], answer["tasks"])


@app.command()
def show(name: AlgoName, as_json: AsJson = False) -> None:
    """One algo: its parameters with types, defaults and bounds, its tasks, and what happened to them last."""
    from streams.console.fates import ask

    answer = ask("GET", f"/algos/{_quoted(name)}")
    if as_json:
        typer.echo(json.dumps(answer))
        return
    from streams.algo.show import print_algo

    print_algo(answer)


@app.command()
def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with what comes; Ctrl-C ends")] = False,
    node: Annotated[str, typer.Option("--node", metavar="NODE", help="of one node only")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=10_000, help="how many of the last lines")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """What a run prints, on all of its nodes."""
    from streams.algo.show import print_lines
    from streams.console.fates import ask
    from streams.prices.pipe import reader_may_leave

    path, query = f"/runs/{_quoted(run)}/logs", {"lines": lines, "node": node}
    with reader_may_leave():
        if not follow:
            print_lines(ask("GET", path, params=query)["lines"], as_json=as_json)
            return
        from infra.console_client import stream

        try:
            print_lines(stream(path, params=query | {"follow": "true"}), as_json=as_json)
        except KeyboardInterrupt:
            return


@app.command()
def remove(
    name: AlgoName,
    as_json: AsJson = False,
    no_wait: NoWait = False,
) -> None:
    """Forget an algo and its runs. Refused while one of them shall run: stop it first."""
    _change("DELETE", f"/algos/{_quoted(name)}", as_json, no_wait)


@app.command()
def command(
    id_: Annotated[str, typer.Argument(metavar="ID", help="as a change printed it")],
    as_json: AsJson = False,
    no_wait: NoWait = False,
) -> None:
    """Follow a command until its fate is known: accepted, done, or refused and why."""
    from streams.console.fates import ask, follow

    follow(ask("GET", f"/commands/{_quoted(id_)}"), as_json=as_json, wait=not no_wait)


def _change(method: str, path: str, as_json: bool, no_wait: bool, **arguments: Any) -> None:
    from streams.console.fates import ask, tell

    tell(ask(method, path, **arguments), as_json=as_json, wait=not no_wait)


def parts(given: list[str] | None) -> list[str]:
    """The parts of options that may be repeated or separated by commas, each once, in order."""
    return list(dict.fromkeys(part.strip() for text in given or () for part in text.split(",") if part.strip()))


def pairs(given: list[str]) -> dict[str, str]:
    """``key=value`` options as a mapping. typer.BadParameter for one without a key or said twice."""
    made: dict[str, str] = {}
    for text in given:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not key or not equals:
            raise typer.BadParameter(f"{text!r} is no parameter: write KEY=VALUE", param_hint="--set")
        if key in made:
            raise typer.BadParameter(f"{key} is set twice", param_hint="--set")
        made[key] = value
    return made


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")
