"""Join tokens as the API gives them: the whole command, ready to paste on the other computer."""

from __future__ import annotations

from infra.local import door
from streams.console import fleet_models as models
from streams.console.state import Console
from streams.fleet.join import make_token

HERE = ("127.", "localhost", "[::1]")


def token_view(console: Console, asked: models.AskToken, actor: str) -> models.Token:
    """POST /api/nodes/tokens. RequestError; UserError when PostgreSQL does not answer."""
    made = make_token(
        console.settings, valid_s=asked.valid_s, approve=asked.approve, tags=asked.tags, actor=actor, kafka=asked.kafka
    )
    return models.Token(
        id=made.id,
        blob=made.text,
        command=f"./portfolio node join {made.text} --name NAME",
        approve=asked.approve,
        expires_us=int(made.expires_at.timestamp() * 1e6),
        warning=_reach(asked.kafka or door.address(console.settings) or console.settings.kafka_servers),
    )


def _reach(servers: str) -> str:
    """What is wrong with an address that means this computer only; empty when it does not."""
    if not any(server.strip().startswith(HERE) for server in servers.split(",")):
        return ""
    return (
        f"Kafka's address in it is {servers}, which only this computer reaches: "
        "for others set nodes_host (PORTFOLIO_NODES_HOST) to this computer's address and start Portfolio again."
    )
