"""How the local supervisor runs the fleet."""

from infra.service import Service

SERVICE = Service(
    name="fleet",
    module="streams.fleet",
    needs=("kafka", "postgres"),
    port=lambda settings: settings.fleet_web_port,
)
