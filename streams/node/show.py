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
CLOCK_OFF_S = 1.0  # a smaller offset is not worth a person's eye


def print_nodes(nodes: Sequence[Row]) -> None:
    """A line for each node, and below it what is not well."""
    console = Console(highlight=False)
    if not nodes:
        console.print("There is no node yet: `./portfolio node token` lets one join.")
        return
    console.print(nodes_table(nodes))
    for node in nodes:
        if node["reason"]:
            console.print(Text.assemble((node["node"], COLOURS.get(node["state"], "")), ": ", plain(node["reason"])))


def nodes_table(nodes: Sequence[Row]) -> Table:
    """Each node's state, load and algos."""
    table = Table("node", "state", "tags", box=None, pad_edge=False, header_style="dim")
    for name in ("algos", "cpu", "memory", "disk", "in / out", "clock", "heard"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("version")
    table.add_column("address")
    for node in nodes:
        table.add_row(
            plain(node["node"]), Text(node["state"], style=COLOURS.get(node["state"], "")),
            plain(" ".join(node["tags"])), f"{len(node['running'])}/{len(node['wanted'])}", *_machine(node),
            plain(node["version"] or ""), plain(" ".join(node["addresses"][:2])),
        )  # fmt: skip
    return table


def _machine(node: Row) -> tuple[str, str, str, str, Text, str]:
    """Processor, memory, disk, network, clock, and how long ago it was heard."""
    if node["heartbeat_age_s"] is None:
        return ("–", "–", "–", "–", Text("–"), "never")
    return (
        f"{node['cpu']:.0%} of {node['cores']}",
        share(node["memory_used"], node["memory_total"]),
        share(node["disk_used"], node["disk_total"]),
        f"{short(node['received_bps'])} / {short(node['sent_bps'])}",
        clock(node["clock_offset_s"]),
        age(node["heartbeat_age_s"]),
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
    cpu, memory, disk, network, clock_off, heard = _machine(node)
    facts.add_row("heard", f"{heard} ago, agent up since {moment(node['started_us'])}")
    facts.add_row("clock", clock_off)
    facts.add_row("computer", plain(f"{node['host']}  {' '.join(node['addresses'])}"))
    facts.add_row("agent", plain(f"{node['version']} on Python {node['python']}, {decimal(node['agent_memory'])}"))
    facts.add_row("processor", f"{cpu} cores in use, load {node['load']:.2f}")
    facts.add_row("memory", f"{memory} in use")
    facts.add_row("disk", f"{disk} in use")
    facts.add_row("network", f"{network} bytes a second in / out")
    facts.add_row("algos", f"{len(node['running'])} running, {len(node['wanted'])} wanted")
    return facts


def share(used: int, total: int) -> str:
    """``41% of 16.0 GB``."""
    return f"{used / total:.0%} of {decimal(total)}" if total else "–"


def short(bytes_per_s: float) -> str:
    """``12.0 kB``."""
    return decimal(int(bytes_per_s))


def clock(offset_s: float | None) -> Text:
    """How wrong a clock is, with its sign: above 0 it is ahead."""
    if offset_s is None:
        return Text("–")
    if abs(offset_s) < CLOCK_OFF_S:
        return Text("right")
    return Text(f"{offset_s:+.0f} s", style="yellow")
