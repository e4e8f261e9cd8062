"""Asking a service on loopback whether it is ready."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit


def http_ok(url: str, timeout_s: float = 2) -> bool:
    """Whether an address answers 200."""
    at = urlsplit(url)
    connection = HTTPConnection(at.hostname or "127.0.0.1", at.port, timeout=timeout_s)
    try:
        connection.request("GET", at.path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
