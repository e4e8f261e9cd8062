"""``portfolio feed``: what is streamed and by how many workers, changed live. A client of the console's REST."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

app = typer.Typer(name="feed", help="Which instruments are streamed, and by how many workers.", no_args_is_help=True)
Symbols = Annotated[list[str], typer.Argument(metavar="SYMBOL…", help="as NSE:INFY; INFY alone means NSE's")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object instead of tables")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Each instrument's worker, partition, mode and last tick's age, and the workers."""
    feed = _call("GET", "/feed")
    if as_json:
        typer.echo(json.dumps(feed))
        return
    _print_instruments(feed["instruments"])
    _print_workers(feed["workers"], feed["workers_wanted"])


@app.command()
def add(
    symbols: Symbols,
    mode: Annotated[str, typer.Option(help="ltp, quote or full")] = "full",
    as_json: AsJson = False,
) -> None:
    """Subscribes instruments, or changes their mode; nothing else is disturbed."""
    answer = _call("POST", "/feed", json={"instruments": symbols, "mode": mode})
    _tell(answer, as_json, {"added": "added", "changed": f"changed to {mode}", "unchanged": "already there"})


@app.command()
def remove(symbols: Symbols, as_json: AsJson = False) -> None:
    """Unsubscribes instruments; nothing else is disturbed."""
    answer = _call("DELETE", "/feed", json={"instruments": symbols})
    _tell(answer, as_json, {"removed": "removed", "not_subscribed": "was not subscribed"})


@app.command()
def workers(
    count: Annotated[int, typer.Argument(min=0, help="how many worker processes this computer shall run")],
    as_json: AsJson = False,
) -> None:
    """Changes the number of workers; the instruments are shared out evenly again, and no tick is lost."""
    answer = _call("PUT", "/feed/workers", json={"workers": count})
    if as_json:
        typer.echo(json.dumps(answer))
        return
    typer.echo(f"{answer['workers']} workers wanted in pool {answer['pool']}; `feed list` shows them as they come.")
    if answer["warning"]:
        typer.secho(answer["warning"], fg="yellow")


def _call(method: str, path: str, **arguments: Any) -> Any:
    from infra.console_client import call

    return call(method, path, **arguments)


def _tell(answer: dict[str, Any], as_json: bool, words: dict[str, str]) -> None:
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for field, word in words.items():
        for instrument in answer[field]:
            typer.echo(f"{instrument}: {word}")


def _print_instruments(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("instrument", "mode", "worker", "state", box=None, pad_edge=False)
    for name in ("slot", "partition", "last price", "age"):
        table.add_column(name, justify="right")
    for row in rows:
        price = "–" if row["last_price"] is None else f"{row['last_price']:,.2f}"
        age = "–" if row["age_s"] is None else f"{row['age_s']:.1f} s"
        partition = "–" if row["partition"] is None else str(row["partition"])
        cells = (
            row["instrument"],
            row["mode"],
            row["worker"] or "–",
            row["state"],
            str(row["slot"]),
            partition,
            price,
            age,
        )
        table.add_row(*cells)
    Console().print(table if rows else "Nothing is subscribed yet: `./portfolio feed add NSE:INFY`.")


def _print_workers(rows: list[dict[str, Any]], wanted: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("worker", "state", box=None, pad_edge=False, title=f"{wanted} wanted", title_justify="left")
    for name in ("instruments", "slots", "ticks/s", "pid"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(
            row["worker"], row["state"], str(row["instruments"]), str(len(row["slots"])),
            f"{row['ticks_per_s']:,.0f}", str(row["pid"]), row["detail"],
        )  # fmt: skip
    console = Console()
    console.print()
    console.print(table)
