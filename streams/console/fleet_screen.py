"""Tasks and what happened to them, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = dict[str, Any]
COLOURS = {
    "running": "green", "starting": "yellow", "stopping": "yellow", "waiting": "cyan", "crash-loop": "red",
    "lease-lost": "red", "lost": "red", "exited": "yellow", "refused": "red", "failed": "red",
}  # fmt: skip
CONTROL = {code: "�" for code in (*range(32), *range(127, 160)) if code != ord("\t")}


def print_tasks(console: Console, tasks: Sequence[Row]) -> None:
    """A line for each task: where a run is wanted, and what it does in truth."""
    table = table_of("run", "node", "algo", "state", "since", "trading", "restarts", "instruments", "")
    for task in tasks:
        state = task["state"] if task["state"] == task["wanted"] else f"{task['state']}, wanted {task['wanted']}"
        table.add_row(
            plain(task["run"]), plain(task["node"]), plain(task["algo"]),
            Text(state, style=COLOURS.get(task["state"], "")), moment(task["since_us"]),
            Text(task["trading"], style="bold red" if task["trading"] == "live" else ""),
            str(task["restarts"] or ""), plain(some(task["instruments"])), plain(task["reason"] or task["schedule"]),
        )  # fmt: skip
    console.print(table)


def print_history(console: Console, history: Sequence[Row]) -> None:
    """What happened last, the newest below."""
    if not history:
        return
    console.print()
    table = table_of("when", "task", "what", "")
    for step in history:
        ended = step["kind"] in ("exited", "crash-loop")
        by = f"by {step['actor']}" if step["actor"] else ""
        said = ", ".join(part for part in (step["reason"], f"exit {step['exit_code']}" * ended, by) if part)
        style = COLOURS.get(step["kind"], "")
        table.add_row(moment(step["at_us"]), plain(step["task"]), Text(step["kind"], style=style), plain(said))
    console.print(table)


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def moment(at_us: int | None) -> str:
    """A wall time in this computer's zone, with the date unless it is today's."""
    if not at_us:
        return ""
    at = datetime.fromtimestamp(at_us / 1e6).astimezone()
    return f"{at:%H:%M:%S}" if at.date() == datetime.now().astimezone().date() else f"{at:%Y-%m-%d %H:%M}"


def plain(text: str) -> Text:
    """Text that others wrote, with no markup and nothing that a terminal would obey."""
    return Text(text.translate(CONTROL))


def table_of(*columns: str) -> Table:
    """A plain table."""
    return Table(*columns, box=None, pad_edge=False, header_style="dim")
