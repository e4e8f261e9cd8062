"""How the local supervisor runs the simulator."""

from __future__ import annotations

from infra.service import Service

SERVICE = Service(
    name="simulator",
    module="producers.simulator",
    needs=(),
    port=lambda settings: settings.simulator_rest_port,
    wanted=lambda settings: settings.uses_simulator,
)
