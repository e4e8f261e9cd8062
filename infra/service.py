"""What a room declares so that the local supervisor can run its process (entry point group ``portfolio.services``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the platform.

    It is started as ``python -m module`` once all of ``needs`` are ready, counts as ready when
    ``ready_url`` answers 200, is started again when it dies, and stops on SIGTERM.
    """

    name: str
    module: str
    needs: tuple[str, ...]  # names of servers (kafka, cassandra, postgres) and services
    port: Callable[[Settings], int]
    ready_path: str = "/health"
    wanted: Callable[[Settings], bool] = field(default=lambda _: True)

    def ready_url(self, settings: Settings) -> str:
        """Where to ask whether it is ready."""
        return f"http://127.0.0.1:{self.port(settings)}{self.ready_path}"
