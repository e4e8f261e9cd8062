"""The book: a fold of what was said of orders, limits, states and positions, from which risk is judged.

Deterministic, without clock or I/O. Verdicts and order events may be repeated and come in any interleaving: of verdicts
the first of an id counts, the state of an order is a join. Of the rest the last record of a key counts, so those topics
are read each in its own order.

Everything is kept in tables too, as bytes (``entries.py``): :meth:`Book.take_changes` tells what has changed since the
last call, :meth:`Book.restore` makes the same book again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from schemas.order_state import take
from schemas.orders import BrokerPositions, OrderEvent, OrderIntent, OrderVerdict, PositionDifference
from schemas.risk import STATES, Breach, Limit, RiskState, TradingState
from schemas.topics import ORDER_INTENTS
from streams.positions.fold import Base, Holdings, Key
from streams.risk.day import Day, count_order, day_start_us, trading_day
from streams.risk.entries import TABLES, digest_of, pack, unpack
from streams.risk.exposure import Exposure, exposure
from streams.risk.live import Live
from streams.risk.market import Market, Quote
from streams.risk.order import Judged, Order, requested
from streams.risk.paces import Paces, who
from streams.risk.rules import Rules
from streams.risk.sums import Sums

if TYPE_CHECKING:
    from streams.risk.jobs import Job

__all__ = ["TABLES", "Book", "Judged", "Key", "Market", "Order", "Quote"]

Spot = tuple[str, str, str]  # account, instrument, product
HORIZON = "horizon"  # in the table "next", beside the topics
PAIRED = ("limits", "breaches", "differences", "bases")  # tables whose keys in the book are tuples


class Book(Live, Rules):
    """All that risk knows. Read its mappings, never change them: :meth:`take` and the other methods do."""

    def __init__(self) -> None:
        Live.__init__(self)
        Rules.__init__(self)
        self.orders: dict[str, Order] = {}
        self.judged: dict[str, Judged] = {}
        self.holdings = Holdings()
        self.states: dict[str, RiskState] = {}
        self.differences: dict[Spot, PositionDifference] = {}  # those that stand
        self.brokers: dict[str, BrokerPositions] = {}
        self.days: dict[str, Day] = {}
        self.jobs: dict[str, Job] = {}
        self.breaches: dict[tuple[str, str], Breach] = {}  # by scope and limit, those that stand
        self.next: dict[str, int] = {}  # by topic: the first offset that was not applied
        self.horizon_us = 0  # what ended before it is forgotten
        self._early: dict[str, OrderIntent] = {}  # modifies of orders that nothing was heard of yet
        self._bases: dict[Key, Base] = {}
        self._changed: dict[tuple[str, str], None] = {}
        self.paces = Paces()
        self.sums = Sums(self)

    # ---- the fold

    def take(self, record: Any, topic: str = "", offset: int = -1) -> None:
        """Takes in a record; with its place, what was applied already is left out.

        TypeError for a record of another kind, ValueError for a limit whose value is no number.
        """
        if topic:
            if offset < self.next.get(topic, 0):
                return
            self.applied(topic, offset)
        match record:
            case OrderVerdict():
                self._take_verdict(record)
            case OrderEvent():
                self._take_event(record)
            case Limit():
                self._take_limit(record)
            case RiskState():
                self.states[record.scope] = record
                self._changed["states", record.scope] = None
            case BrokerPositions():
                self.brokers[record.account] = record
                self._changed["brokers", record.account] = None
            case PositionDifference():
                self._take_difference(record)
            case _:
                raise TypeError(f"risk does not fold a {type(record).__name__}")

    def applied(self, topic: str, offset: int) -> None:
        """Notes that everything of a topic up to this offset is in the book, or means nothing to it."""
        if offset >= self.next.get(topic, 0):
            self.next[topic] = offset + 1
            self._changed["next", topic] = None

    def _take_verdict(self, verdict: OrderVerdict) -> None:
        if verdict.offset >= 0:
            self.applied(ORDER_INTENTS.name, verdict.offset)
        intent = verdict.intent
        if verdict.code == "BAD_ID" or verdict.id in self.judged or verdict.at_us < self.horizon_us:
            return
        judged = Judged(
            verdict.at_us, verdict.approved, intent.action, intent.account, intent.run, intent.instrument
        )  # fmt: skip
        self.judged[verdict.id] = judged
        self._changed["judged", verdict.id] = None
        if not verdict.approved:
            return
        self.paces.count(judged)
        if intent.action == "place":
            self._place(intent, verdict.at_us)
        elif intent.action == "modify" and intent.order not in self.orders:
            self._early[intent.order] = intent
            self._changed["early", intent.order] = None
        else:
            order = self.orders.get(intent.order)
            if order is None:
                return
            if intent.id in order.answered:
                self._put_order(replace(order, answered=tuple(id_ for id_ in order.answered if id_ != intent.id)))
            elif intent.action == "modify":
                self._put_order(replace(order, modify=intent))
        if intent.action != "cancel":
            today = trading_day(verdict.at_us)
            for scope in who(intent.account, intent.run):
                self.put_day(count_order(self.days.get(scope) or Day(scope, today), today))

    def _place(self, intent: OrderIntent, at_us: int) -> None:
        order = self.orders.get(intent.id)
        state = take(order.state if order else None, requested(intent, at_us))
        if order is None:
            self._put_order(Order(intent, state, None, at_us))
        else:
            self._put_order(replace(order, intent=intent, state=state, verdict_us=at_us))

    def _take_event(self, event: OrderEvent) -> None:
        known = self.orders.get(event.order)
        if known is None and (event.broker_us or event.at_us) < self.horizon_us:
            return  # of an order that was forgotten: its fills are counted
        order = known or Order(None, take(None, event), self._early.pop(event.order, None))
        if known is None and order.modify is not None:
            self._changed["early", event.order] = None
        state, modify, answered = take(order.state, event), order.modify, order.answered
        if event.intent and event.intent != event.order and (event.failed or event.status != "unknown"):
            if modify is not None and modify.id == event.intent:
                modify = None
            elif event.intent not in self.judged and event.intent not in answered:
                answered = tuple(sorted((*answered, event.intent)))
        if known is None or state is not order.state or modify is not order.modify or answered is not order.answered:
            self._put_order(Order(order.intent, state, modify, order.verdict_us, answered))

    def _put_order(self, order: Order) -> None:
        before = self.orders.get(order.id)
        self.orders[order.id] = order
        self._changed["orders", order.id] = None
        self.holdings.take(before.state if before else None, order.state)
        for key in self._index(before, order):
            self.sums.touch(key)

    def _take_limit(self, limit: Limit) -> None:
        self._set(limit)
        self._changed["limits", json.dumps((limit.scope, limit.limit))] = None
        if limit.limit == "adverse-move":
            self.sums.touch_all()

    def _take_difference(self, record: PositionDifference) -> None:
        spot = record.account, record.instrument, record.product
        if record.state == "found":
            self.differences[spot] = record
        else:
            self.differences.pop(spot, None)
        self._changed["differences", json.dumps(spot)] = None

    # ---- what others keep here

    def put_day(self, day: Day) -> None:
        """A scope's day is this now."""
        if self.days.get(day.scope) is not day:
            self.days[day.scope] = day
            self._changed["days", day.scope] = None

    def drop_day(self, scope: str) -> None:
        """Nothing is kept of a scope's day any more."""
        if self.days.pop(scope, None) is not None:
            self._changed["days", scope] = None

    def put_job(self, id_: str, job: Job | None) -> None:
        """A job is this now; None: there is no such job any more."""
        if job is None:
            self.jobs.pop(id_, None)
        else:
            self.jobs[id_] = job
        self._changed["jobs", id_] = None

    def put_breach(self, breach: Breach) -> None:
        """A limit is broken."""
        self.breaches[breach.scope, breach.limit] = breach
        self._changed["breaches", json.dumps((breach.scope, breach.limit))] = None

    def drop_breach(self, scope: str, limit: str) -> None:
        """A limit holds again."""
        if self.breaches.pop((scope, limit), None) is not None:
            self._changed["breaches", json.dumps((scope, limit))] = None

    # ---- questions

    def orders_on(self, scope: str, day: str) -> int:
        """How many orders were approved on a trading day in a scope (platform, account or algo)."""
        known = self.days.get(scope)
        return known.orders if known and known.day == day else 0

    def held(self, key: Key) -> int:
        """The quantity held under a key, negative when short."""
        holding = self.holdings.get(key)
        return holding.quantity if holding else 0

    def exposure(self, key: Key, price: float) -> Exposure:
        """What is at risk under a key at a price."""
        return exposure(self.held(key), self.workings(key), price, self.adverse(*key[:3]))

    def state_of(self, scopes: Iterable[str], holds: Mapping[str, TradingState]) -> tuple[TradingState, str]:
        """The strictest of what is said of these scopes here and by the brake, and the scope that says it."""
        worst: tuple[TradingState, str] = ("ACTIVE", "")
        for scope in scopes:
            known = self.states.get(scope)
            for state in (known.state if known else "ACTIVE", holds.get(scope, "ACTIVE")):
                if STATES.index(state) > STATES.index(worst[0]):
                    worst = state, scope
        return worst

    # ---- days that are over

    def forget(self, now_us: int) -> None:
        """Forgets what ended before the last trading day but one began. To be called once a day or so."""
        horizon = day_start_us(trading_day(day_start_us(trading_day(now_us)) - 1))
        if horizon <= self.horizon_us:
            return
        self.horizon_us = horizon
        self._changed["next", HORIZON] = None
        self.holdings.settle(horizon)
        for order in [o for o in self.orders.values() if not o.state.is_live and o.state.last_us < horizon]:
            self.holdings.forget(order.state)
            del self.orders[order.id]
            self._changed["orders", order.id] = None
        for id_ in [id_ for id_, judged in self.judged.items() if judged.at_us < horizon]:
            del self.judged[id_]
            self._changed["judged", id_] = None
        for order_id in [o for o, modify in self._early.items() if modify.at_us < horizon]:
            del self._early[order_id]
            self._changed["early", order_id] = None

    # ---- tables

    def take_changes(self) -> list[tuple[str, str, bytes | None]]:
        """What has changed since the last call: table, key, and the entry or None where it is gone."""
        self._gather_bases()
        changed, self._changed = self._changed, {}
        return [(table, key, self._packed(table, key)) for table, key in changed]

    def _gather_bases(self) -> None:
        for base in self.holdings.take_bases():
            self._bases[base.holding.key] = base
            self._changed["bases", json.dumps(base.holding.key)] = None

    def _tables(self) -> dict[str, Mapping[Any, Any]]:
        """The entries of all tables by their keys in the book."""
        return {
            "orders": self.orders, "judged": self.judged, "early": self._early, "bases": self._bases,
            "limits": self.limits, "states": self.states, "differences": self.differences, "brokers": self.brokers,
            "days": self.days, "jobs": self.jobs, "breaches": self.breaches,
            "next": self.next | {HORIZON: self.horizon_us},
        }  # fmt: skip

    def _packed(self, table: str, key: str) -> bytes | None:
        entry = self._tables()[table].get(tuple(json.loads(key)) if table in PAIRED else key)
        return None if entry is None else pack(entry)

    @classmethod
    def restore(cls, tables: Mapping[str, Mapping[str, bytes]]) -> Book:
        """The book that these tables were kept of."""
        made = cls()
        mine = made._tables()
        for table in TABLES:
            of: Any = mine[table]
            for key, packed in tables.get(table, {}).items():
                of[tuple(json.loads(key)) if table in PAIRED else key] = unpack(table, packed)
        made.next.update(mine["next"])
        made.horizon_us = made.next.pop(HORIZON, 0)
        made._derive()
        return made

    def _derive(self) -> None:
        """Makes what follows from the tables."""
        self.holdings = Holdings.restore(self._bases.values(), (order.state for order in self.orders.values()))
        for holding in self.holdings:
            self._know(holding.key)
        for order in self.orders.values():
            self._index(None, order)
        self.sums.touch_all()
        for limit in list(self.limits.values()):
            self._set(limit)
        for judged in sorted((j for j in self.judged.values() if j.approved), key=lambda j: j.at_us):
            self.paces.count(judged)

    def digest(self) -> str:
        """The same for two books exactly when they are the same."""
        self._gather_bases()
        return digest_of(
            (table, json.dumps(key) if table in PAIRED else key, pack(entry))
            for table, entries in self._tables().items()
            for key, entry in entries.items()
        )
