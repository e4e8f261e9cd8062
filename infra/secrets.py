"""Encryption of what must not lie about in clear: broker tokens and credentials.

The key is ``PORTFOLIO_SECRET_KEY`` (for several machines on one database), else a file in the home that only its
owner can read, made at the first use.
"""

from __future__ import annotations

import os
from functools import cache

from cryptography.fernet import Fernet, InvalidToken

from infra.errors import UserError
from infra.secret_file import secret_file
from infra.settings import settings


def encrypt(text: str) -> bytes:
    """The text, unreadable without the key."""
    return _cipher().encrypt(text.encode())


def decrypt(token: bytes) -> str:
    """The reverse. UserError when it was encrypted with another key."""
    try:
        return _cipher().decrypt(token).decode()
    except InvalidToken:
        raise UserError(
            "A stored secret was encrypted with another key: set PORTFOLIO_SECRET_KEY to that key, or log in again."
        ) from None


@cache
def _cipher() -> Fernet:
    key = os.environ.get("PORTFOLIO_SECRET_KEY", "").encode() or secret_file(
        settings().home / "secret.key", Fernet.generate_key
    )
    try:
        return Fernet(key)
    except ValueError:
        raise UserError("PORTFOLIO_SECRET_KEY is not a key: it takes 32 bytes in URL-safe base64.") from None
