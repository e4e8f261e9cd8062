"""Every topic: what it holds, how long, who writes it and who reads it. The one place where a topic is born."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.fleet import (
    Algo,
    AlgoEvent,
    AlgoRequest,
    AlgoState,
    Command,
    Heartbeat,
    JoinRequest,
    LogLine,
    Node,
    Package,
    Signal,
    Task,
)
from schemas.market import (
    Candle,
    DeadLetter,
    FeedGap,
    FeedPool,
    FeedStatus,
    Instrument,
    Subscription,
)
from schemas.orders import (
    BrokerNotice,
    BrokerPositions,
    OrderEvent,
    OrderIntent,
    OrderSend,
    OrderVerdict,
    Position,
    PositionDifference,
)
from schemas.risk import Breach, Limit, RiskPoint, RiskState
from schemas.ticks import TickBatch

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEAR_MS = 365 * DAY_MS
COMPACTED = 0  # as ``kept_ms``: the last record of each key is kept for ever
FOREVER = -1  # as ``kept_ms``: every record is kept
PACKAGE_BYTES = 4 << 20  # the largest package of an algo
LOG_TIME = {"message.timestamp.type": "LogAppendTime"}  # Kafka's own: many computers write, whose clocks may be wrong


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and its contract. ``partitions`` 0 means the platform's setting; ``more`` are further Kafka settings."""

    name: str
    key: str
    record: type[Any]
    kept_ms: int
    written_by: str
    read_by: str
    partitions: int = 0
    has_dead_letters: bool = False
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, str]:
        """Kafka's own configuration entries for it."""
        if self.kept_ms == COMPACTED:
            return {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.1",
                "segment.ms": str(HOUR_MS),
                **self.more,
            }
        return {"cleanup.policy": "delete", "retention.ms": str(self.kept_ms), **self.more}

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

NODE_REQUESTS = Topic("node-requests", "node", JoinRequest, DAY_MS, "node agents", "fleet", 1)
NODES = Topic("nodes", "node", Node, COMPACTED, "fleet, console", "fleet, console, node agents", 1, more=LOG_TIME)
HEARTBEATS = Topic(
    "heartbeats", "node", Heartbeat, 7 * DAY_MS, "node agents", "fleet, console", 1,
    more=LOG_TIME,  # it shows how wrong a node's clock is
)  # fmt: skip
PACKAGES = Topic(
    "packages", "sha256", Package, COMPACTED, "console, CLI", "node agents", 1,
    more={"max.message.bytes": str(PACKAGE_BYTES + 65536)},
)  # fmt: skip
ALGOS = Topic("algos", "name", Algo, COMPACTED, "console, CLI", "console, fleet", 1, more=LOG_TIME)
TASKS = Topic("tasks", "task", Task, COMPACTED, "console, fleet", "console, fleet", 1, more=LOG_TIME)
COMMANDS = Topic(
    "commands", "node", Command, 30 * DAY_MS, "console, fleet, risk", "node agents, fleet, console", 1, more=LOG_TIME
)
ALGO_REQUESTS = Topic("algo-requests", "task", AlgoRequest, 30 * DAY_MS, "algos", "fleet", 1, has_dead_letters=True)
ALGO_EVENTS = Topic("algo-events", "task", AlgoEvent, YEAR_MS, "node agents", "fleet, console", 1, more=LOG_TIME)
ALGO_LOGS = Topic("algo-logs", "task", LogLine, 7 * DAY_MS, "node agents", "console, CLI")
SIGNALS = Topic("signals", "name", Signal, 7 * DAY_MS, "algos", "algos, console")
ALGO_STATE = Topic("algo-state", "run/instrument", AlgoState, COMPACTED, "algos", "algos")
# Orders and risk have one partition each: one worker sees all of them, in one order.
ORDER_INTENTS = Topic(
    "order-intents", "account", OrderIntent, FOREVER, "algos, console, risk", "risk", 1, has_dead_letters=True
)
ORDER_VERDICTS = Topic(
    "order-verdicts", "account", OrderVerdict, FOREVER, "risk", "gateways, algos, console", 1
)  # in transactions: whoever reads it takes what is committed
ORDER_SENDS = Topic("order-sends", "account", OrderSend, FOREVER, "gateways", "gateways, console", 1)  # as above
ORDER_EVENTS = Topic(
    "order-events", "account", OrderEvent, FOREVER, "gateways, risk", "risk, gateways, algos, console", 1,
    has_dead_letters=True,
)  # fmt: skip
BROKER_NOTICES = Topic("broker-notices", "provider", BrokerNotice, 7 * DAY_MS, "feed workers", "gateways", 1)
BROKER_POSITIONS = Topic("broker-positions", "account", BrokerPositions, 30 * DAY_MS, "gateways", "risk", 1)
POSITIONS = Topic(
    "positions", "account/run/instrument/product", Position, COMPACTED, "risk", "gateways, console, a person", 1
)
POSITION_DIFFERENCES = Topic(
    "position-differences", "account", PositionDifference, YEAR_MS, "risk", "console, a person", 1
)
LIMITS = Topic("limits", "scope limit", Limit, FOREVER, "console, a person", "risk, console", 1, has_dead_letters=True)
RISK_STATES = Topic("risk-states", "scope", RiskState, COMPACTED, "risk", "gateways, algos, console", 1)
RISK_POINTS = Topic("risk-points", "scope", RiskPoint, YEAR_MS, "risk", "archive, console, algos", 1)
BREACHES = Topic("breaches", "scope", Breach, YEAR_MS, "risk", "console, algos", 1)

MARKET = (INSTRUMENTS, SUBSCRIPTIONS, FEED_POOLS, FEED_STATUS, TICKS, FEED_GAPS, CANDLES)
FLEET = (NODE_REQUESTS, NODES, HEARTBEATS, PACKAGES, ALGOS, TASKS, COMMANDS, ALGO_EVENTS, ALGO_LOGS)
ALGO = (ALGO_REQUESTS, SIGNALS, ALGO_STATE)
ORDERS = (ORDER_INTENTS, ORDER_VERDICTS, ORDER_SENDS, ORDER_EVENTS, BROKER_NOTICES, BROKER_POSITIONS, POSITIONS,
          POSITION_DIFFERENCES)  # fmt: skip
RISK = (LIMITS, RISK_STATES, RISK_POINTS, BREACHES)
DECLARED = MARKET + FLEET + ALGO + ORDERS + RISK
TOPICS: dict[str, Topic] = {
    topic.name: topic
    for declared in DECLARED
    for topic in ((declared, declared.dead_letters) if declared.has_dead_letters else (declared,))
}
