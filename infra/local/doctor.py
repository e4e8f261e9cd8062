"""What Portfolio needs of this machine: what is there, what is missing, and how to get it."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import typer
from rich.console import Console

from infra.errors import UserError
from infra.local import jars, machine, ports
from infra.local import state as states
from infra.local.java import java, version
from infra.local.parts import Part, parts_of
from infra.local.servers.postgres import programs
from infra.settings import Settings, settings

FILES_WANTED = 4096


@dataclass(frozen=True, slots=True)
class Finding:
    """One need. ``said``: what was found, or how to get it."""

    need: str
    is_met: bool
    said: str


def doctor() -> None:
    """Prints the findings; exit status 1 when something is missing."""
    console = Console(highlight=False)
    findings = list(examine(settings()))
    for finding in findings:
        sign = "[green]✓[/]" if finding.is_met else "[red]✗[/]"
        console.print(f"{sign} {finding.need:<11} {finding.said}", soft_wrap=True)
    if not all(finding.is_met for finding in findings):
        raise typer.Exit(1)


def examine(chosen: Settings) -> Iterator[Finding]:
    """Every need of this machine, in the order in which a start would meet it."""
    parts = parts_of(chosen)
    yield Finding("Python", True, f"{sys.version.split()[0]}, {sys.prefix}")
    yield _tried("Java", lambda: f"{version(java())}, {java()}")
    yield _tried("PostgreSQL", lambda: str(programs()))
    missing = jars.missing(jars.ROOTS)
    size = f"{sum(jar.size for jar in missing) / 1e6:.0f} MB will be fetched by `./portfolio up`"
    yield Finding("jars", True, size if missing else f"fetched, {jars.JARS}")
    yield _disk(chosen)
    yield _memory(sum(part.memory_mb for part in parts), states.is_held(chosen.home))
    yield _files()
    yield _ports(chosen, parts)
    for part in parts:
        if part.address:
            yield _tried(part.title, lambda part=part: _elsewhere(part))  # type: ignore[misc]


def _tried(need: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(need, True, find())
    except UserError as error:
        return Finding(need, False, str(error))


def _disk(chosen: Settings) -> Finding:
    folder = next(path for path in (chosen.home, *chosen.home.parents) if path.exists())
    free = machine.disk_free_mb(folder)
    if not os.access(folder, os.W_OK):
        return Finding("disk", False, f"{folder} cannot be written: choose another folder with --home.")
    enough = free >= machine.DISK_MB
    return Finding("disk", enough, f"{free} MB free" + ("" if enough else f", {machine.DISK_MB} MB are needed"))


def _memory(wanted: int, runs: bool) -> Finding:
    free = machine.memory_free_mb()
    enough = runs or free >= wanted
    return Finding("memory", enough, f"{free} MB free" + ("" if enough else f", {wanted} MB are needed"))


def _files() -> Finding:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = most == resource.RLIM_INFINITY or most >= FILES_WANTED
    advice = f": raise it to {FILES_WANTED} in /etc/security/limits.conf (nofile)"
    return Finding("open files", enough, f"at most {most}" + ("" if enough else advice))


def _ports(chosen: Settings, parts: list[Part]) -> Finding:
    if states.is_held(chosen.home):
        return Finding("ports", True, f"from {chosen.port_base} on, in use by this home, which runs")
    wanted = [(part.title, port) for part in parts if not part.address for port in part.ports]
    try:
        ports.require_free(wanted)
    except UserError as error:
        return Finding("ports", False, str(error))
    return Finding("ports", True, f"from {chosen.port_base} on, free")


def _elsewhere(part: Part) -> str:
    host, _, port = part.address.split(",")[0].rpartition("//")[2].partition("/")[0].partition(":")
    if port.isdigit() and not ports.is_open(int(port), 2, host):
        raise UserError(f"{part.address} does not take connections: see the settings.")
    return f"elsewhere, {part.address}"
