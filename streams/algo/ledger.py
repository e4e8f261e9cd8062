"""A unit's own orders and what they add up to: a fold of its wishes, of risk's verdicts and of what is said of orders.

Pure, and each change makes a new ledger, so that a callback that raises is undone by going back to the old one.
What is said of an order joins (``schemas.order_state``), of two verdicts on an intent the earlier counts, and an answer
to a wish ends it: so the topics may be read each at its own pace, and records may come again, and the ledger is the
same.

An order counts as asked for from the moment the algo wants it: what is filled and what may still be. Once risk refuses
it, or it is rejected, cancelled, lost or not sent, only what is filled of it counts.

Not all orders of a run are its algo's own wishes: when risk flattens a run it asks in its name. Those are known by
risk's approval; what is said of them before that is put by.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from schemas.order_state import Filled, OrderState, first_state, join
from schemas.orders import OrderEvent, OrderIntent, OrderVerdict
from streams.algo.orders import Order, OrderNews

ENDED = 64  # orders that are remembered after their end, so that late news of them still count
EARLY = 64  # orders of which something was said before they are known

Place = tuple[str, str]  # account, instrument


class Wish(NamedTuple):
    """A modify or cancel that was not answered yet."""

    id: str
    action: Literal["modify", "cancel"]
    quantity: int
    price: float
    trigger: float


class Said(NamedTuple):
    """What risk said to the intent that places an order."""

    offset: int  # of the verdict: the first one counts
    approved: bool
    code: str
    limit: str
    reason: str


@dataclass(frozen=True, slots=True)
class Own:
    """One order. ``state`` has what was said of it, less what an algo has no use for."""

    state: OrderState
    said: Said | None = None
    wishes: tuple[Wish, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether risk refused it. Where the broker knows it, it was approved, whatever the verdict on a second try."""
        return self.said is not None and not self.said.approved and self.state.status == "requested"

    @property
    def order(self) -> Order:
        """As the algo sees it."""
        state = self.state
        quantity, price, trigger = state.quantity, state.price, state.trigger
        for wish in self.wishes if state.is_live else ():
            quantity, price, trigger = wish.quantity or quantity, wish.price or price, wish.trigger or trigger
        return Order(
            state.order, state.instrument, state.side, state.kind, quantity, state.filled, state.average_price,
            price, trigger,
            "refused" if self.is_refused else state.status,
            self.said.reason if self.is_refused and self.said else state.reason,
        )  # fmt: skip

    @property
    def sums(self) -> tuple[int, int]:
        """What it adds to the position, and how much of that is filled: negative for a sale."""
        order = self.order
        sign = 1 if order.side == "buy" else -1
        return sign * (order.filled + order.working), sign * order.filled

    def news(self, at_us: int, **more: Any) -> OrderNews:
        """News of it."""
        if self.is_refused and self.said:
            more = {"code": self.said.code, "limit": self.said.limit} | more
        order = self.order
        values = {name: getattr(order, name) for name in Order.__slots__}
        return OrderNews(**(values | {"at_us": at_us} | more))


@dataclass(frozen=True, slots=True)
class Ledger:
    """All own orders that are remembered, and what those add up to that are not."""

    base: Mapping[Place, int] = field(default_factory=dict)  # bought less sold by orders that are forgotten
    working: Mapping[str, Own] = field(default_factory=dict)  # as asked for, the first first
    ended: Mapping[str, Own] = field(default_factory=dict)  # as they ended
    early: Mapping[str, OrderState] = field(default_factory=dict)
    sums: Mapping[Place, tuple[int, int]] = field(default_factory=dict)  # position and filled, of base and all orders

    def get(self, order: str) -> Own | None:
        """An order that is remembered."""
        return self.working.get(order) or self.ended.get(order)

    def position(self, account: str, instrument: str) -> int:
        """Filled and still working."""
        return self.sums.get((account, instrument), (0, 0))[0]

    def filled(self, account: str, instrument: str) -> int:
        """Only what is filled."""
        return self.sums.get((account, instrument), (0, 0))[1]

    def asked(self, intent: OrderIntent) -> Ledger:
        """With an intent that the algo has made."""
        if intent.action == "place":
            return self._with(Own(_requested(intent)))
        own = self.get(intent.order)
        if own is None:
            return self
        wish = Wish(intent.id, intent.action, 0, 0.0, 0.0)
        if intent.action == "modify":
            wish = Wish(intent.id, "modify", intent.quantity, intent.price, intent.trigger)
        return self._with(dataclasses.replace(own, wishes=(*own.wishes, wish)))

    def judged(self, offset: int, verdict: OrderVerdict) -> tuple[Ledger, OrderNews | None]:
        """With a verdict that lies there, and what is new by it for the algo."""
        intent, said = verdict.intent, Said(offset, verdict.approved, verdict.code, verdict.limit, verdict.reason)
        if intent.action != "place":
            return (self, None) if verdict.approved else self._undone(intent.order, verdict.id, verdict.at_us, said)
        own = self.get(verdict.id)
        if own is None:
            return self._adopted(intent, said, verdict.at_us) if verdict.approved else (self, None)
        if own.said is not None and own.said.offset <= offset:
            return self, None
        made = dataclasses.replace(own, said=said)
        return self._with(made), made.news(verdict.at_us) if made.order != own.order else None

    def reported(self, report: OrderEvent) -> tuple[Ledger, OrderNews | None]:
        """With what is said of an order, and what is new by it for the algo."""
        state, own = _slim(first_state(report)), self.get(report.order)
        if own is None:
            early = {id_: known for id_, known in self.early.items() if id_ != report.order}
            known = self.early.get(report.order)
            early[report.order] = _slim(join(known, state)) if known else state
            return dataclasses.replace(self, early=dict(list(early.items())[-EARLY:])), None
        if report.failed and any(wish.id == report.intent for wish in own.wishes):
            joined = self._with(dataclasses.replace(own, state=_slim(join(own.state, state))))
            return joined._undone(report.order, report.intent, report.at_us, Said(0, False, "", "", report.reason))
        answered = "" if report.status == "unknown" else report.intent
        wishes = tuple(wish for wish in own.wishes if wish.id != answered)
        made = Own(_slim(join(own.state, state)), own.said, wishes)
        if made == own:
            return self, None
        return self._with(made), made.news(report.at_us) if made.order != own.order else None

    def _adopted(self, intent: OrderIntent, said: Said, at_us: int) -> tuple[Ledger, OrderNews | None]:
        """With an order that was approved and that the algo has not wished for."""
        made = self._with(Own(_requested(intent), said))
        own = made.get(intent.id)
        return made, own.news(at_us) if own and own.order.status != "requested" else None

    def _undone(self, order: str, wish: str, at_us: int, said: Said) -> tuple[Ledger, OrderNews | None]:
        """Without a wish that was refused or could not be done."""
        own = self.get(order)
        action = next((w.action for w in own.wishes if w.id == wish), None) if own else None
        if own is None or action is None:
            return self, None
        made = dataclasses.replace(own, wishes=tuple(w for w in own.wishes if w.id != wish))
        news = made.news(at_us, code=said.code, limit=said.limit, reason=said.reason, failed=action)
        return self._with(made), news

    def _with(self, own: Own) -> Ledger:
        """With an order in place of what it was, and without what is to be forgotten."""
        id_, place = own.state.order, (own.state.account, own.state.instrument)
        working, ended, early = dict(self.working), dict(self.ended), self.early
        if id_ in early:
            early = dict(early)
            own = dataclasses.replace(own, state=_slim(join(own.state, early.pop(id_))))
        before = self.get(id_)
        (was, was_filled), (now, now_filled) = before.sums if before else (0, 0), own.sums
        position, filled = self.sums.get(place, (0, 0))
        sums = {**self.sums, place: (position + now - was, filled + now_filled - was_filled)}
        if own.order.is_working:
            ended.pop(id_, None)
            working[id_] = own
        else:
            working.pop(id_, None)
            ended[id_] = own
        return _forgetting(Ledger(self.base, working, ended, early, sums))

    # how it is kept --------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        base: dict[str, dict[str, int]] = {}
        for (account, instrument), quantity in self.base.items():
            base.setdefault(account, {})[instrument] = quantity
        orders = [_row(own) for own in (*self.ended.values(), *self.working.values())]
        return {"base": base, "orders": orders, "early": [_state_row(state) for state in self.early.values()]}


def ledger_from(values: Mapping[str, Any]) -> Ledger:
    """The ledger that was kept. TypeError, ValueError or KeyError when it is none."""
    base = {(account, name): int(q) for account, held in values.get("base", {}).items() for name, q in held.items()}
    orders = [
        Own(_state(row[0]), Said(*row[1]) if row[1] else None, tuple(Wish(*wish) for wish in row[2]))
        for row in values.get("orders", ())
    ]
    sums = {place: (quantity, quantity) for place, quantity in base.items()}
    for own in orders:
        place = own.state.account, own.state.instrument
        (position, filled), (more, more_filled) = sums.get(place, (0, 0)), own.sums
        sums[place] = position + more, filled + more_filled
    return Ledger(
        base, _by_id(own for own in orders if own.order.is_working),
        _by_id(own for own in orders if not own.order.is_working),
        {state.order: state for state in map(_state, values.get("early", ()))}, sums,
    )  # fmt: skip


def _by_id(orders: Iterable[Own]) -> dict[str, Own]:
    return {own.state.order: own for own in orders}


def _forgetting(ledger: Ledger) -> Ledger:
    """Without the orders that ended long ago; one whose verdict has not come yet would come back with it."""
    if len(ledger.ended) <= ENDED:
        return ledger
    done = [own for own in ledger.ended.values() if own.said is not None][:-ENDED]
    base = dict(ledger.base)
    for own in done:
        place = own.state.account, own.state.instrument
        base[place] = base.get(place, 0) + own.sums[1]
    gone = {own.state.order for own in done}
    ended = {id_: own for id_, own in ledger.ended.items() if id_ not in gone}
    return dataclasses.replace(ledger, base=base, ended=ended)


def _requested(intent: OrderIntent) -> OrderState:
    """What is known of an order that was only asked for: anybody else's word on its terms counts more."""
    terms = (-1, 0, intent.quantity, intent.price, intent.trigger, intent.kind)
    return OrderState(
        intent.id, intent.account, intent.instrument, intent.side, intent.product, "requested", intent.quantity,
        intent.price, intent.trigger, intent.kind, "", "", "", "", terms, (), 0, 0,
    )  # fmt: skip


def _slim(state: OrderState) -> OrderState:
    """Without what an algo has no use for, so that little is kept and only what it would see is news. Still a join."""
    return dataclasses.replace(
        state, progress=state.progress[-1:], run="", task="", broker_order="", first_us=0, last_us=0
    )


def _row(own: Own) -> list[Any]:
    return [_state_row(own.state), list(own.said) if own.said else None, [list(wish) for wish in own.wishes]]


def _state_row(state: OrderState) -> list[Any]:
    step = state.progress[-1] if state.progress else None
    return [
        state.order, state.account, state.instrument, state.side, state.product, state.status, state.reason,
        list(state.terms), [step.filled, step.at_us, step.average_price] if step else [],
    ]  # fmt: skip


def _state(row: list[Any]) -> OrderState:
    order, account, instrument, side, product, status, reason, terms, step = row
    _, _, quantity, price, trigger, kind = terms
    return OrderState(
        order, account, instrument, side, product, status, quantity, price, trigger, kind, "", "", "", reason,
        tuple(terms), (Filled(*step),) if step else (), 0, 0,
    )  # fmt: skip
