"""How the command line speaks with the console's REST interface."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

from infra.errors import UserError
from infra.settings import settings

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody: nothing is encrypted, and the usual one takes 0.1 s


class SilentError(UserError):
    """The console does not answer."""


class AnsweredError(UserError):
    """The console's own sentence on why it did not do what was asked; ``status`` is HTTP's."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def call(method: str, path: str, *, timeout_s: float = 60, **arguments: Any) -> Any:
    """The JSON answer. AnsweredError when the console refuses, SilentError when nothing runs."""
    address = settings().console_url
    try:
        answer = httpx.request(method, f"{address}/api{path}", timeout=timeout_s, verify=PLAIN, **arguments)
    except httpx.TransportError as error:
        raise _silent(address, error) from error
    if not answer.is_success:
        raise AnsweredError(_sentence(answer), answer.status_code)
    return answer.json()


def stream(path: str, **arguments: Any) -> Iterator[Any]:
    """The JSON of each server-sent event, for as long as they come. UserError as above, and when the stream breaks."""
    address, patience = settings().console_url, httpx.Timeout(10, read=30)
    try:
        with httpx.stream("GET", f"{address}/api{path}", timeout=patience, verify=PLAIN, **arguments) as answer:
            if not answer.is_success:
                answer.read()
                raise AnsweredError(_sentence(answer), answer.status_code)
            yield from (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))
    except httpx.TransportError as error:
        raise _silent(address, error) from error


def _silent(address: str, error: Exception) -> SilentError:
    return SilentError(
        f"The console at {address} does not answer ({type(error).__name__}); start the platform with `./portfolio up`."
    )


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"The console answered with status {answer.status_code}."
