"""Commands are signed facts: to write to Kafka is not enough to run code on a node.

The platform's control key (Ed25519) lies in the home, readable by its owner only; a node learns the public half, the
*trust*, from its join token. The signature covers every field of a command, in an order that nothing can change.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from infra.errors import UserError
from infra.secret_file import secret_file
from schemas.fleet import Command, Verb

VALID_S = 60.0  # a command that did not reach its node within this time is not obeyed any more
SKEW_S = 90.0  # how far a node's clock may be wrong before it refuses commands as expired or not yet issued


class RefusedError(UserError):
    """A command that a node must not obey; the message says why."""


def control_key(home: Path) -> Ed25519PrivateKey:
    """The home's control key, made at the first use. UserError when the file holds anything else."""
    path = home / "control.key"
    held = secret_file(path, lambda: Ed25519PrivateKey.generate().private_bytes_raw())
    try:
        return Ed25519PrivateKey.from_private_bytes(held)
    except ValueError:
        raise UserError(
            f"{path} does not hold a control key: restore it, or remove it and join all nodes anew."
        ) from None


def trust_of(key: Ed25519PrivateKey) -> str:
    """The public half as text, for join tokens and settings."""
    return base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode()


def signed_bytes(command: Command) -> bytes:
    """What a signature covers: all other fields as JSON, keys sorted, no spaces, UTF-8."""
    fields = {f.name: getattr(command, f.name) for f in dataclasses.fields(command) if f.name != "signature"}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class ExpiredError(RefusedError):
    """One that was good once."""


class Signer:
    """Makes the commands of one process. ``name`` tells it apart from all others, so its sequence only grows."""

    def __init__(self, name: str, key: Ed25519PrivateKey, now_us: Callable[[], int] | None = None) -> None:
        self.name = f"{name}-{uuid4().hex[:8]}"
        self._key = key
        self._now_us = now_us or (lambda: time.time_ns() // 1000)
        self._last = 0
        self._lock = threading.Lock()

    def command(
        self, node: str, verb: Verb, task: str, actor: str, arguments: dict[str, Any], package: str = ""
    ) -> Command:
        """A signed command, valid for ``VALID_S``."""
        with self._lock:
            now = self._now_us()
            self._last = max(self._last + 1, now)
            sequence = self._last
        text = json.dumps(arguments, sort_keys=True)
        expires = now + int(VALID_S * 1e6)
        bare = Command(uuid4().hex, node, verb, task, package, text, self.name, sequence, now, expires, actor)
        return dataclasses.replace(bare, signature=self._key.sign(signed_bytes(bare)))


class Checker:
    """What a node obeys. ``last`` has the highest sequence seen of each signer; keep it over restarts."""

    def __init__(self, node: str, trust: str, last: dict[str, int] | None = None) -> None:
        self._node = node
        try:
            self._key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(trust))
        except ValueError:
            raise UserError("The join token's key is broken: copy the whole join command again.") from None
        self.last = last if last is not None else {}

    def check(self, command: Command, now_us: int) -> None:
        """RefusedError when the command must not be obeyed; else its sequence is taken note of."""
        if command.node != self._node:
            raise RefusedError(f"the command is for node {command.node}")
        try:
            self._key.verify(command.signature, signed_bytes(command))
        except InvalidSignature:
            raise RefusedError("the command's signature does not verify") from None
        if command.sequence <= self.last.get(command.signer, 0):
            raise RefusedError("the command was seen before, or a later one of its signer was")
        self.last[command.signer] = command.sequence  # expired or not: it is never obeyed later
        skew = int(SKEW_S * 1e6)
        if now_us > command.expires_us + skew:
            raise ExpiredError(f"the command expired {(now_us - command.expires_us) / 1e6:.0f} s ago")
        if now_us < command.issued_us - skew:
            raise RefusedError(f"the command was issued {(command.issued_us - now_us) / 1e6:.0f} s in the future")
