"""Errors in Kite's form."""

from __future__ import annotations

from http import HTTPStatus

import orjson


class KiteError(Exception):
    """An answer ``{"status": "error", "message", "error_type"}`` with an HTTP status."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message

    @property
    def body(self) -> bytes:
        """The JSON of the answer."""
        return error_body(self.error_type, self.message)

    @property
    def phrase(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase


def error_body(error_type: str, message: str) -> bytes:
    """The JSON of an error."""
    return orjson.dumps({"status": "error", "message": message, "data": None, "error_type": error_type})
