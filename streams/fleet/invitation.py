"""What a join command carries from the platform to a computer that shall become a node, and the proof that it has it.

The text is base64url of JSON: the log's address, the token's id and secret, and the public half of the platform's
control key. The secret never enters the log: a join request carries an HMAC whose key is the secret's SHA-256, which is
all that the platform keeps of it.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from infra.errors import UserError
from schemas.codec import from_json


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation. ``security``: further librdkafka settings that a client of this log needs. ``clock``: the
    simulated market's, as in ``clock.json``; empty for the real market."""

    kafka: str  # bootstrap servers
    token: str  # its id
    secret: str
    trust: str
    security: dict[str, str] = field(default_factory=dict)
    clock: dict[str, Any] = field(default_factory=dict)

    def to_text(self) -> str:
        """One word without signs that a shell would change."""
        packed = json.dumps(dataclasses.asdict(self), separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_invitation(text: str) -> Invitation:
    """The reverse. UserError when it was not copied whole."""
    try:
        packed = base64.urlsafe_b64decode(text.strip() + "=" * (-len(text.strip()) % 4))
        return from_json(Invitation, json.loads(packed))
    except (ValueError, binascii.Error, TypeError):
        raise UserError("The join token is broken: copy the whole join command again.") from None


def secret_hash(secret: str) -> bytes:
    """What the platform keeps of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def proof_of(secret_sha256: bytes, node: str, at_us: int) -> bytes:
    """The proof of a ``JoinRequest``."""
    return hmac.digest(secret_sha256, f"{node} {at_us}".encode(), "sha256")
