"""The gateway's own page on loopback: whether it is in charge, its metrics, its orders; and postbacks, if any."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from producers.gateway.gateway import Gateway

MOST = 500  # orders on the page


def build(gateway: Gateway, routes: Iterable[web.RouteDef] = ()) -> web.Application:
    """The application. ``/health`` answers 200 when this process is in charge and knows what the log says."""

    async def health(_: web.Request) -> web.Response:
        return _json(view(gateway), 200 if gateway.state == "in charge" else 503)

    async def orders(_: web.Request) -> web.Response:
        return _json(orders_view(gateway))

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=1 << 20)
    app.add_routes([web.get("/health", health), web.get("/orders", orders), web.get("/metrics", metrics), *routes])
    return app


async def open_door(gateway: Gateway, port: int, routes: Iterable[web.RouteDef] = ()) -> web.AppRunner:
    """Opens it. OSError when the port is taken."""
    runner = web.AppRunner(build(gateway, routes), access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def view(gateway: Gateway) -> dict[str, Any]:
    """How the gateway is."""
    core, ears = gateway.core, gateway.ears
    since_s = time.monotonic() - ears.looked_s
    return {
        "status": "ok" if gateway.state == "in charge" and not (core.no_token or ears.trouble) else gateway.state,
        "state": gateway.state,
        "account": gateway.account,
        "gateway": gateway.name,
        "waits_for_token": core.no_token,
        "trouble": ears.trouble,
        "queued": core.queued,
        "sought": core.search.pending,
        "live_orders": len(core.book.live),
        "unwritten": gateway.writer.pending,
        "doubles": sorted(core.search.doubles),
        "looked_s_ago": round(since_s, 3) if math.isfinite(since_s) else None,
        "brake": {scope: asdict(hold) for scope, hold in gateway.brake.held().items()},
        "states": {scope: asdict(state) for scope, state in core.book.states.items() if state.state != "ACTIVE"},
    }


def orders_view(gateway: Gateway) -> dict[str, Any]:
    """Its orders, the latest first, and what is wanted of them and not answered."""
    book = gateway.core.book
    latest = sorted(book.orders.values(), key=lambda state: state.last_us, reverse=True)[:MOST]
    waiting = [errand for open_ in book.open.values() for errand in open_.values()]
    return {
        "orders": [
            {"order": s.order, "broker_order": s.broker_order, "run": s.run, "instrument": s.instrument, "side": s.side,
             "status": s.status, "quantity": s.quantity, "filled": s.filled, "average_price": s.average_price,
             "price": s.price, "trigger": s.trigger, "reason": s.reason}
            for s in latest
        ],
        "waiting": [
            {"id": e.intent.id, "order": e.order, "action": e.intent.action, "phase": e.phase, "trouble": e.trouble}
            for e in waiting[:MOST]
        ],
    }  # fmt: skip


def _json(data: Any, status: int = 200) -> web.Response:
    return web.json_response(data, status=status, dumps=lambda value: json.dumps(value, default=str))
