"""What becomes of what was sent: the broker's answers and its news, in whatever order, and the search for the unknown.

An answer to a place gives the broker's id. An answer to a modify or cancel only says that the wish was taken up: it is
done when the order shows it. What got no answer is looked for in the broker's order book by its tag.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from producers.gateway.book import Book, external_order, run_of
from producers.gateway.broker import BrokerOrder
from producers.gateway.errand import SOUGHT, Errand, Now
from schemas.calendar import calendar_of
from schemas.order_state import order_event
from schemas.orders import OrderEvent, OrderIntent, Status

SEEK_S = 10.0  # it is sought for at least this long
LOOKS = 3  # and at least so many order books did not have it
SOON_S, SEEKING_S, LIVE_S, IDLE_S = 0.3, 1.0, 3.0, 15.0  # from one look into the order book to the next


@dataclass(frozen=True, slots=True)
class Look:
    """The moment at which the order book was asked for, and how many changes each order had by then."""

    asked_s: float
    revisions: Mapping[str, int]


class Search:
    """Outcomes and news, made into events that say something new."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.sought: dict[str, Errand] = {}
        self.look_wanted = True  # something was heard that only the order book can explain
        self.filled_s = -math.inf  # when a fill was last heard of
        self.doubles: set[str] = set()  # the broker's ids of orders whose tag belongs to another one
        self._shown: dict[str, tuple[BrokerOrder, int]] = {}  # by the last order book
        self._missed: dict[str, int] = {}

    @property
    def pending(self) -> int:
        """How many are looked for."""
        return sum(1 for errand in self.sought.values() if errand.phase in SOUGHT)

    def seek(self, errand: Errand, phase: Literal["taken", "unknown"], now: Now) -> None:
        """From now on it is looked for."""
        errand.phase, errand.since_s, errand.looks = phase, now.s, 0
        self.sought[errand.intent.id] = errand

    def unknown(self, errand: Errand, now: Now, reason: str) -> list[OrderEvent]:
        """No answer came."""
        self.seek(errand, "unknown", now)
        if not errand.is_place:
            return self._over(errand.order, now)  # that its fate is unknown is the same as that it is under way
        return self._emit(self.book.event(errand.order, "unknown", now, intent=errand.intent.id, reason=reason), now)

    def taken_up(self, errand: Errand, broker_order: str, now: Now) -> list[OrderEvent]:
        """The broker said yes."""
        if errand.is_place:
            more = {"intent": errand.intent.id, "broker_order": broker_order}
            return self._emit(self.book.event(errand.order, "accepted", now, **more), now)
        self.seek(errand, "taken", now)
        return self._over(errand.order, now)

    def ended(self, errand: Errand, now: Now, reason: str, status: Status) -> list[OrderEvent]:
        """It was not done and never will be. ``status``: of the order, when this should have placed it."""
        if errand.is_place:
            event = self.book.event(errand.order, status, now, intent=errand.intent.id, reason=reason)
        else:
            state = self.book.orders.get(errand.order)
            known: Status = state.status if state else "requested"
            if state is None and self.book.place_of(errand.order) is None:
                known = "not-sent"  # nobody knows such an order: this must not make one that lives
            event = self.book.event(errand.order, known, now, intent=errand.intent.id, failed=True, reason=reason)
        return self._emit(event, now)

    def news(self, seen: BrokerOrder, now: Now, look: Look | None = None) -> list[OrderEvent]:
        """What the broker shows of an order; ``look``: it is from an order book that was asked for then."""
        order = self._order_of(seen, look)
        if not order:
            self.look_wanted = True
            return []
        state, place = self.book.orders.get(order), self.book.place_of(order)
        known = state.terms[0] if state else 0
        made = next((e for e in self._changes(order) if not seen.settling and _shows(seen, e.intent)), None)
        if seen.revision is not None:
            revision = seen.revision
        elif made:
            revision = known + 1
        else:  # pushed news may be older than a change: their quantity and price count only before the first one
            revision = look.revisions.get(order, 0) if look else 0
        terms = seen
        if seen.settling and state:
            terms = dataclasses.replace(
                seen, quantity=state.quantity, price=state.price, trigger=state.trigger, kind=state.kind
            )
        run, task = run_of(state, place)
        intent = made.intent.id if made else order if place and place.phase != "answered" else ""
        events = self._emit(
            order_event(
                account=self.book.account, order=order, status=seen.status, instrument=seen.instrument, side=seen.side,
                product=seen.product, quantity=terms.quantity, filled=seen.filled, average_price=seen.average_price,
                at_us=now.us, broker_us=seen.broker_us, broker_order=seen.broker_order, run=run, task=task,
                kind=terms.kind, price=terms.price, trigger=terms.trigger, revision=revision, intent=intent,
                reason=seen.reason, source=seen.source,
            ),
            now,
        )  # fmt: skip
        return events + self._over(order, now)

    def look(self, now: Now) -> Look:
        """To be called before the order book is asked for."""
        self.look_wanted = False
        return Look(now.s, {order: state.terms[0] for order, state in self.book.orders.items() if state.terms[0]})

    def looked(self, look: Look, shown: Sequence[BrokerOrder], now: Now) -> list[OrderEvent]:
        """The order book that was asked for."""
        events: list[OrderEvent] = []
        before, self._shown = self._shown, {}
        for seen in shown:
            order = self.book.ours.get(seen.broker_order, "")
            entry = self._shown[seen.broker_order] = (seen, look.revisions.get(order, 0))
            if before.get(seen.broker_order) != entry or order in self.book.open:
                events += self.news(seen, now, look)
        for errand in list(self.sought.values()):
            if errand.phase not in SOUGHT:
                del self.sought[errand.intent.id]
            elif look.asked_s >= errand.since_s:
                errand.looks += 1
                if errand.looks >= LOOKS and look.asked_s - errand.since_s >= SEEK_S and not self._settles(errand):
                    events += self._give_up(errand, now)
        return events + self._ended_with_their_day(now)

    def next_look_s(self, asked_s: float) -> float:
        """When to look into the order book again, after it was asked for at ``asked_s``."""
        sought = [errand for errand in self.sought.values() if errand.phase in SOUGHT]
        if self.look_wanted or any(errand.looks == 0 for errand in sought):
            return asked_s + SOON_S
        if sought:
            return asked_s + SEEKING_S
        return asked_s + (LIVE_S if self.book.live or self.book.open else IDLE_S)

    def _emit(self, event: OrderEvent, now: Now) -> list[OrderEvent]:
        if not self.book.is_new(event):
            return []
        state = self.book.orders.get(event.order)
        if event.filled > (state.filled if state else 0):
            self.filled_s = now.s
        self.book.take_event(event)
        return [event]

    def _order_of(self, seen: BrokerOrder, look: Look | None) -> str:
        """Which of our orders it is; empty when only the order book can tell, which shows the tags of all."""
        if order := self.book.ours.get(seen.broker_order):
            return order
        if self.book.place_of(seen.tag):
            state = self.book.orders.get(seen.tag)
            if state is None or state.broker_order in ("", seen.broker_order):
                return seen.tag
            self.doubles.add(seen.broker_order)
        return external_order(seen.broker_order) if look else ""

    def _changes(self, order: str) -> list[Errand]:
        """The modifies of an order that the broker may have made."""
        waiting = self.book.open.get(order, {}).values()
        return [e for e in waiting if e.intent.action == "modify" and e.phase in ("sending", "taken", "unknown")]

    def _over(self, order: str, now: Now) -> list[OrderEvent]:
        """When an order is at its end, so is what was wanted of it."""
        state = self.book.orders.get(order)
        if state is None or state.is_live:
            return []
        events: list[OrderEvent] = []
        for errand in [e for e in self.book.open.get(order, {}).values() if not e.is_place and e.phase in SOUGHT]:
            failed = not (errand.is_cancel and state.status == "cancelled")
            reason = f"its order is {state.status}" if failed else ""
            more = {"intent": errand.intent.id, "failed": failed, "reason": reason}
            events += self._emit(self.book.event(order, state.status, now, **more), now)
        return events

    def _settles(self, errand: Errand) -> bool:
        state = self.book.orders.get(errand.order)
        entry = self._shown.get(state.broker_order) if state else None
        return entry is not None and entry[0].settling

    def _give_up(self, errand: Errand, now: Now) -> list[OrderEvent]:
        if errand.is_place:
            reason = f"the broker's order book did not have it in {errand.looks} looks over {SEEK_S:g} s"
            return self.ended(errand, now, reason, "lost")
        how = "took it up" if errand.phase == "taken" else "did not answer"
        return self.ended(errand, now, f"the broker {how}, but its order does not show it", "lost")

    def _ended_with_their_day(self, now: Now) -> list[OrderEvent]:
        """Orders of an earlier day that the order book no longer has: nobody will tell of them any more."""
        today, events, missed = _day(now.us), [], {}
        for order in self.book.live:
            state = self.book.orders[order]
            if state.broker_order and state.broker_order not in self._shown and _day(state.first_us) < today:
                missed[order] = self._missed.get(order, 0) + 1
        self._missed = missed
        for order in [order for order, times in missed.items() if times >= LOOKS]:
            reason = "the broker's order book of a new day does not have it any more"
            events += self._emit(self.book.event(order, "cancelled", now, reason=reason), now)
            events += self._over(order, now)
        return events


def _shows(seen: BrokerOrder, wanted: OrderIntent) -> bool:
    """Whether an order is as a modify wants it."""
    return (
        wanted.quantity in (0, seen.quantity)
        and (not wanted.price or math.isclose(wanted.price, seen.price, abs_tol=1e-6))
        and (not wanted.trigger or math.isclose(wanted.trigger, seen.trigger, abs_tol=1e-6))
    )


def _day(at_us: int) -> date:
    return calendar_of("NSE").day_of(at_us)
