"""``python -m producers.paper``: the paper account's gateway. Only wires."""

from __future__ import annotations

from infra.settings import settings
from producers.gateway.run import run, serve
from producers.paper.broker import PaperBroker


async def _main() -> None:
    chosen = settings()
    broker = PaperBroker(chosen)
    try:
        await serve(broker, chosen, chosen.paper_port)
    finally:
        await broker.close()


if __name__ == "__main__":
    run("paper", _main)
