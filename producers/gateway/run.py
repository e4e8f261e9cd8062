"""How a gateway's process lives and ends: ``__main__`` of each account only names its broker."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiohttp import web

from infra import log as logs
from infra.errors import UserError
from infra.fenced import FencedError
from infra.settings import Settings
from producers.gateway.broker import Broker
from producers.gateway.door import open_door
from producers.gateway.gateway import Gateway

log = structlog.get_logger()


async def serve(broker: Broker, of: Settings, port: int, routes: Iterable[web.RouteDef] = ()) -> None:
    """One account's gateway and its door on loopback, until SIGTERM or SIGINT. FencedError: see ``Gateway.run``."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    gateway = Gateway(broker, of)
    door = await open_door(gateway, port, routes)
    try:
        await gateway.run(stop)
    finally:
        await door.cleanup()


def run(process: str, work: Callable[[], Awaitable[None]]) -> None:
    """Runs ``work`` and ends the process: 0 when it was told to stop, else 1, and the supervisor starts it again."""

    async def wait() -> None:
        await work()

    logs.set_up(process)
    code = 1
    try:
        asyncio.run(wait())
        code = 0
    except (FencedError, UserError, OSError) as error:
        log.error(str(error))
    except Exception:
        log.exception("the gateway ends")
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a thread may still wait for Kafka or for the broker, and nothing must wait for it
