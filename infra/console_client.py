"""How the command line speaks with the console's REST interface."""

from __future__ import annotations

from typing import Any

import httpx

from infra.errors import UserError
from infra.settings import settings


def call(method: str, path: str, **arguments: Any) -> Any:
    """The JSON answer. UserError with the console's own sentence when it refuses, or when nothing runs."""
    address = settings().console_url
    try:
        answer = httpx.request(method, f"{address}/api{path}", timeout=60, **arguments)
    except httpx.TransportError as error:
        raise UserError(
            f"The console at {address} does not answer ({type(error).__name__}); "
            "start the platform with `./portfolio up`."
        ) from error
    if answer.is_success:
        return answer.json()
    try:
        sentence = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        sentence = f"The console answered with status {answer.status_code}."
    raise UserError(sentence)
