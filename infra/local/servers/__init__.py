"""What the supervisor needs to know of each server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs on this machine unless the settings point to one elsewhere.

    ``prepare`` writes its configuration and formats its data folder, ``answers`` tells whether it takes requests,
    ``furnish`` makes what the platform keeps in it (topics, tables); the three may block and may raise UserError.
    """

    name: str
    title: str
    ports: Callable[[Settings], tuple[int, ...]]  # the first is the one clients use
    outside: Callable[[Settings], str]  # the address elsewhere, or empty
    prepare: Callable[[Settings], None]
    command: Callable[[Settings], list[str]]
    answers: Callable[[Settings], bool]
    furnish: Callable[[Settings], None]
    memory_mb: int
    stop_s: float = 20


def data_folder(settings: Settings, server: str) -> Path:
    """Where a server keeps its data."""
    return settings.home / "data" / server


def all_servers() -> dict[str, Server]:
    """The servers by name."""
    from infra.local.servers.cassandra import CASSANDRA
    from infra.local.servers.kafka import KAFKA
    from infra.local.servers.postgres import POSTGRES

    return {server.name: server for server in (KAFKA, CASSANDRA, POSTGRES)}
