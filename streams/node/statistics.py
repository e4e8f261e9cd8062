"""How this computer is, for its heartbeats."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from schemas.fleet import Heartbeat
from streams.node.identity import Identity

INTERVAL_S = 5.0


def version() -> str:
    """This installation's version."""
    try:
        return importlib.metadata.version("portfolio")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def now_us() -> int:
    """The wall clock."""
    return time.time_ns() // 1000


class Statistics:
    """Takes the heartbeats' figures; rates are those since the last one. ``folder`` tells which disk counts."""

    def __init__(self, identity: Identity, folder: Path) -> None:
        self._identity = identity
        self._folder = folder
        self._started_us = now_us()
        self._version = version()
        self._self = psutil.Process()
        self._traffic = self._count()
        psutil.cpu_percent()  # the first call only sets the beginning

    def heartbeat(self, tasks: Mapping[str, str]) -> Heartbeat:
        """How it is now."""
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(self._folder))
        before, self._traffic = self._traffic, self._count()
        passed = max(1e-3, self._traffic[0] - before[0])
        return Heartbeat(
            node=self._identity.name,
            at_us=now_us(),
            started_us=self._started_us,
            interval_s=INTERVAL_S,
            version=self._version,
            python=platform.python_version(),
            host=socket.gethostname(),
            addresses=addresses(),
            tags=self._identity.tags,
            cores=os.cpu_count() or 1,
            cpu=psutil.cpu_percent() / 100,
            load=os.getloadavg()[0],
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            disk_used=disk.used,
            disk_total=disk.used + disk.free,
            received_bps=max(0.0, self._traffic[1] - before[1]) / passed,
            sent_bps=max(0.0, self._traffic[2] - before[2]) / passed,
            agent_memory=self._self.memory_info().rss,
            tasks=dict(tasks),
        )

    @staticmethod
    def _count() -> tuple[float, int, int]:
        """Time, bytes received and sent, without what the computer says to itself."""
        cards = [c for name, c in psutil.net_io_counters(pernic=True).items() if name != "lo"]
        return time.monotonic(), sum(c.bytes_recv for c in cards), sum(c.bytes_sent for c in cards)


def addresses() -> list[str]:
    """This computer's addresses, without loopback and link-local ones."""
    found = [a.address for card in psutil.net_if_addrs().values() for a in card if a.family in (2, socket.AF_INET6)]
    return sorted(a for a in found if not a.startswith(("127.", "::1", "fe80:", "169.254.")))
