"""All markets of the paper exchange, today's orders, and what is held. No I/O and no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from producers.gateway.broker import BrokerOrder, RefusedError
from producers.paper.fold import Cancel, Event, Market, Modify, Place, Time, fold
from producers.paper.match import is_triggered
from producers.paper.order import PREFIX, PaperOrder, order_of
from producers.paper.quote import TICK_SIZE, quote_of
from producers.paper.table import Table
from schemas.calendar import Session, calendar_of
from schemas.orders import BrokerPosition, OrderIntent, Product
from schemas.ticks import TickBatch

EXCHANGE = "NSE"  # whose days are those of the order book
Spot = tuple[str, Product]


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of a spot, at average cost."""

    quantity: int = 0
    average_price: float = 0.0

    def after(self, quantity: int, value: float) -> Held:
        """With a fill more; ``quantity`` is negative when sold, ``value`` never is."""
        total, price = self.quantity + quantity, value / abs(quantity)
        if total == 0:
            return Held()
        if self.quantity * quantity >= 0:
            return Held(total, (abs(self.quantity) * self.average_price + value) / abs(total))
        return Held(total, self.average_price if (total > 0) == (self.quantity > 0) else price)


class Exchange:
    """Takes requests, ticks and the time; tells what became of the orders."""

    def __init__(self) -> None:
        self.orders: dict[str, PaperOrder] = {}  # by the intent's id: today's, and what lives
        self.held: dict[Spot, Held] = {}
        self.tick_sizes: dict[str, float] = {}
        self.table = Table()
        self._markets: dict[str, Market] = {}
        self._day = date.min
        self._due: dict[str, int] = {}  # when something happens in a market even if nothing ticks

    @property
    def live(self) -> int:
        """How many orders live."""
        return sum(len(market.orders) for market in self._markets.values())

    def place(self, intent: OrderIntent, at_us: int) -> list[PaperOrder]:
        """Accepts an order; nothing happens when it was accepted before. RefusedError."""
        if intent.id in self.orders:
            return []
        session = session_at(intent.instrument, at_us)
        if session is None or at_us >= session.close_us:
            raise RefusedError(f"{intent.instrument} is not traded now: its exchange is closed.")
        if intent.quantity <= 0:
            raise RefusedError(f"A quantity of {intent.quantity} cannot be ordered.")
        order = order_of(intent, at_us, session.open_us, session.close_us)
        market = self._market(intent.instrument)
        if order.waits and market.quote and market.quote.at_us >= session.open_us:
            last = market.quote.last
            if is_triggered(order, last):
                passed = "above" if order.side == "buy" else "below"
                raise RefusedError(f"The trigger {order.trigger:g} must be {passed} the last price, which is {last:g}.")
        return self._fold(market, Place(order))

    def modify(self, intent: OrderIntent, broker_order: str, at_us: int) -> list[PaperOrder]:
        """Takes up a change. RefusedError when there is nothing to change any more."""
        order = self._live(broker_order)
        change = Modify(intent.id, order.id, intent.quantity, intent.price, intent.trigger, at_us)
        return self._fold(self._markets[order.instrument], change)

    def cancel(self, broker_order: str, at_us: int) -> list[PaperOrder]:
        """Takes up a cancel. RefusedError when there is nothing to cancel any more."""
        order = self._live(broker_order)
        return self._fold(self._markets[order.instrument], Cancel(order.id, at_us))

    def ticks(self, batch: TickBatch) -> list[PaperOrder]:
        """What a batch of ticks does."""
        changed: list[PaperOrder] = []
        wanted = [number for number, name in enumerate(batch.names) if name in self._markets]
        if wanted:
            for row in np.flatnonzero(np.isin(batch.instrument, wanted)).tolist():
                name = batch.names[int(batch.instrument[row])]
                quote = quote_of(batch, row, self.tick_sizes.get(name, TICK_SIZE))
                if quote is not None and (market := self._markets.get(name)):
                    changed += self._fold(market, quote)
        self.table.fold(batch)
        return changed

    def time(self, at_us: int) -> list[PaperOrder]:
        """What comes of it that it is so late now."""
        if (day := calendar_of(EXCHANGE).day_of(at_us)) != self._day:
            self._day = day
            self._forget(day)
        due = [name for name, due_us in self._due.items() if due_us <= at_us]
        return [order for name in due for order in self._fold(self._markets[name], Time(at_us))]

    def restore(self, order: PaperOrder) -> None:
        """An order as the log knows it; its fills are in ``held`` already."""
        self.orders[order.id] = order
        if not order.is_live:
            return
        market = self._market(order.instrument)
        if order.status == "accepted":
            market, _ = fold(market, Place(order))
        self._keep(replace(market, orders={**market.orders, order.id: order}))

    def _forget(self, today: date) -> None:
        """The order book is the day's: what ended on an earlier one is shown no more."""
        calendar = calendar_of(EXCHANGE)
        for order in [o for o in self.orders.values() if not o.is_live and calendar.day_of(o.changed_us) < today]:
            del self.orders[order.id]

    def shown(self) -> list[BrokerOrder]:
        """The order book."""
        return [order.shown(settling=self.is_settling(order)) for order in self.orders.values()]

    def is_settling(self, order: PaperOrder) -> bool:
        """Whether a change of an order is on its way."""
        market = self._markets.get(order.instrument)
        return market is not None and market.is_settling(order.id)

    def positions(self) -> list[BrokerPosition]:
        """All that is held."""
        return [
            BrokerPosition(instrument, product, held.quantity, held.average_price)
            for (instrument, product), held in sorted(self.held.items())
            if held.quantity
        ]

    def count(self, spot: Spot, quantity: int, value: float) -> None:
        """A fill changes what is held; ``quantity`` is negative when sold."""
        self.held[spot] = self.held.get(spot, Held()).after(quantity, value)

    def _live(self, broker_order: str) -> PaperOrder:
        order = self.orders.get(broker_order.removeprefix(PREFIX))
        if order is None:
            raise RefusedError(f"There is no order {broker_order}.")
        if not order.is_live:
            raise RefusedError(f"The order {broker_order} is {order.status} already.")
        return order

    def _market(self, instrument: str) -> Market:
        known = self._markets.get(instrument)
        return known or Market(instrument, self.table.quote(instrument, self.tick_sizes.get(instrument, TICK_SIZE)))

    def _fold(self, market: Market, event: Event) -> list[PaperOrder]:
        market, changed = fold(market, event)
        for order in changed:
            before = self.orders.get(order.id)
            self.orders[order.id] = order
            if more := order.filled - (before.filled if before else 0):
                value = order.value - (before.value if before else 0.0)
                self.count((order.instrument, order.product), more if order.side == "buy" else -more, value)
        self._keep(market)
        return changed

    def _keep(self, market: Market) -> None:
        if market.orders:
            self._markets[market.instrument] = market
            self._due[market.instrument] = market.next_us
        else:
            self._markets.pop(market.instrument, None)
            self._due.pop(market.instrument, None)


def session_at(instrument: str, at_us: int) -> Session | None:
    """The session of an instrument's exchange on the day of an instant; None when there is none."""
    try:
        calendar = calendar_of(instrument.partition(":")[0])
    except KeyError:
        return None
    return calendar.session(calendar.day_of(at_us))
