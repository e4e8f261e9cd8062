"""``python -m producers.kite.orders``: the live account's gateway. Only wires."""

from __future__ import annotations

import asyncio
from functools import partial

from infra.settings import settings
from producers.gateway.run import run, serve
from producers.kite.orders import notices, postback
from producers.kite.orders.broker import KiteBroker
from producers.kite.orders.token import Tokens


async def _main() -> None:
    chosen = settings()
    tokens = Tokens()
    broker = KiteBroker(chosen, tokens)
    looking = asyncio.create_task(tokens.run())
    frames = notices.follow(chosen, partial(broker.hear, source="frame"))
    door = postback.route(chosen.kite_api_secret, partial(broker.hear, source="postback"))
    try:
        await serve(broker, chosen, chosen.gateway_port, [door])
    finally:
        frames.stop()
        looking.cancel()


if __name__ == "__main__":
    run("gateway", _main)
