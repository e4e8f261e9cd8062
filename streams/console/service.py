"""How the local supervisor runs the console."""

from infra.service import Service

SERVICE = Service(
    name="console",
    module="streams.console",
    needs=("kafka", "cassandra", "postgres"),
    port=lambda settings: settings.console_port,
    ready_path="/api/health",
)
