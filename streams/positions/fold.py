"""Positions as a fold of the fills of orders.

A :class:`Holding` is a pure function of a set of orders: all their fills sorted by time, folded by the average-cost
method. What reduces a position realises against its average price; what takes it beyond zero opens a new one at the
fill's own price. :class:`Holdings` gives the same for any order and repetition in which the orders' states arrive.

So that memory stays bounded, fills of days long past are *settled* into a :class:`Base`. What is still heard of them
later counts as if it had happened right after: quantities and money stay right, only the average it meets may differ.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from itertools import accumulate, takewhile

from schemas.calendar import calendar_of
from schemas.charges import order_charges
from schemas.order_state import OrderState
from schemas.orders import Position

EXCHANGE = "NSE"  # whose days are the days of profit and loss
EVERY = 32  # fills
ADJUSTMENT = "adj-"  # orders whose id begins so are bookings: nothing was traded, and nothing was charged for it
Key = tuple[str, str, str, str]  # account, run, instrument, product


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held under a key, and what came of it. Money in rupees; ``quantity`` is negative when short."""

    key: Key
    quantity: int = 0
    average_price: float = 0.0  # of what is held, 0 when flat
    bought: int = 0
    sold: int = 0
    realised: float = 0.0  # before charges
    charges: float = 0.0
    at_us: int = 0  # of the last fill
    orders: int = 0  # how many have filled
    bought_value: float = 0.0
    sold_value: float = 0.0

    def open_value(self, price: float) -> float:
        """The open profit or loss at a price."""
        return self.quantity * (price - self.average_price)


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A fill as it is folded; sorted they are in the order in which they happened."""

    at_us: int
    order: str
    filled: int  # of the order in all, with this
    quantity: int  # negative: sold
    value: float  # rupees, of the quantity without its sign
    charges: float  # what it adds to the order's charges
    first: bool  # of its order


@dataclass(frozen=True, slots=True)
class Settled:
    """How much of an order is in the base: its quantity and value so far."""

    order: str
    filled: int
    value: float


@dataclass(frozen=True, slots=True)
class Base:
    """A holding after the fills before ``until_us``, and how much of which order is in it."""

    holding: Holding
    until_us: int
    settled: tuple[Settled, ...]  # of those orders that are still remembered


@dataclass(frozen=True, slots=True)
class DayPart:
    """What a trading day added to a holding.

    The day's profit or loss, before charges, is ``realised`` + the open value now - what the open value of the
    carried position was at the day's first price: ``carried * (first price - carried_price)``.
    """

    realised: float
    charges: float
    carried: int  # quantity held when the day began
    carried_price: float  # its average price


def key_of(state: OrderState) -> Key:
    """Where the fills of an order count."""
    return state.account, state.run, state.instrument, state.product


def day_start(at_us: int) -> int:
    """The midnight, in market time, with which the exchange's day of an instant begins."""
    return _midnight(calendar_of(EXCHANGE).day_of(at_us))


def parts_of(state: OrderState, settled: Settled | None = None) -> list[Part]:
    """The fills of an order beyond what is settled of it, each with what it adds to the order's charges.

    Of a mix of clocks the earliest counts: what was filled when more was filled already had happened by then.
    """
    quantity, value = (settled.filled, settled.value) if settled else (0, 0.0)
    if state.filled <= quantity:
        return []
    times = list(accumulate((step.at_us for step in reversed(state.progress)), min))[::-1]
    day = calendar_of(EXCHANGE).day_of(times[0])
    sign, charged = 1 if state.side == "buy" else -1, _charged(state, value, day)
    made: list[Part] = []
    for step, at_us in zip(state.progress, times, strict=True):
        if step.filled <= quantity:
            continue
        total = step.filled * step.average_price
        in_all, more = _charged(state, total, day), step.filled - quantity
        made.append(
            Part(at_us, state.order, step.filled, sign * more, total - value, in_all - charged, first=quantity == 0)
        )
        quantity, value, charged = step.filled, total, in_all
    return made


def add(holding: Holding, part: Part) -> Holding:
    """The holding after one more fill."""
    before, more = holding.quantity, part.quantity
    quantity, price = before + more, part.value / abs(more)
    average, realised = holding.average_price, holding.realised
    if before * more >= 0:  # opens or adds
        average = (abs(before) * average + part.value) / abs(quantity)
    else:
        closed = min(abs(before), abs(more)) * (1 if before > 0 else -1)
        realised += closed * (price - average)
        if quantity == 0:
            average = 0.0
        elif (quantity > 0) != (before > 0):
            average = price
    bought = more > 0
    return Holding(
        holding.key, quantity, average,
        holding.bought + (more if bought else 0), holding.sold - (0 if bought else more),
        realised, holding.charges + part.charges, max(holding.at_us, part.at_us), holding.orders + part.first,
        holding.bought_value + (part.value if bought else 0.0), holding.sold_value + (0.0 if bought else part.value),
    )  # fmt: skip


def add_all(holding: Holding, parts: Iterable[Part]) -> Holding:
    """The holding after several fills, in this order."""
    for part in parts:
        holding = add(holding, part)
    return holding


def holding_of(key: Key, orders: Iterable[OrderState]) -> Holding:
    """What a set of orders makes of a key; orders of other keys are left aside."""
    return add_all(Holding(key), sorted(part for state in orders if key_of(state) == key for part in parts_of(state)))


def day_part(start: Holding, now: Holding) -> DayPart:
    """What came between the holding at a day's start and now."""
    return DayPart(now.realised - start.realised, now.charges - start.charges, start.quantity, start.average_price)


def to_position(holding: Holding) -> Position:
    """The record of topic ``positions``."""
    account, run, instrument, product = holding.key
    return Position(
        account=account, run=run, instrument=instrument, product=product,  # type: ignore[arg-type]
        quantity=holding.quantity, average_price=holding.average_price, bought=holding.bought, sold=holding.sold,
        realised=holding.realised, charges=holding.charges, at_us=holding.at_us, orders=holding.orders,
    )  # fmt: skip


class Holdings:
    """All holdings, kept up to date order by order. Fills in the order of their times cost no more than themselves."""

    def __init__(self) -> None:
        self._ledgers: dict[Key, _Ledger] = {}
        self._by_run: dict[tuple[str, str], dict[Key, None]] = {}
        self._by_instrument: dict[tuple[str, str], dict[Key, None]] = {}
        self._changed: dict[Key, None] = {}
        self._rebased: dict[Key, None] = {}

    def __len__(self) -> int:
        return len(self._ledgers)

    def __iter__(self) -> Iterator[Holding]:
        return (ledger.holding for ledger in self._ledgers.values())

    def get(self, key: Key) -> Holding | None:
        """What is held under a key, None when nothing ever was."""
        ledger = self._ledgers.get(key)
        return ledger.holding if ledger else None

    def of_run(self, account: str, run: str) -> list[Holding]:
        """The holdings of an algo's run."""
        return [self._ledgers[key].holding for key in self._by_run.get((account, run), ())]

    def of_instrument(self, account: str, instrument: str) -> list[Holding]:
        """The holdings of an instrument in an account, of all runs and products."""
        return [self._ledgers[key].holding for key in self._by_instrument.get((account, instrument), ())]

    def take(self, before: OrderState | None, after: OrderState) -> Holding | None:
        """Takes in what an order is now; ``before`` is what was taken of it last. The changed holding, if any.

        When the order turns out to be another key's, what that loses is told by :meth:`take_changed` only.
        """
        if after is before or (not after.progress and (before is None or not before.progress)):
            return None
        key = key_of(after)
        if before is not None and before.progress and (old := key_of(before)) != key:
            self._ledgers[old].remove(before.order)
            self._changed[old] = None
        elif before is not None and before.progress == after.progress and before.side == after.side:
            return None
        ledger = self._ledger(key)
        had = ledger.holding
        ledger.take(after)
        if ledger.holding == had:
            return None
        self._changed[key] = None
        return ledger.holding

    def take_changed(self) -> list[Holding]:
        """The holdings that have changed since the last call."""
        changed, self._changed = self._changed, {}
        return [self._ledgers[key].holding for key in changed]

    def day_start(self, key: Key, start_us: int) -> Holding:
        """What was held when a day began (:func:`day_start`); ``start_us`` not before the last :meth:`settle`."""
        ledger = self._ledgers.get(key)
        return ledger.before(start_us) if ledger else Holding(key)

    def day_part(self, key: Key, start_us: int) -> DayPart:
        """What the day that began at ``start_us`` has added so far."""
        return day_part(self.day_start(key, start_us), self.get(key) or Holding(key))

    def settle(self, until_us: int) -> None:
        """Folds all fills before ``until_us`` into bases, to forget them singly."""
        for key, ledger in self._ledgers.items():
            if ledger.settle(until_us):
                self._rebased[key] = None

    def forget(self, state: OrderState) -> None:
        """The order will not be heard of again: all that is known of it is settled, and it need not be remembered."""
        if state.progress and (ledger := self._ledgers.get(key_of(state))) and ledger.forget(state.order):
            self._rebased[key_of(state)] = None

    def take_bases(self) -> list[Base]:
        """The bases that have changed since the last call, to be kept and given to :meth:`restore`."""
        changed, self._rebased = self._rebased, {}
        return [self._ledgers[key].base for key in changed]

    @classmethod
    def restore(cls, bases: Iterable[Base], orders: Iterable[OrderState]) -> Holdings:
        """The holdings again, from the bases and all orders that are still remembered."""
        made = cls()
        for base in bases:
            made._add(_Ledger(base))
        for state in sorted(orders, key=_begin):
            made.take(None, state)
        made._changed, made._rebased = {}, {}
        return made

    def _ledger(self, key: Key) -> _Ledger:
        return self._ledgers.get(key) or self._add(_Ledger(Base(Holding(key), 0, ())))

    def _add(self, ledger: _Ledger) -> _Ledger:
        key = ledger.base.holding.key
        account, run, instrument, _ = key
        self._ledgers[key] = ledger
        self._by_run.setdefault((account, run), {})[key] = None
        self._by_instrument.setdefault((account, instrument), {})[key] = None
        return ledger


@dataclass(slots=True)
class _Ledger:
    """The fills of one key: those in the base, and the sorted others, with what all of them come to.

    ``marks[n]`` is the holding after the first ``n * EVERY`` of the others, as far as there are marks: a fill that is
    heard of late costs as much as the fills after it.
    """

    base: Base
    holding: Holding = field(init=False)
    parts: list[Part] = field(default_factory=list)
    of_order: dict[str, list[Part]] = field(default_factory=dict)
    settled: dict[str, Settled] = field(init=False)
    opened: tuple[int, Holding] | None = None  # the last answer of ``before``
    marks: list[Holding] = field(init=False)

    def __post_init__(self) -> None:
        self.holding = self.base.holding
        self.marks = [self.holding]
        self.settled = {entry.order: entry for entry in self.base.settled}

    def take(self, state: OrderState) -> None:
        new, old = parts_of(state, self.settled.get(state.order)), self.of_order.get(state.order, [])
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
        if new:
            self.of_order[state.order] = new
        first = self._drop(old[same:])
        for part in new[same:]:
            if first is None and not (self.parts and part < self.parts[-1]):
                self._append(part)
            else:
                at = bisect_left(self.parts, part)
                self.parts.insert(at, part)
                first = at if first is None else min(first, at)
        if first is not None:
            self._again(first)

    def _append(self, part: Part) -> None:
        if self.opened and part.at_us < self.opened[0]:
            self.opened = None
        self.parts.append(part)
        self._mark(add(self.holding, part), len(self.parts))

    def _mark(self, holding: Holding, count: int) -> None:
        self.holding = holding
        if count == len(self.marks) * EVERY:
            self.marks.append(holding)

    def _drop(self, parts: Iterable[Part]) -> int | None:
        """Takes some out; the place of the first."""
        first = None
        for part in parts:
            at = bisect_left(self.parts, part)
            del self.parts[at]
            first = at if first is None else min(first, at)
        return first

    def remove(self, order: str) -> None:
        """The order is another key's. What is settled of it stays."""
        first = self._drop(self.of_order.pop(order, []))
        if first is not None:
            self._again(first)

    def _again(self, first: int) -> None:
        """Folds anew from this place on."""
        self.opened = None
        start = min(first // EVERY, len(self.marks) - 1)
        del self.marks[start + 1 :]
        self.holding = self.marks[start]
        for count in range(start * EVERY, len(self.parts)):
            self._mark(add(self.holding, self.parts[count]), count + 1)

    def before(self, start_us: int) -> Holding:
        if self.opened is None or self.opened[0] != start_us:
            count = bisect_left(self.parts, start_us, key=_time)
            start = min(count // EVERY, len(self.marks) - 1)
            self.opened = start_us, add_all(self.marks[start], self.parts[start * EVERY : count])
        return self.opened[1]

    def settle(self, until_us: int) -> bool:
        count = bisect_left(self.parts, until_us, key=_time)
        old, self.parts = self.parts[:count], self.parts[count:]
        for part in old:
            known = self.settled.get(part.order)
            value = part.value + (known.value if known else 0.0)
            self.settled[part.order] = Settled(part.order, part.filled, value)
            rest = self.of_order[part.order][1:]  # of an order the least filled are the earliest
            if rest:
                self.of_order[part.order] = rest
            else:
                del self.of_order[part.order]
        if old:
            self.base = self._based(add_all(self.base.holding, old), until_us)
            self.marks = [self.base.holding]
        return bool(old)

    def forget(self, order: str) -> bool:
        if parts := self.of_order.get(order):
            self.settle(max(part.at_us for part in parts) + 1)
        if self.settled.pop(order, None) is None:
            return False
        self.base = self._based(self.base.holding, self.base.until_us)
        return True

    def _based(self, holding: Holding, until_us: int) -> Base:
        return Base(holding, until_us, tuple(self.settled[order] for order in sorted(self.settled)))


def _time(part: Part) -> int:
    return part.at_us


def _begin(state: OrderState) -> tuple[int, str]:
    """As its first part is sorted."""
    return min((step.at_us for step in state.progress), default=0), state.order


def _charged(state: OrderState, value: float, day: date) -> float:
    if state.order.startswith(ADJUSTMENT):
        return 0.0
    return order_charges(state.instrument, state.product, state.side, value, day).total


@lru_cache(maxsize=64)
def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), calendar_of(EXCHANGE).zone).timestamp()) * 1_000_000
