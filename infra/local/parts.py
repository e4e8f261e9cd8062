"""The parts of the platform, servers and services alike, in the order in which they can start."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from importlib.metadata import entry_points

from infra.errors import UserError
from infra.local.probe import http_ok
from infra.local.servers import Server, all_servers
from infra.service import Service
from infra.settings import Settings


def nothing() -> None:
    """Of parts that need no preparation."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something the supervisor runs. ``command`` is empty for a server elsewhere, which is only furnished."""

    name: str
    title: str
    needs: tuple[str, ...]
    ports: tuple[int, ...]
    command: Callable[[], list[str]] | None
    answers: Callable[[], bool]
    address: str = ""
    prepare: Callable[[], None] = nothing
    furnish: Callable[[], None] = nothing
    is_server: bool = False
    memory_mb: int = 120
    stop_s: float = 15

    @property
    def port(self) -> int:
        """The port its clients use."""
        return self.ports[0]


def of_server(server: Server, settings: Settings) -> Part:
    """A server as a part."""
    outside = server.outside(settings)
    return Part(
        name=server.name,
        title=server.title,
        needs=(),
        ports=server.ports(settings),
        command=None if outside else lambda: server.command(settings),
        answers=lambda: True if outside else server.answers(settings),
        address=re.sub(r"//[^@/]*@", "//", outside),  # shown to people: without the password
        prepare=nothing if outside else lambda: server.prepare(settings),
        furnish=lambda: server.furnish(settings),
        is_server=True,
        memory_mb=0 if outside else server.memory_mb,
        stop_s=server.stop_s,
    )


def of_service(service: Service, settings: Settings, unwanted: Set[str] = frozenset()) -> Part:
    """A room's process as a part, which does without what it needs when nobody wants that (the simulator)."""
    return Part(
        name=service.name,
        title=service.name,
        needs=tuple(need for need in service.needs if need not in unwanted),
        ports=(service.port(settings),),
        command=lambda: [sys.executable, "-P", "-m", service.module],
        answers=lambda: http_ok(service.ready_url(settings)),
    )


def declared_services() -> list[Service]:
    """The services that the rooms declare. UserError when a room's declaration cannot be loaded."""
    found = []
    for entry in entry_points(group="portfolio.services"):
        try:
            found.append(entry.load())
        except ModuleNotFoundError as error:
            if not error.name or not entry.module.startswith(error.name):
                raise UserError(f"The service {entry.name} cannot be loaded: {error}.") from error
        except Exception as error:  # whatever a room's import raises, the room must be named
            raise UserError(f"The service {entry.name} cannot be loaded: {type(error).__name__}: {error}.") from error
    return found


def parts_of(settings: Settings, only: Sequence[str] = ()) -> list[Part]:
    """The wanted parts with all that they need, in the order of their needs. UserError for an unknown name."""
    parts = {name: of_server(server, settings) for name, server in all_servers().items()}
    services = declared_services()
    unwanted = {service.name for service in services if not service.wanted(settings)}
    parts |= {s.name: of_service(s, settings, unwanted) for s in services if s.name not in unwanted}
    wanted = with_needs(only or parts, {name: part.needs for name, part in parts.items()})
    return [parts[name] for name in wanted]


def with_needs(wanted: Iterable[str], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The names and all that they need, each after its needs. UserError for an unknown name or a circle."""
    ordered: list[str] = []

    def add(name: str, path: tuple[str, ...]) -> None:
        if name not in needs:
            raise UserError(f"There is no service {name}: choose among {', '.join(sorted(needs))}.")
        if name in path:
            raise UserError(f"The services {' → '.join((*path, name))} need each other.")
        for need in needs[name]:
            add(need, (*path, name))
        if name not in ordered:
            ordered.append(name)

    for name in wanted:
        add(name, ())
    return ordered


def stop_waves(running: Iterable[str], needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The names in waves to stop one after the other: each before what it needs."""
    left = list(running)
    waves = []
    while left:
        needed = {need for name in left for need in needs[name]}
        wave = [name for name in left if name not in needed]
        waves.append(wave)
        left = [name for name in left if name in needed]
    return waves


def environment(settings: Settings) -> dict[str, str]:
    """What the services find in their environment."""
    return os.environ | {
        "PORTFOLIO_HOME": str(settings.home),
        "PORTFOLIO_PORT_BASE": str(settings.port_base),
        "PYTHONUNBUFFERED": "1",
    }
