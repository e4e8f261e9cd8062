"""An approved intent on its way through the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.orders import OrderIntent

Phase = Literal[
    "queued",  # nothing was done yet
    "writing",  # it is being written to order-sends
    "sending",  # the broker is being asked, or was when an earlier process died
    "again",  # written, and surely not taken by the broker: it may be sent
    "taken",  # the broker took a modify or cancel up: what became of it must show in the order
    "unknown",  # no answer came: looked up, never sent again
    "answered",  # what became of it is known
]
SOUGHT: frozenset[Phase] = frozenset({"taken", "unknown"})
UNDER_WAY: frozenset[Phase] = frozenset({"writing", "sending", "again", "taken", "unknown"})


@dataclass(frozen=True, slots=True)
class Now:
    """A moment: seconds of a clock that never goes back, and microseconds of market time."""

    s: float
    us: int


@dataclass(slots=True)
class Errand:
    """An intent and how far it has come."""

    intent: OrderIntent
    phase: Phase = "queued"
    since_s: float = 0.0  # when it came; then, sought since or not to be sent again before
    looks: int = 0  # into the order book, since then
    trouble: str = ""  # why the last try failed

    @property
    def order(self) -> str:
        """The order that it is about."""
        return self.intent.order or self.intent.id

    @property
    def deadline_us(self) -> int:
        """Market time after which it must not be sent."""
        return self.intent.at_us + int(self.intent.valid_s * 1_000_000)

    @property
    def is_place(self) -> bool:
        """Whether it makes an order."""
        return self.intent.action == "place"

    @property
    def is_cancel(self) -> bool:
        """Whether it ends one."""
        return self.intent.action == "cancel"
