"""The kill switch of this computer: a file that gateways and risk look at many times a second.

It needs no server at all: when Kafka is down a person can still stop every order that has not left. It is latched: it
holds over restarts of everything, until somebody resumes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from schemas.risk import STATES, TradingState

LOOK_S = 0.05  # how often whoever obeys it has to look


@dataclass(frozen=True, slots=True)
class Hold:
    """Why trading is not on in a scope."""

    state: TradingState
    actor: str
    at_us: int  # wall clock
    reason: str


def brake_file(home: Path) -> Path:
    """Where it lies."""
    return home / "brake.json"


def read_brake(home: Path) -> dict[str, Hold]:
    """What holds, by scope. A file that cannot be read holds the whole platform: it was there for a reason."""
    try:
        text = brake_file(home).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        return {"platform": Hold("HALTED", "", 0, f"{brake_file(home)} cannot be read: {error.strerror}")}
    try:
        found = {str(scope): Hold(**hold) for scope, hold in json.loads(text).items()}
        if all(hold.state in STATES for hold in found.values()):
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    return {"platform": Hold("HALTED", "", 0, f"{brake_file(home)} is damaged: resume to write it anew")}


def set_brake(home: Path, scope: str, state: TradingState, actor: str, reason: str = "") -> dict[str, Hold]:
    """Holds a scope, or lets it go (ACTIVE); durable when it returns. What holds now.

    Letting the platform go writes a damaged file anew. OSError when the home cannot be written.
    """
    held = read_brake(home)
    if state == "ACTIVE":
        held.pop(scope, None)
    else:
        held[scope] = Hold(state, actor, time.time_ns() // 1000, reason)
    path = brake_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{uuid4().hex}")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump({name: asdict(hold) for name, hold in held.items()}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return held


def strictest(states: Mapping[str, TradingState], scopes: tuple[str, ...]) -> TradingState:
    """The strictest state of these scopes; ACTIVE where nothing is said."""
    return max((states.get(scope, "ACTIVE") for scope in scopes), key=STATES.index, default="ACTIVE")


class Brake:
    """The file, read again only when it has changed. :meth:`held` is cheap: call it before each order."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stamp: tuple[int, int, int] | None = None
        self._held: dict[str, Hold] = {}

    def held(self) -> dict[str, Hold]:
        """What holds now, by scope."""
        try:
            seen = brake_file(self._home).stat()
            stamp = (seen.st_mtime_ns, seen.st_ino, seen.st_size)
        except FileNotFoundError:
            self._stamp, self._held = None, {}
            return self._held
        except OSError:
            return read_brake(self._home)
        if stamp != self._stamp:
            self._stamp, self._held = stamp, read_brake(self._home)
        return self._held
