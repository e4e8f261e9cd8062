"""How the local supervisor runs this computer's node agent."""

import sys

from infra.service import Service

SERVICE = Service(
    name="node",
    module="streams.node",
    needs=("kafka",),
    port=lambda settings: settings.node_port,
    wanted=lambda _: sys.platform == "linux",  # sessions, subreapers and /proc are Linux's
)
"""Each algo is a tree of processes, and only Linux lets an ordinary process answer for a whole tree."""
