"""Postbacks: Kite's requests with news of an order, each with a proof that the sender knows the app's secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from infra.metrics import GATEWAY_POSTBACKS
from producers.kite.orders.forms import Form

log = structlog.get_logger()


def is_genuine(form: Form, secret: str) -> bool:
    """Whether the checksum is right."""
    said = f"{form.get('order_id')}{form.get('order_timestamp')}{secret}"
    wanted = hashlib.sha256(said.encode()).hexdigest()
    return hmac.compare_digest(wanted.encode(), str(form.get("checksum", "")).encode())


def route(secret: str, hear: Callable[[Form], None]) -> web.RouteDef:
    """``POST /postback``: 200 when it was heard, 403 when its checksum is wrong, 400 when it is none."""

    async def postback(request: web.Request) -> web.Response:
        try:
            form: Any = json.loads(await request.read())
        except ValueError:
            form = None
        if not isinstance(form, dict):
            return _answer("unreadable", 400)
        if not is_genuine(form, secret):
            log.warning("a postback with a wrong checksum", sender=request.remote)
            return _answer("forged", 403)
        hear(form)
        return _answer("heard", 200)

    return web.post("/postback", postback)


def _answer(outcome: str, status: int) -> web.Response:
    GATEWAY_POSTBACKS.labels(outcome).inc()
    return web.Response(status=status)
