"""An algo's archive in a request: the body itself, or the file of a form."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from schemas.topics import PACKAGE_BYTES
from streams.console.errors import ApiError, TooLargeError

FORM_BYTES = 64 << 10  # what a form may have beside the file
FIELD = "package"
_FILE = {"type": "string", "format": "binary"}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/zip": {"schema": _FILE},
            "multipart/form-data": {
                "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _FILE}},
            },
        },
    }
}


async def package_of(request: Request, name: str | None) -> tuple[bytes, str]:
    """The archive and the algo's name. TooLargeError; ApiError when there is no archive or no name."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        archive, file_name = await _form(request)
    else:
        archive, file_name = b"".join([part async for part in _bounded(request, PACKAGE_BYTES)]), ""
    called = name or _name_of(file_name)
    if not archive:
        raise ApiError("The body must be a zip archive of the algo's files, with content type application/zip.")
    if not called:
        raise ApiError("Name the algo, as in /api/algos?name=crossover.")
    return archive, called


async def _form(request: Request) -> tuple[bytes, str]:
    try:
        form = await MultiPartParser(
            request.headers, _bounded(request, PACKAGE_BYTES + FORM_BYTES), max_files=1
        ).parse()
    except MultiPartException as error:
        raise ApiError(f"The form cannot be read: {error.message.rstrip('.').lower()}.") from error
    file = form.get(FIELD)
    try:
        if not isinstance(file, UploadFile):
            raise ApiError(f"The form must have a file named {FIELD}.")
        return await file.read(), file.filename or ""
    finally:
        await form.close()


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body's parts. TooLargeError as soon as there are more bytes than that."""
    read = 0
    async for part in request.stream():
        read += len(part)
        if read > most:
            raise TooLargeError(f"A package has at most {PACKAGE_BYTES >> 20} MiB.")
        yield part


def _name_of(file_name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", file_name.lower().removesuffix(".zip").removesuffix(".py")).strip("-")
