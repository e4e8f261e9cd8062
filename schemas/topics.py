"""Every topic: what it holds, how long, who writes it and who reads it. The one place where a topic is born."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.market import (
    Candle,
    DeadLetter,
    FeedGap,
    FeedPool,
    FeedStatus,
    Instrument,
    Subscription,
)
from schemas.ticks import TickBatch

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
COMPACTED = 0  # as ``kept_ms``: the last record of each key is kept for ever


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and its contract. ``kept_ms`` 0 means compacted. ``partitions`` 0 means the platform's setting."""

    name: str
    key: str
    record: type[Any]
    kept_ms: int
    written_by: str
    read_by: str
    partitions: int = 0
    has_dead_letters: bool = False

    @property
    def config(self) -> dict[str, str]:
        """Kafka's own configuration entries for it."""
        if self.kept_ms == COMPACTED:
            return {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.1",
                "segment.ms": str(HOUR_MS),
            }
        return {"cleanup.policy": "delete", "retention.ms": str(self.kept_ms)}

    @property
    def dead_letters(self) -> Topic:
        """The topic to which its unusable records go."""
        return Topic(
            f"{self.name}-dlq",
            f"as {self.name}",
            DeadLetter,
            30 * DAY_MS,
            "any reader",
            "a person",
            partitions=1,
        )


INSTRUMENTS = Topic(
    "instruments",
    "instrument",
    Instrument,
    COMPACTED,
    "producers/*/instruments",
    "all",
    1,
    has_dead_letters=True,
)
SUBSCRIPTIONS = Topic(
    "subscriptions", "instrument", Subscription, COMPACTED, "console, CLI, feed balancer", "feed workers",
    has_dead_letters=True,
)  # fmt: skip
FEED_POOLS = Topic("feed-pools", "pool", FeedPool, COMPACTED, "console, CLI", "feed supervisors", 1)
FEED_STATUS = Topic("feed-status", "slot", FeedStatus, COMPACTED, "feed workers", "feed workers, console")
TICKS = Topic(
    "ticks", "(partition)", TickBatch, 7 * DAY_MS, "feed workers", "candles, risk, algos, replay",
    has_dead_letters=True,
)  # fmt: skip
FEED_GAPS = Topic("feed-gaps", "(partition)", FeedGap, 30 * DAY_MS, "feed workers", "console, a person")
CANDLES = Topic("candles", "instrument", Candle, 30 * DAY_MS, "candles", "algos, console")

DECLARED = (INSTRUMENTS, SUBSCRIPTIONS, FEED_POOLS, FEED_STATUS, TICKS, FEED_GAPS, CANDLES)
TOPICS: dict[str, Topic] = {
    topic.name: topic
    for declared in DECLARED
    for topic in ((declared, declared.dead_letters) if declared.has_dead_letters else (declared,))
}
