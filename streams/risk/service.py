"""How the local supervisor runs risk."""

from infra.service import Service

SERVICE = Service(
    name="risk",
    module="streams.risk",
    needs=("kafka",),
    port=lambda settings: settings.risk_web_port,
)
