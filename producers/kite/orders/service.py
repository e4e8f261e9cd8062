"""How the local supervisor runs the live account's gateway."""

from __future__ import annotations

from infra.service import Service

SERVICE = Service(
    name="gateway",
    module="producers.kite.orders",
    needs=("kafka", "postgres", "simulator"),
    port=lambda settings: settings.gateway_port,
)
