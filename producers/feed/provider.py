"""The small interface behind which a market data provider lives: one folder each, chosen by name.

A provider gives connections; a connection gives events; a frame decodes into columns. All the rest (sharing
instruments, silence, back-off, gaps, Kafka) is the feed's and the same for everyone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from schemas.market import Instrument, Mode
from schemas.ticks import Column


class ConnectionLostError(Exception):
    """The connection ended or could not be made; trying again later makes sense."""


class TokenRejectedError(Exception):
    """The provider does not take the access token: only a new token helps."""


class NoTokenError(TokenRejectedError):
    """Nobody has logged in yet."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What came over the socket in one message, at ``receive_us`` of market time."""

    payload: bytes
    receive_us: int


@dataclass(frozen=True, slots=True)
class Notice:
    """A text message of the provider: an error, an order update, an announcement."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The ticks of one frame in its order.

    ``token`` has shape (n,) and dtype ``<u4``; ``columns`` holds every column of ``schemas.ticks`` but
    ``instrument`` and ``resumed_us``, shape (n,), and the depth columns, (n, 10) or (0, 10).
    ``broken`` says what was wrong with the rest of the frame, empty when nothing was.
    """

    token: Column
    columns: dict[str, Column]
    broken: str = ""


class Connection(Protocol):
    """One open websocket."""

    async def subscribe(self, modes: Mapping[int, Mode]) -> None:
        """Asks for these tokens in these modes; also changes the mode of a token that is subscribed."""
        ...

    async def unsubscribe(self, tokens: Iterable[int]) -> None:
        """No longer wants these tokens."""
        ...

    def events(self) -> AsyncIterator[Frame | Notice]:
        """What arrives, signs of life included (empty frames); ends by ConnectionLostError."""
        ...

    async def close(self) -> None:
        """Ends the connection."""
        ...


class Provider(Protocol):
    """A source of market data."""

    name: str
    connection_limit: int  # instruments one connection can carry

    async def connect(self) -> Connection:
        """A new connection. TokenRejectedError or ConnectionLostError when there is none to have."""
        ...

    async def new_token(self) -> None:
        """Returns when there is an access token other than the one last rejected."""
        ...

    def decode(self, frames: Sequence[Frame]) -> Iterable[tuple[Frame, Decoded]]:
        """The frames' ticks in their order; neighbours may be taken together, given with the last of them.

        Never raises: what can't be read it names in ``broken``, with its frame.
        """
        ...

    async def keep_session(self) -> None:
        """Logs in where that needs no person (the simulator); run by the leading supervisor, never returns."""
        ...

    async def instruments(self) -> list[Instrument]:
        """Everything that can be subscribed today."""
        ...


@cache
def provider_named(name: str) -> Provider:
    """The provider of this name, from entry point group ``portfolio.providers``. KeyError when there is none."""
    found = {entry.name: entry for entry in entry_points(group="portfolio.providers")}
    make: Callable[[], Provider] = found[name].load()
    return make()
