"""What is known of orders, positions and risk, as a fold of their topics: the console's copy.

Pure: records in any order between topics, and twice, leave the same state. Orders are kept up to a number, the oldest
that are over are forgotten; ``trading_past`` finds those in the log itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.codec import UndecodableError, decode
from schemas.order_state import OrderState, take
from schemas.orders import (
    BrokerPositions,
    OrderEvent,
    OrderIntent,
    OrderSend,
    OrderVerdict,
    Position,
    PositionDifference,
)
from schemas.risk import Breach, Limit, RiskPoint, RiskState
from schemas.topics import (
    BREACHES,
    BROKER_POSITIONS,
    LIMITS,
    ORDER_EVENTS,
    ORDER_INTENTS,
    ORDER_SENDS,
    ORDER_VERDICTS,
    POSITION_DIFFERENCES,
    POSITIONS,
    RISK_POINTS,
    RISK_STATES,
)

DAY_S = 86_400.0
ORDER_TOPICS = (ORDER_INTENTS, ORDER_VERDICTS, ORDER_SENDS, ORDER_EVENTS)
TOPICS = (
    *ORDER_TOPICS, POSITIONS, POSITION_DIFFERENCES, BROKER_POSITIONS, LIMITS, RISK_STATES, RISK_POINTS, BREACHES,
)  # fmt: skip
# How far back each is read at the start; positions, limits and states from their first record. Over a long weekend the
# last trading day is still there.
REWIND_S = {
    **{topic.name: 5 * DAY_S for topic in ORDER_TOPICS},
    POSITION_DIFFERENCES.name: 30 * DAY_S,
    BROKER_POSITIONS.name: 600.0,
    RISK_POINTS.name: 180.0,  # each scope is repeated every minute
    BREACHES.name: 30 * DAY_S,
}
# and at most so many records, so that a busy past does not make a slow start
MOST_READ = {
    ORDER_INTENTS.name: 10_000, ORDER_VERDICTS.name: 10_000, ORDER_SENDS.name: 10_000, ORDER_EVENTS.name: 25_000,
    POSITION_DIFFERENCES.name: 5_000, BROKER_POSITIONS.name: 100, RISK_POINTS.name: 5_000, BREACHES.name: 5_000,
}  # fmt: skip
MOST_ORDERS = 50_000
MOST_EVENTS = 200  # of an order
MOST_BREACHES = 5_000
TRAIL = 50  # positions of a key that are remembered


@dataclass(slots=True)
class Change:
    """A wish to modify or cancel an order: what risk said to it."""

    id: str
    intent: OrderIntent | None = None
    verdict: OrderVerdict | None = None


@dataclass(slots=True)
class Order:
    """All that was heard of an order. Each part may be missing, for a while or for good."""

    id: str
    intent: OrderIntent | None = None
    place: int = -1  # the intent's offset
    verdict: OrderVerdict | None = None
    state: OrderState | None = None
    sends: dict[str, OrderSend] = field(default_factory=dict)  # by the id of the intent that was sent
    events: dict[str, OrderEvent] = field(default_factory=dict)  # by their id, as they came
    changes: dict[str, Change] = field(default_factory=dict)  # by the id of their intent

    @property
    def wish(self) -> OrderIntent | None:
        """The intent, with what risk filled in once it has judged it."""
        return self.verdict.intent if self.verdict else self.intent

    @property
    def asked_us(self) -> int:
        """When it was asked for, or first heard of."""
        return self.wish.at_us if self.wish else self.state.first_us if self.state else 0

    @property
    def status(self) -> str:
        """A ``Status`` of ``schemas.orders``; before that ``asked`` or ``refused``."""
        if self.state is not None:
            return self.state.status
        if self.verdict is not None:
            return "requested" if self.verdict.approved else "refused"
        return "asked"

    @property
    def is_live(self) -> bool:
        """Whether more may come of it."""
        return self.state.is_live if self.state is not None else self.status in ("asked", "requested")


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A limit as it was set or removed, and what was there before."""

    limit: Limit
    before: Limit | None
    at_us: int


class TradingLog:
    """The fold. Not locked: its follower's lock is."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}  # in the order in which they were first heard of
        self.positions: dict[str, Position] = {}  # by key
        self.trails: dict[str, deque[Position]] = {}
        self.limits: dict[tuple[str, str], Limit] = {}
        self.limit_changes: list[LimitChange] = []
        self.states: dict[str, RiskState] = {}
        self.breaches: dict[str, Breach] = {}  # by id, the latest word
        self.differences: dict[str, PositionDifference] = {}  # those that are found
        self.brokers: dict[str, BrokerPositions] = {}  # by account
        self.brokers_heard_s: dict[str, float] = {}  # wall clock
        self.heard_s = 0.0  # wall clock: when risk last said how things are
        self.bad_records = 0
        self._heard: set[type[Any]] = set()  # kinds of records
        self._begun: set[type[Any]] = set()  # those of which the first that there ever was is in it
        self._points: dict[str, bytes | RiskPoint] = {}  # most are never looked at: decoded when they are

    def take(self, topic: str, key: bytes | None, value: bytes | None, offset: int = -1, at_s: float = 0.0) -> None:
        """Takes in one message; what cannot be decoded is counted and skipped."""
        if topic == RISK_POINTS.name:
            if value:
                self._points[_text(key)] = value
                self.heard_s = max(self.heard_s, at_s)
            return
        if not value:
            if topic == POSITIONS.name:
                self.positions.pop(_text(key), None)
            elif topic == RISK_STATES.name:
                self.states.pop(_text(key), None)
            return
        try:
            record = decode(_KINDS[topic], value)
        except UndecodableError:
            self.bad_records += 1  # its first reader puts it aside
            return
        self.put(record, offset, int(at_s * 1e6))

    def put(self, record: Any, offset: int = -1, at_us: int = 0) -> None:
        """Takes in one record; ``at_us``: when Kafka got it. TypeError for one of another kind."""
        try:
            fold = _FOLDS[type(record)]
        except KeyError:
            raise TypeError(f"the console does not fold a {type(record).__name__} here") from None
        if type(record) in _OF_ORDERS:
            self._heard.add(type(record))
            if not offset:
                self._begun.add(type(record))
        fold(self, record, offset, at_us)

    @property
    def is_whole(self) -> bool:
        """Whether every order that there ever was is in it."""
        return bool(self._begun) and self._heard <= self._begun

    def point(self, scope: str) -> RiskPoint | None:
        """What is at risk in a scope, as risk said last."""
        found = self._points.get(scope)
        if isinstance(found, bytes):
            try:
                found = decode(RiskPoint, found)
            except UndecodableError:
                self.bad_records += 1
                del self._points[scope]
                return None
            self._points[scope] = found
        return found

    def points(self) -> Iterator[RiskPoint]:
        """Of all scopes, by name."""
        return (point for scope in sorted(self._points) if (point := self.point(scope)))

    @property
    def scopes(self) -> list[str]:
        """The scopes of which risk has spoken."""
        return sorted(self._points)

    def broken(self) -> list[Breach]:
        """The limits that are broken now: the last word on each."""
        last: dict[tuple[str, str], Breach] = {}
        for breach in self.breaches.values():
            at = (breach.scope, breach.limit)
            if at not in last or last[at].at_us <= breach.at_us:
                last[at] = breach
        return [breach for breach in last.values() if breach.state != "over"]

    def runs(self) -> set[str]:
        """The runs of which an order or a position is known."""
        found = {position.run for position in self.positions.values()}
        found |= {scope.removeprefix("algo:") for scope in self._points if scope.startswith("algo:")}
        for order in self.orders.values():
            if order.state is not None:
                found.add(order.state.run)
            elif order.wish is not None:
                found.add(order.wish.run)
        return found

    def _order(self, id_: str) -> Order:
        order = self.orders.get(id_)
        if order is None:
            order = self.orders[id_] = Order(id_)
            if len(self.orders) > MOST_ORDERS:
                self._forget(MOST_ORDERS // 10)
        return order

    def _forget(self, count: int) -> None:
        self._begun.clear()
        over = [id_ for id_, order in self.orders.items() if not order.is_live][:count]
        for id_ in over or list(self.orders)[:count]:
            del self.orders[id_]

    def _intended(self, intent: OrderIntent, offset: int, at_us: int) -> None:
        if intent.action == "place":
            order = self._order(intent.id)
            if order.intent is None or offset < order.place:  # the first of an id counts
                order.intent, order.place = intent, offset
        else:
            self._change(intent).intent = intent

    def _change(self, intent: OrderIntent) -> Change:
        return self._order(intent.order).changes.setdefault(intent.id, Change(intent.id))

    def _judged(self, verdict: OrderVerdict, offset: int, at_us: int) -> None:
        about = self._order(verdict.id) if verdict.intent.action == "place" else self._change(verdict.intent)
        if about.verdict is None or verdict.at_us < about.verdict.at_us:
            about.verdict = verdict

    def _sent(self, send: OrderSend, offset: int, at_us: int) -> None:
        self._order(send.order).sends.setdefault(send.id, send)

    def _happened(self, event: OrderEvent, offset: int, at_us: int) -> None:
        order = self._order(event.order)
        order.state = take(order.state, event)
        if len(order.events) < MOST_EVENTS:
            order.events.setdefault(event.id, event)

    def _held(self, position: Position, offset: int, at_us: int) -> None:
        key = "/".join((position.account, position.run, position.instrument, position.product))
        self.positions[key] = position
        self.trails.setdefault(key, deque(maxlen=TRAIL)).append(position)

    def _limited(self, limit: Limit, offset: int, at_us: int) -> None:
        key = (limit.scope, limit.limit)
        self.limit_changes.append(LimitChange(limit, self.limits.get(key), limit.at_us or at_us))
        if limit.removed:
            self.limits.pop(key, None)
        else:
            self.limits[key] = limit

    def _decided(self, state: RiskState, offset: int, at_us: int) -> None:
        self.states[state.scope] = state

    def _said(self, point: RiskPoint, offset: int, at_us: int) -> None:
        self._points[point.scope] = point
        self.heard_s = max(self.heard_s, at_us / 1e6)

    def _broke(self, breach: Breach, offset: int, at_us: int) -> None:
        self.breaches.pop(breach.id, None)
        self.breaches[breach.id] = breach
        if len(self.breaches) > MOST_BREACHES:
            del self.breaches[next(iter(self.breaches))]

    def _differs(self, difference: PositionDifference, offset: int, at_us: int) -> None:
        if difference.state == "found":
            self.differences[difference.id] = difference
        else:
            self.differences.pop(difference.id, None)

    def _counted(self, positions: BrokerPositions, offset: int, at_us: int) -> None:
        self.brokers[positions.account] = positions
        self.brokers_heard_s[positions.account] = at_us / 1e6


def _text(key: bytes | None) -> str:
    return (key or b"").decode("utf-8", "replace")


_KINDS: Mapping[str, type[Any]] = {topic.name: topic.record for topic in TOPICS}
_OF_ORDERS = frozenset(topic.record for topic in ORDER_TOPICS)
_FOLDS: Mapping[type[Any], Callable[[TradingLog, Any, int, int], None]] = {
    OrderIntent: TradingLog._intended,
    OrderVerdict: TradingLog._judged,
    OrderSend: TradingLog._sent,
    OrderEvent: TradingLog._happened,
    Position: TradingLog._held,
    Limit: TradingLog._limited,
    RiskState: TradingLog._decided,
    RiskPoint: TradingLog._said,
    Breach: TradingLog._broke,
    PositionDifference: TradingLog._differs,
    BrokerPositions: TradingLog._counted,
}
