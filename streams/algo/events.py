"""What happens to an algo, and what comes of it. Pure records: a backtest makes the same ones.

An event says where in the log it lies: ``source`` is ``<topic>/<partition>``, ``offset`` its place there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from schemas.fleet import AlgoRequest, Signal, Trading
from schemas.market import Candle
from schemas.orders import OrderEvent, OrderIntent, OrderVerdict
from schemas.risk import Breach, RiskPoint, RiskState
from schemas.ticks import TickBatch


@dataclass(frozen=True, slots=True)
class Ticks:
    """A record of topic ``ticks``; one without ticks is a sign of life, which lets timers ring."""

    source: str
    offset: int
    batch: TickBatch


@dataclass(frozen=True, slots=True)
class Minute:
    """A record of topic ``candles``: a complete candle of one minute, or a revision of one."""

    source: str
    offset: int
    candle: Candle


@dataclass(frozen=True, slots=True)
class Heard:
    """A record of topic ``signals``."""

    source: str
    offset: int
    signal: Signal


@dataclass(frozen=True, slots=True)
class Judged:
    """A record of topic ``order-verdicts``."""

    source: str
    offset: int
    verdict: OrderVerdict


@dataclass(frozen=True, slots=True)
class Reported:
    """A record of topic ``order-events``."""

    source: str
    offset: int
    report: OrderEvent


@dataclass(frozen=True, slots=True)
class Measured:
    """A record of topic ``risk-points``."""

    source: str
    offset: int
    point: RiskPoint


@dataclass(frozen=True, slots=True)
class Broke:
    """A record of topic ``breaches``."""

    source: str
    offset: int
    breach: Breach


@dataclass(frozen=True, slots=True)
class Ruled:
    """A record of topic ``risk-states``: it holds at once for all units, and calls nothing."""

    source: str
    offset: int
    state: RiskState


Event = Ticks | Minute | Heard | Judged | Reported | Measured | Broke | Ruled
Record = OrderIntent | Signal | AlgoRequest


@dataclass(frozen=True, slots=True)
class Run:
    """In whose name an algo acts."""

    run: str = "run"
    task: str = "run@here"
    trading: Trading = "paper"
    may_command: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the algo's log; ``at_us`` is market time."""

    level: Literal["info", "error"]
    at_us: int
    unit: str
    text: str


@dataclass(slots=True)
class Outcome:
    """What came of an event for one unit: records to be written, in order, and lines for the log."""

    unit: str
    records: list[Record] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class End:
    """That the algo has ended, and why. ``status`` is the exit status: 0 by itself, 3 by its errors."""

    status: int
    reason: str


def stable_id(*parts: object) -> str:
    """An id that the same parts always give: 20 hex digits, short enough for a broker's order tag."""
    return blake2b("\0".join(map(str, parts)).encode(), digest_size=10).hexdigest()
