"""Loopback ports: which are open, which are taken and by whom."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from infra.errors import UserError


def is_open(port: int, timeout_s: float = 0.5, host: str = "127.0.0.1") -> bool:
    """Whether something takes connections on a port."""
    try:
        with socket.create_connection((host, port), timeout_s):
            return True
    except OSError:
        return False


def is_taken(port: int) -> bool:
    """Whether a server could not listen on a port, because another one does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port in TIME_WAIT is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def holder(port: int) -> str:
    """Who listens on a port, for a sentence: ``java (process 123)``; empty when the system does not say."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:  # other people's processes are theirs
        pass
    return ""


def require_free(wanted: Iterable[tuple[str, int]]) -> None:
    """UserError that names the first taken port of these (what it is for, port) and the way around."""
    for purpose, port in wanted:
        if is_taken(port):
            by = holder(port)
            raise UserError(
                f"Port {port}, which {purpose} needs, is taken{f' by {by}' if by else ''}: stop that program, or "
                "choose other ports with PORTFOLIO_PORT_BASE=20000 (or port_base in the home's settings.toml)."
            )
