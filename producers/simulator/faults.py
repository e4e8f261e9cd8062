"""Switches for tests: the exchange misbehaves when asked to.

All are POST under ``/simulator/faults`` and need no session (the server is on loopback only):

- ``drop``: breaks all sockets off, without a goodbye; answers how many
- ``silent?seconds=N``: keeps sockets open and sends nothing for N seconds of the wall clock, no heartbeats either;
  what happens meanwhile is never sent (0 ends the silence)
- ``garbage?kind=truncated|random|count``: one bad frame to every socket: a frame cut off in its middle, random bytes,
  or a frame that announces more packets than it has
- ``expire``: ends every session, so that REST and new sockets get 403; open sockets are broken off
- ``orders?kind=timeout|error|duplicate-frames|no-frames|late-frames|none&count=N``: what goes wrong with the next N
  orders that are placed, or order frames (:class:`OrderFaults`)
- ``error?message=...``: a text frame of type ``error``; ``message?message=...``: one of type ``message``
"""

from __future__ import annotations

import secrets
import time
from typing import Any, Literal

from fastapi import APIRouter, Query

from producers.simulator.exchange import Exchange
from producers.simulator.orders.faults import Kind, OrderFaults
from producers.simulator.packets import cut, frames
from producers.simulator.sessions import Sessions
from producers.simulator.sockets import text


def faults_router(exchange: Exchange, sessions: Sessions, order_faults: OrderFaults) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/simulator/faults")

    @router.post("/drop")
    async def drop() -> dict[str, int]:
        dropped = list(exchange.connections)
        for connection in dropped:
            connection.cut()
        return {"connections": len(dropped)}

    @router.post("/silent")
    async def silent(seconds: float = Query(default=10.0, ge=0, le=3600)) -> dict[str, float]:
        exchange.silent_until = time.monotonic() + seconds
        return {"seconds": seconds}

    @router.post("/garbage")
    async def garbage(kind: Literal["truncated", "random", "count"] = "truncated") -> dict[str, int]:
        good = frames([cut(exchange.market.tradable[:3], 3)])[0]
        bad = {"truncated": good[:-100], "random": b"\x7f" + secrets.token_bytes(99), "count": b"\x00\x09" + good[2:]}
        for connection in exchange.connections:
            connection.say(bad[kind])
        return {"connections": len(exchange.connections)}

    @router.post("/expire")
    async def expire() -> dict[str, int]:
        sessions.end_all()
        return await drop()

    @router.post("/orders")
    async def orders(kind: Kind, count: int = Query(default=1, ge=0, le=100_000)) -> dict[str, Any]:
        order_faults.set(kind, count)
        return {"kind": kind, "count": count}

    @router.post("/error")
    async def error(message: str = "Something went wrong") -> dict[str, int]:
        return _tell("error", message)

    @router.post("/message")
    async def message(message: str = "A message from the exchange") -> dict[str, int]:
        return _tell("message", message)

    def _tell(kind: str, message: str) -> dict[str, int]:
        for connection in exchange.connections:
            connection.say(text(kind, message))
        return {"connections": len(exchange.connections)}

    return router
