"""How REST answers look and who may ask: Kite's envelope, its authorisation header, its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import Request
from fastapi.responses import Response

from producers.simulator.errors import KiteError
from producers.simulator.limits import RateLimits
from producers.simulator.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Door:
    """Whom the REST side lets in."""

    sessions: Sessions
    limits: RateLimits

    def enter(self, request: Request, kind: str = "other") -> None:
        """KiteError unless the request carries a live session and is within the limits of its kind."""
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        key, _, token = pair.partition(":")
        if scheme.lower() != "token":
            raise KiteError(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        self.sessions.check(key, token)
        self.limits.count(key, kind)


def answer(data: Any) -> Response:
    """Data in Kite's envelope."""
    return Response(orjson.dumps({"status": "success", "data": data}), media_type="application/json")


async def parameters(request: Request) -> dict[str, str]:
    """The fields of a form body."""
    body = await request.body()
    return dict(parse_qsl(body.decode("utf-8", "replace")))
