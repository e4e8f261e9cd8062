"""Records of the market: what is traded, what was seen, what was missed.

Times are integer microseconds since the epoch, UTC, named ``_us``. ``receive_us`` is the platform's market
clock (``infra.clock``) at the worker that read the socket; ``exchange_us`` and ``last_trade_us`` are the
exchange's own, which Kite gives in whole seconds. Prices are float64, the nearest to the exchange's decimal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

Mode = Literal["ltp", "quote", "full"]
MODES: tuple[Mode, ...] = ("ltp", "quote", "full")


class TickKind(IntEnum):
    """Which packet a tick was, and so which of its columns hold values (``TickBatch.kind``)."""

    LTP = 1
    QUOTE = 2
    FULL = 3
    INDEX_QUOTE = 4
    INDEX_FULL = 5


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable thing or index. Key: ``instrument``, as ``EXCHANGE:SYMBOL``."""

    instrument: str
    provider: str
    token: int  # the provider's number for it
    exchange: str
    symbol: str
    name: str
    kind: str  # EQ, INDEX, FUT, CE, PE
    segment: str
    tick_size: float
    lot_size: int
    expiry: str = ""  # ISO date, or empty
    strike: float = 0.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """That an instrument's ticks are wanted.

    The record lies in the partition of ``subscriptions`` whose owner streams it (a *slot*), which may change
    when the load is evened out; ``partition`` is the partition of ``ticks``, which never changes while the
    instrument stays subscribed: one instrument, one order. A person may write just the instrument.
    """

    instrument: str
    provider: str = "kite"
    token: int = 0  # 0: to be looked up among the instruments
    mode: Mode = "full"
    partition: int = -1  # -1: not given one yet


@dataclass(frozen=True, slots=True)
class FeedPool:
    """How many feed workers a computer shall run. Key: ``pool``."""

    pool: str
    workers: int


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What the owner of a slot says of it about once a second; the last one tells how far the slot is covered."""

    slot: int
    worker: str  # <pool>-<number>
    state: Literal["streaming", "connecting", "waiting-for-token", "refused", "stopped"]
    detail: str  # one sentence when the state is not streaming
    instruments: int
    ticks: int  # ticks written for this slot by this worker since it started
    covered_us: int  # market clock up to which nothing was missed
    pid: int
    host: str


@dataclass(frozen=True, slots=True)
class FeedGap:
    """A stretch in which ticks may have been missed. Key: the ``ticks`` partition."""

    id: str
    provider: str
    worker: str
    partition: int
    instruments: list[str]
    start_us: int  # market clock
    end_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Candle:
    """The trades of one instrument in ``[start_us, start_us + interval)``, with the keys that make it mergeable.

    ``first`` and ``last`` are the order keys ``(time, cumulative volume, receive time)`` of the ticks that gave
    open and close; ``volume_from`` is the day's cumulative volume before the first of them, ``volume_to`` at the
    last (-1 where the mode has no volume). ``volume`` is what the whole day's fold makes of them.
    ``gap``: ticks may be missing in or beside it. ``revision`` counts publications after the first.
    """

    instrument: str
    interval: str
    start_us: int
    open: float
    high: float
    low: float
    close: float
    volume: int
    oi: int  # open interest at the close, -1 where there is none
    first: tuple[int, int, int] = (0, -1, 0)
    last: tuple[int, int, int] = (0, -1, 0)
    volume_from: int = -1
    volume_to: int = -1
    complete: bool = False
    gap: bool = False
    revision: int = 0
    source: Literal["ticks", "history"] = "ticks"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Bytes that could not be used, and why. Kept in ``<topic>-dlq``."""

    topic: str
    partition: int
    offset: int  # -1 where the bytes came from a socket
    reason: str
    payload: bytes
    source: str = ""  # which process
    at_us: int = field(default=0)
