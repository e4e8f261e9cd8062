"""The feed's process, as the local supervisor runs it."""

from __future__ import annotations

from infra.service import Service

SERVICE = Service(
    name="feed",
    module="producers.feed",
    needs=("kafka", "postgres", "simulator"),
    port=lambda settings: settings.feed_metrics_port,
)
