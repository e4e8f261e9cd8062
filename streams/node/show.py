"""Nodes on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from streams.console.fleet_screen import Row, moment, plain, print_history, print_tasks
from streams.console.screen import age

COLOURS = {
    "up": "green",
    "degraded": "yellow",
    "pending": "cyan",
    "draining": "yellow",
    "lost": "red",
    "removed": "dim",
}
WIDE = 110  # columns
CLOCK_OFF_S = 1.0  # a smaller offset is not worth a person's eye


def print_nodes(nodes: Sequence[Row]) -> None:
    """A line for each node, and below it what is not well."""
    console = Console(highlight=False)
    if not nodes:
        console.print("There is no node yet: `./portfolio node token` lets one join.")
        return
    console.print(nodes_table(nodes, console.width))
    for node in nodes:
        if node["reason"]:
            console.print(Text.assemble((node["node"], COLOURS.get(node["state"], "")), ": ", plain(node["reason"])))


def nodes_table(nodes: Sequence[Row], width: int) -> Table:
    """Each node's state, load and algos; on a wide terminal also its network, version and addresses."""
    wide = width >= WIDE
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("node", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("algos", "cpu", "memory", "disk", "clock", "heard", *(("load", "in/s", "out/s") if wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("tags", *(("version", "address") if wide else ())):
        table.add_column(name)
    for node in nodes:
        state = Text(node["state"], style=COLOURS.get(node["state"], ""))
        more = (plain(node["version"]), plain(" ".join(node["addresses"][:2]))) if wide else ()
        table.add_row(
            plain(node["node"]), state, f"{len(node['running'])}/{len(node['wanted'])}",
            *_measured(node)[: None if wide else 5], plain(" ".join(node["tags"])), *more,
        )  # fmt: skip
    return table


def _measured(node: Row) -> tuple[str | Text, ...]:
    """Processor, memory, disk, clock, how long ago it was heard, load, network."""
    if node["heartbeat_age_s"] is None:
        return ("–", "–", "–", "–", "never", "–", "–", "–")
    return (
        f"{node['cpu']:.0%}",
        share(node["memory_used"], node["memory_total"]),
        share(node["disk_used"], node["disk_total"]),
        clock(node["clock_offset_s"]),
        age(node["heartbeat_age_s"]),
        f"{node['load']:.2f}",
        decimal(int(node["received_bps"])),
        decimal(int(node["sent_bps"])),
    )


def print_node(node: Row) -> None:
    """All about one node."""
    console = Console(highlight=False)
    state = Text(node["state"], style=COLOURS.get(node["state"], ""))
    console.print(
        Text.assemble((node["node"], "bold"), " is ", state, plain(f": {node['reason']}" * bool(node["reason"])))
    )
    console.print(_facts(node))
    if node["tasks"]:
        console.print()
        print_tasks(console, node["tasks"])
    print_history(console, node["history"])


def _facts(node: Row) -> Table:
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="dim")
    facts.add_row("decided", plain(f"{node['standing']}{' by ' * bool(node['actor'])}{node['actor']}"))
    facts.add_row("tags", plain(" ".join(node["tags"]) or "–"))
    if node["heartbeat_age_s"] is None:
        facts.add_row("heard", "never")
        return facts
    facts.add_row("heard", f"{age(node['heartbeat_age_s'])} ago, agent up since {moment(node['started_us'])}")
    facts.add_row("clock", clock(node["clock_offset_s"]))
    facts.add_row("computer", plain(f"{node['host']}  {' '.join(node['addresses'])}"))
    facts.add_row("agent", plain(f"{node['version']} on Python {node['python']}, {decimal(node['agent_memory'])}"))
    facts.add_row("processor", f"{node['cpu']:.0%} of {node['cores']} cores in use, load {node['load']:.2f}")
    facts.add_row("memory", f"{share(node['memory_used'], node['memory_total'])} of {decimal(node['memory_total'])}")
    facts.add_row("disk", f"{share(node['disk_used'], node['disk_total'])} of {decimal(node['disk_total'])}")
    facts.add_row("network", f"{decimal(int(node['received_bps']))}/s in, {decimal(int(node['sent_bps']))}/s out")
    facts.add_row("algos", f"{len(node['running'])} running, {len(node['wanted'])} wanted")
    return facts


def share(used: int, total: int) -> str:
    """``41%``."""
    return f"{used / total:.0%}" if total else "–"


def clock(offset_s: float | None) -> Text:
    """How wrong a clock is, with its sign: above 0 it is ahead."""
    if offset_s is None:
        return Text("–")
    if abs(offset_s) < CLOCK_OFF_S:
        return Text("right")
    return Text(f"{offset_s:+.0f} s", style="yellow")
