"""How the command line speaks with the console's REST interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
        raise _silent(address, error) from error
    if not answer.is_success:
        raise UserError(_sentence(answer))
    return answer.json()


def stream(path: str, **arguments: Any) -> Iterator[Any]:
    """The JSON of each server-sent event, for as long as they come. UserError as above, and when the stream breaks."""
    address = settings().console_url
    try:
        with httpx.stream("GET", f"{address}/api{path}", timeout=httpx.Timeout(10, read=30), **arguments) as answer:
            if not answer.is_success:
                answer.read()
                raise UserError(_sentence(answer))
            yield from (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))
    except httpx.TransportError as error:
        raise _silent(address, error) from error


def _silent(address: str, error: Exception) -> UserError:
    return UserError(
        f"The console at {address} does not answer ({type(error).__name__}); start the platform with `./portfolio up`."
    )


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"The console answered with status {answer.status_code}."
