"""What the feed is doing, as a fold of ``subscriptions``, ``feed-status``, ``feed-pools`` and ``instruments``."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.codec import UndecodableError, decode
from schemas.market import FeedPool, FeedStatus, Instrument, Subscription
from schemas.topics import FEED_POOLS, FEED_STATUS, INSTRUMENTS, SUBSCRIPTIONS
from streams.prices.instruments import InstrumentBook
from streams.prices.subscribed import Subscribed

LOST_AFTER_S = 5.0  # owners speak about once a second
FORGOTTEN_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Heard:
    """The last word of a slot's owner and when Kafka got it (wall clock, seconds)."""

    status: FeedStatus
    at_s: float


@dataclass(frozen=True, slots=True)
class Worker:
    """One feed worker, put together from the slots that it owns."""

    worker: str
    state: str  # as in FeedStatus, or ``lost``: nothing heard of it for a while
    detail: str
    instruments: int
    slots: list[int]
    ticks: int
    pid: int
    host: str
    covered_us: int  # market time up to which all of its slots are covered
    heard_s: float  # wall clock


@dataclass
class FeedState:
    """The fold."""

    book: InstrumentBook = field(default_factory=InstrumentBook)
    subscribed: Subscribed = field(default_factory=Subscribed)
    heard: dict[int, Heard] = field(default_factory=dict)  # by slot
    pools: dict[str, int] = field(default_factory=dict)
    bad_records: int = 0

    def take(self, topic: str, partition: int, key: bytes | None, value: bytes | None, at_s: float) -> None:
        """Takes in one message; what cannot be decoded is counted and skipped."""
        name = (key or b"").decode("utf-8", "replace")
        try:
            self._take(topic, partition, name, value, at_s)
        except UndecodableError:
            self.bad_records += 1

    def _take(self, topic: str, partition: int, name: str, value: bytes | None, at_s: float) -> None:
        if topic == INSTRUMENTS.name:
            self.book.put(name, decode(Instrument, value) if value else None)
        elif topic == SUBSCRIPTIONS.name:
            self.subscribed.put(name, partition, decode(Subscription, value) if value else None, int(at_s * 1000))
        elif topic == FEED_STATUS.name:
            if value:
                self.heard[partition] = Heard(decode(FeedStatus, value), at_s)
            else:
                self.heard.pop(partition, None)
        elif topic == FEED_POOLS.name:
            if value:
                self.pools[name] = decode(FeedPool, value).workers
            else:
                self.pools.pop(name, None)

    def wanted(self, pool: str, default: int) -> int:
        """How many workers a pool shall run."""
        return self.pools.get(pool, default)

    def workers(self, now_s: float) -> list[Worker]:
        """Every worker that was heard of lately, by name."""
        owned: dict[str, list[Heard]] = {}
        for slot in sorted(self.heard):
            heard = self.heard[slot]
            if now_s - heard.at_s < FORGOTTEN_AFTER_S:
                owned.setdefault(heard.status.worker, []).append(heard)
        return [_worker(name, owned[name], now_s) for name in sorted(owned)]

    def owner(self, slot: int, now_s: float) -> tuple[str | None, str]:
        """Who streams a slot, and in which state; ``(None, "unassigned")`` when nobody ever did."""
        heard = self.heard.get(slot)
        if heard is None:
            return None, "unassigned"
        state = _state(heard, now_s)
        return (None if state in ("stopped", "lost") else heard.status.worker), state


def _state(heard: Heard, now_s: float) -> str:
    stopped = heard.status.state == "stopped"
    return "lost" if not stopped and now_s - heard.at_s > LOST_AFTER_S else heard.status.state


def _worker(name: str, slots: list[Heard], now_s: float) -> Worker:
    last = max(slots, key=lambda heard: heard.at_s)
    state, detail = _state(last, now_s), last.status.detail
    if state == "lost":
        detail = f"no sign of life for {now_s - last.at_s:.0f} s"
    mine = [heard.status for heard in slots]
    return Worker(
        worker=name,
        state=state,
        detail=detail,
        instruments=sum(status.instruments for status in mine),
        slots=[status.slot for status in mine],
        ticks=sum(status.ticks for status in mine),
        pid=last.status.pid,
        host=last.status.host,
        covered_us=min(status.covered_us for status in mine),
        heard_s=last.at_s,
    )
