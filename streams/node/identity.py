"""Who this node is: what ``portfolio node join`` wrote, or, beside the platform itself, the home's own."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

from infra.errors import UserError
from infra.settings import Settings
from streams.fleet.signing import control_key, trust_of
from streams.node.files import write_whole

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
TASK = re.compile(rf"({NAME.pattern})@({NAME.pattern})")
LOCAL_TAGS = ("local",)


@dataclass(frozen=True, slots=True)
class Identity:
    """A node's name, where its log is, and whose commands it obeys."""

    name: str
    kafka: str  # bootstrap servers
    trust: str  # the public half of the platform's control key
    tags: list[str]
    security: dict[str, str] = field(default_factory=dict)  # further librdkafka settings
    joined: bool = True

    def settings(self, of: Settings) -> Settings:
        """The settings with this node's Kafka."""
        return of.model_copy(update={"kafka": self.kafka, "kafka_security": self.security})


def folder_of(home: Path) -> Path:
    """Where a home's node keeps everything."""
    return home / "node"


def joined_identity(home: Path) -> Identity | None:
    """What join wrote; None where nobody joined. UserError when the file holds anything else."""
    path = folder_of(home) / "identity.json"
    try:
        return Identity(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise UserError(f"{path} is broken: remove it, and join again with a new token.") from None


def identity_of(settings: Settings) -> Identity:
    """The node of this home: the one that joined, or the platform's own local one."""
    if joined := joined_identity(settings.home):
        return joined
    check_name(settings.feed_pool)
    trust = trust_of(control_key(settings.home))
    return Identity(
        settings.feed_pool, settings.kafka_servers, trust, list(LOCAL_TAGS), settings.kafka_security, joined=False
    )


def write_identity(home: Path, identity: Identity) -> None:
    """From now on the home's node is this one."""
    folder_of(home).mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(folder_of(home) / "identity.json", json.dumps(dataclasses.asdict(identity), indent=1).encode())


def check_name(name: str) -> None:
    """UserError when a node cannot be called so."""
    if not NAME.fullmatch(name):
        raise UserError(f"A node cannot be called {name!r}: a letter, then up to 39 of a-z, 0-9 and '-'.")


def host_name() -> str:
    """This computer's name as a node's: what it may not have is left out."""
    found = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().split(".")[0].lower()).lstrip("-0123456789")
    return found[:40].rstrip("-") or "node"
