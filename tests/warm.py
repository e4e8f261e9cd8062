"""What commands import and look up at their first use; imported by the server that forks them, and by nothing else."""

from __future__ import annotations

from importlib import import_module

from infra.cli.gather import commands_of, rooms

for _name in (
    *("infra.cli.entrance", "infra.local.show", "infra.local.up", "infra.console_client", "infra.kafka", "infra.log"),
    *("infra.cassandra", "streams.archive.ask", "streams.archive.show", "streams.prices.tail", "streams.console.fates"),
    *("streams.node.show", "streams.console.trading_screen", "streams.risk.show", "streams.algo.package"),
    *("rich.progress", "rich.live", "rich.markdown", "rich._emoji_codes"),
    *("httpcore", "certifi", "anyio", "encodings.idna"),
):
    import_module(_name)
for _room in rooms():
    commands_of(_room)
