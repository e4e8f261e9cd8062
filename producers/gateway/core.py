"""The gateway's decisions: what is sent now, what becomes of it, what is never sent again. Pure: time is given.

The one who runs it (``gateway.py``) does for each errand, in this order: :meth:`Core.plan` gives it; it is committed
to order-sends; :meth:`Core.may_go` lets it go; the broker is called; :meth:`Core.answered` takes the outcome. Wherever
that is cut off, the next process finds the intent in order-sends and looks for it at the broker. Events that are
returned are already part of what is known; they only have to be written.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from infra.brake import Hold
from producers.gateway.book import Book
from producers.gateway.errand import Errand, Now
from producers.gateway.rates import Rates, Window
from producers.gateway.search import Search
from producers.gateway.trading import does_reduce, hold_on, key_of, quantity_held, sentence
from schemas.orders import OrderEvent, OrderSend, OrderVerdict, Position, Status
from schemas.risk import RiskState

AGAIN_S = 0.25  # what was surely not taken is sent again after this long
Record = OrderVerdict | OrderSend | OrderEvent | RiskState | Position
Kind = Literal["done", "refused", "unknown", "not-sent", "no-token", "unwritable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call. ``broker_order``: of a place that is done."""

    kind: Kind
    broker_order: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now: ``write`` these to order-sends and send them, send those ``again`` that are there."""

    write: list[Errand] = field(default_factory=list)
    again: list[Errand] = field(default_factory=list)
    events: list[OrderEvent] = field(default_factory=list)


class Core:
    """One account's gateway without its hands."""

    def __init__(self, account: str, limits: tuple[Window, ...]) -> None:
        self.book = Book(account)
        self.rates = Rates(limits)
        self.search = Search(self.book)
        self.no_token = ""  # why nothing is sent: the broker wants a new log-in
        self.is_open = False
        self._cancels: dict[str, Errand] = {}
        self._others: dict[str, Errand] = {}
        self._deadlines: list[tuple[int, str]] = []
        self._scanned: tuple[object, ...] = ()
        self._arrivals = 0

    @property
    def queued(self) -> int:
        """How many errands wait."""
        return len(self._cancels) + len(self._others)

    def take(self, record: Record, now: Now) -> None:
        """A record of the log."""
        if isinstance(record, OrderVerdict):
            errand = self.book.take_verdict(record)
            if errand and self.is_open:
                self._file(errand, now)
        elif isinstance(record, OrderSend):
            self.book.take_send(record)
        elif isinstance(record, OrderEvent):
            self.book.take_event(record)
        elif isinstance(record, RiskState):
            self.book.take_state(record)
        else:
            self.book.take_position(record)

    def begin(self, now: Now, written_s: Iterable[float] = (), charge_s: float = -math.inf) -> list[OrderEvent]:
        """The log is read to its end: what was sent and never answered is sought, what was never sent is queued.

        On the clock of ``now.s``: when earlier processes wrote to order-sends, and since when this one is in charge.
        """
        self.is_open = True
        self.rates.seed(written_s, charge_s)
        events = []
        for errand in list(self.book.errands.values()):
            self._file(errand, now)
            if errand.phase == "unknown" and errand.is_place:
                events += self.search.unknown(errand, now, "the gateway was started again before an answer was known")
        return events

    def plan(self, now: Now, holds: Mapping[str, Hold], *, may_write: bool = True) -> Plan:
        """What to do now. ``holds``: the brake's; ``may_write``: no transaction is under way."""
        plan = Plan()
        self._drop_late(now, plan.events)
        self._drop_halted(now, holds, plan.events)
        if not self.no_token:
            for queue in (self._cancels, self._others):
                self._pick(queue, now, holds, plan, may_write=may_write)
        return plan

    def may_go(self, errand: Errand, now: Now, holds: Mapping[str, Hold]) -> tuple[bool, list[OrderEvent]]:
        """Asked right before the broker is called: whether it still may, and if not, what is to be told."""
        objection = self._objection(errand, now, holds)
        if not objection:
            self.rates.start(now.s)
            errand.phase = "sending"
            return True, []
        self.rates.release()
        return False, self._not_sent(errand, now, objection)

    def answered(self, errand: Errand, outcome: Outcome, now: Now) -> list[OrderEvent]:
        """The broker's answer, or that there was none."""
        if outcome.kind == "no-token":
            self.no_token = outcome.reason
        elif outcome.kind in ("done", "refused"):
            self.no_token = ""
        if errand.phase == "answered":  # news of the order were quicker
            return []
        if outcome.kind == "done":
            return self.search.taken_up(errand, outcome.broker_order, now)
        if outcome.kind == "unknown":
            return self.search.unknown(errand, now, outcome.reason)
        if outcome.kind in ("refused", "unwritable"):
            self.search.look_wanted = True
            status: Status = "rejected" if outcome.kind == "refused" else "not-sent"
            return self.search.ended(errand, now, outcome.reason, status)
        errand.phase, errand.since_s, errand.trouble = "again", now.s + AGAIN_S, outcome.reason
        self._enqueue(errand)
        return []

    def _file(self, errand: Errand, now: Now) -> None:
        if errand.phase == "queued":
            errand.since_s = now.s
            self._enqueue(errand)
        elif errand.phase == "unknown":
            self.search.seek(errand, "unknown", now)

    def _enqueue(self, errand: Errand) -> None:
        (self._cancels if errand.is_cancel else self._others)[errand.intent.id] = errand
        heapq.heappush(self._deadlines, (errand.deadline_us, errand.intent.id))
        self._arrivals += 1

    def _dequeue(self, intent: str) -> Errand | None:
        return self._cancels.pop(intent, None) or self._others.pop(intent, None)

    def _drop_late(self, now: Now, events: list[OrderEvent]) -> None:
        while self._deadlines and self._deadlines[0][0] < now.us:
            errand = self._dequeue(heapq.heappop(self._deadlines)[1])
            if errand and errand.phase != "answered":
                events += self._not_sent(errand, now, self._lateness(errand))

    def _drop_halted(self, now: Now, holds: Mapping[str, Hold], events: list[OrderEvent]) -> None:
        """What is halted is told at once, not when its turn would come."""
        states = tuple(s for s in self.book.states.values() if s.state != "ACTIVE")
        seen = (self._arrivals, tuple(sorted(holds.items(), key=lambda item: item[0])), states)
        if seen == self._scanned:
            return
        self._scanned = seen
        if not holds and not states:
            return
        for errand in list(self._others.values()):
            hold = hold_on(self.book.account, errand.intent.run, self.book.states, holds)
            if hold and hold.state == "HALTED":
                self._dequeue(errand.intent.id)
                events += self._not_sent(errand, now, sentence(hold))

    def _pick(
        self, queue: dict[str, Errand], now: Now, holds: Mapping[str, Hold], plan: Plan, *, may_write: bool
    ) -> None:
        for errand in list(queue.values()):
            if errand.intent.id not in queue:  # a cancel before it took it away
                continue
            if self.rates.room(now.s, is_cancel=errand.is_cancel) <= 0:
                return
            if errand.phase == "answered":
                self._dequeue(errand.intent.id)
            elif objection := self._objection(errand, now, holds):
                self._dequeue(errand.intent.id)
                plan.events.extend(self._not_sent(errand, now, objection))
            elif not self._takes_back(errand, now, plan) and self._is_ready(errand, now, may_write=may_write):
                self._dequeue(errand.intent.id)
                self.rates.reserve()
                if errand.phase == "queued":
                    errand.phase = "writing"
                    plan.write.append(errand)
                else:
                    errand.phase = "writing"
                    plan.again.append(errand)

    def _objection(self, errand: Errand, now: Now, holds: Mapping[str, Hold]) -> str:
        """Why it must not be sent, empty when it may."""
        if now.us > errand.deadline_us:
            return self._lateness(errand)
        state = self.book.orders.get(errand.order)
        if not errand.is_place and state is not None and not state.is_live:
            return f"its order is {state.status} already"
        if errand.is_cancel:
            return ""
        intent = errand.intent
        hold = hold_on(self.book.account, intent.run, self.book.states, holds)
        if hold is None:
            return ""
        key = key_of(intent.run, intent.instrument, intent.product)
        held = quantity_held(self.book.positions.get(key), self.book.filled(key))
        if hold.state == "REDUCING" and does_reduce(intent, state, held, self.book.working(key, errand.order)):
            return ""
        return sentence(hold)

    def _lateness(self, errand: Errand) -> str:
        why = errand.trouble or self.no_token or ("" if errand.is_place else "its order had no id at the broker yet")
        return f"it could not be sent within {errand.intent.valid_s:g} s{f': {why}' if why else ''}"

    def _takes_back(self, errand: Errand, now: Now, plan: Plan) -> bool:
        """A cancel takes its order out of the queue, if it is still there."""
        place = self._others.get(errand.order)
        if not errand.is_cancel or place is None or place.phase == "answered":
            return False
        for one in (place, errand):
            self._dequeue(one.intent.id)
            plan.events.extend(self.search.ended(one, now, "it was cancelled before it was sent", "not-sent"))
        return True

    def _is_ready(self, errand: Errand, now: Now, *, may_write: bool) -> bool:
        if errand.phase == "again":
            return now.s >= errand.since_s
        if not may_write:
            return False
        if errand.is_place:
            return True
        state = self.book.orders.get(errand.order)
        if state is None or not state.broker_order:
            return False
        others = self.book.open.get(errand.order, {}).values()
        return errand.is_cancel or not any(
            other is not errand and not other.is_place and other.phase != "queued" for other in others
        )

    def _not_sent(self, errand: Errand, now: Now, reason: str) -> list[OrderEvent]:
        return self.search.ended(errand, now, reason, "not-sent")
