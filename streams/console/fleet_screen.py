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
    """A line for each task, where a run is wanted and what it does in truth; below, what there is to say of it."""
    table = table_of("run", "node", "state", "since", "trading", "instruments")
    for task in tasks:
        table.add_row(
            plain(task["run"]), plain(task["node"]), Text(state_of(task), style=COLOURS.get(task["state"], "")),
            moment(task["since_us"]), Text(task["trading"], style="bold red" if task["trading"] == "live" else ""),
            plain(some(task["instruments"])),
        )  # fmt: skip
    console.print(table)
    for task in tasks:
        if said := "; ".join(_remarks(task)):
            console.print(Text.assemble((task["task"], COLOURS.get(task["state"], "")), ": ", plain(said)))


def state_of(task: Row) -> str:
    """A task's state, and what it shall be where that is another."""
    state, wanted = task["state"], task["wanted"]
    if wanted == "running" and state in ("stopped", "crash-loop", "lease-lost"):
        return f"{state}, shall run"
    return f"{state}, shall stop" if wanted in ("stopped", "removed") and state in ("running", "restarting") else state


def _remarks(task: Row) -> list[str]:
    """What a task's line has no room for."""
    said = [f"algo {task['algo']}"] if task["algo"] not in (task["run"], "") else []
    said += [", ".join(f"{name}={value}" for name, value in task["settings"].items())] if task["settings"] else []
    said += [f"runs by {task['schedule']}"] if task["schedule"] else []
    said += [f"started again {task['restarts']} times"] if task["restarts"] else []
    return [*said, *([task["reason"]] if task["reason"] else [])]


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
    """A table whose last column takes the lines that it needs; the others stay whole."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(columns[-1])
    return table
