"""How the local supervisor runs the paper account's gateway."""

from __future__ import annotations

from infra.service import Service

SERVICE = Service(
    name="paper",
    module="producers.paper",
    needs=("kafka",),
    port=lambda settings: settings.paper_port,
)
