"""Algos, their tasks and their output on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from streams.console.fleet_screen import CONTROL, Row, moment, plain, print_history, print_tasks, table_of


def print_algos(algos: Sequence[Row], tasks: Sequence[Row]) -> None:
    """What can be started, and below it what runs where."""
    console = Console(highlight=False)
    if not algos:
        console.print("No algo is submitted yet: `./portfolio algo submit PATH`.")
    else:
        table = table_of("algo", "listens to", "submitted", "by", "")
        for algo in algos:
            table.add_row(
                plain(algo["name"]), plain(" ".join(algo["inputs"])), moment(algo["submitted_us"]),
                plain(algo["actor"]), plain(algo["description"]),
            )  # fmt: skip
        console.print(table)
    if tasks:
        console.print()
        print_tasks(console, tasks)


def print_algo(detail: Row) -> None:
    """All about one algo."""
    algo = detail["algo"]
    console = Console(highlight=False)
    console.print(Text(algo["name"], style="bold"), plain(algo["description"]))
    listens = ", ".join(algo["inputs"]) or "nothing"
    console.print(plain(f"{algo['entry']}, listens to {listens}, Python {algo['python']} or newer"))
    size = f"{algo['files']} file{'s' * (algo['files'] != 1)}, {decimal(algo['size'])}"
    console.print(
        plain(f"submitted {moment(algo['submitted_us'])} by {algo['actor']}: {size}, sha256 {algo['package']}")
    )
    console.print()
    if algo["parameters"]:
        console.print(parameters_table(algo["parameters"]))
    else:
        console.print("It has no parameters.")
    if detail["tasks"]:
        console.print()
        print_tasks(console, detail["tasks"])
    print_history(console, detail["history"])


def parameters_table(parameters: Sequence[Row]) -> Table:
    """Names, types, defaults and bounds."""
    table = table_of("parameter", "type", "default", "allowed", "")
    for parameter in parameters:
        table.add_row(*(plain(parameter["name"]), parameter["type"], plain(value(parameter["default"]))),
                      plain(allowed(parameter)), plain(parameter["help"]))  # fmt: skip
    return table


def print_lines(lines: Iterable[Row], *, as_json: bool = False) -> None:
    """Log lines as they come: time, node, text; what algos send to a terminal other than text is left out."""
    for line in lines:
        sys.stdout.write((json.dumps(line) if as_json else log_line(line)) + "\n")
        sys.stdout.flush()


def log_line(line: Row) -> str:
    """``10:42:17.123 desk  text``; ``!`` marks what went to standard error, ``*`` what the node says."""
    mark = {"err": "!", "node": "*"}.get(line["source"], " ")
    left_out = f"[{line['dropped']} lines left out] " if line["dropped"] else ""
    at = datetime.fromtimestamp(line["at_us"] / 1e6).astimezone()
    return (
        f"{at:%H:%M:%S}.{at.microsecond // 1000:03} {line['node']} {mark} {left_out}{line['text'].translate(CONTROL)}"
    )


def value(of: Any) -> str:
    """A parameter's value as one types it."""
    return of if isinstance(of, str) else json.dumps(of)


def allowed(parameter: Row) -> str:
    """A parameter's bounds: ``2 to 50``, ``at least 0``, or its choices."""
    if parameter["choices"]:
        return " or ".join(value(choice) for choice in parameter["choices"])
    low, high = parameter["low"], parameter["high"]
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"at least {low:g}" if low is not None else f"at most {high:g}" if high is not None else ""
