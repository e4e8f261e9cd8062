"""The account's money, positions and holdings: a fold of its trades. Pure. Money and prices in hundredths of a rupee.

A *line* is a position of the day in one instrument and product, by average cost: what was carried into the day, what
was traded today, and what live orders would add to it. Its margin is that of the larger of its two extremes, all
pending buys filled or all pending sells filled, so an order that closes a position needs none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from producers.simulator.orders.bands import is_option
from producers.simulator.orders.records import Side
from schemas.market import Instrument

OPENING_CASH = 10_000_000_000  # ten crore rupees
MARGIN = {"CNC": 1.0, "MIS": 0.2, "NRML": 1.0}  # of shares' value
FUTURE_MARGIN = 0.12  # of a contract's value; for an option that is written, of its strike's

Key = tuple[str, str]  # instrument, product


@dataclass(slots=True)
class Line:
    """A position. ``average`` of what is held; ``pending``: of live orders by side, (quantity, value)."""

    instrument: Instrument
    product: str
    carried: int = 0
    carried_price: float = 0.0
    bought: int = 0
    bought_value: int = 0
    sold: int = 0
    sold_value: int = 0
    quantity: int = 0
    average: float = 0.0
    realised: float = 0.0  # today
    pending: dict[Side, tuple[int, int]] = field(default_factory=lambda: {"BUY": (0, 0), "SELL": (0, 0)})
    margin: int = 0

    def fill(self, side: Side, quantity: int, price: int) -> None:
        """Adds a trade."""
        signed = quantity if side == "BUY" else -quantity
        if side == "BUY":
            self.bought, self.bought_value = self.bought + quantity, self.bought_value + quantity * price
        else:
            self.sold, self.sold_value = self.sold + quantity, self.sold_value + quantity * price
        held = self.quantity
        if held * signed < 0:  # reduces, and perhaps goes on to the other side
            closed = min(quantity, abs(held))
            self.realised += closed * (price - self.average) * (1 if held > 0 else -1)
            if quantity > closed:
                self.average = float(price)
        else:
            self.average = (abs(held) * self.average + quantity * price) / (abs(held) + quantity)
        self.quantity = held + signed
        if not self.quantity:
            self.average = 0.0

    def pend(self, side: Side, quantity: int, value: int) -> None:
        """Adds to what live orders would do; negative: takes away."""
        before = self.pending[side]
        self.pending[side] = before[0] + quantity, before[1] + value

    def needs(self, side: Side = "BUY", quantity: int = 0, value: int = 0) -> int:
        """The margin, with another order of this side added."""
        (buys, buying), (sells, selling) = self.pending["BUY"], self.pending["SELL"]
        if side == "BUY":
            buys, buying = buys + quantity, buying + value
        else:
            sells, selling = sells + quantity, selling + value
        long_rate, short_rate = self._rates()
        up = _extreme(self.quantity, self.average, buys, buying)
        if self.product == "CNC":  # what is sold was paid for: its price is credited
            return round(long_rate * up - max(0, -self.quantity) * self.average)
        strike = self.instrument.strike * 100
        down = _extreme(-self.quantity, self.average, sells, selling)
        if is_option(self.instrument):
            down = strike * max(0, sells - self.quantity)
        return round(max(long_rate * up, short_rate * down))

    def _rates(self) -> tuple[float, float]:
        if is_option(self.instrument):
            return 1.0, FUTURE_MARGIN
        rate = FUTURE_MARGIN if self.instrument.kind == "FUT" else MARGIN[self.product]
        return rate, rate

    @property
    def is_used(self) -> bool:
        """Whether there is anything to say of it today."""
        return bool(self.quantity or self.bought or self.sold)


def _extreme(held: int, average: float, pending: int, value: int) -> float:
    """What is on one side once all pending orders of that side are filled: its value."""
    if held >= 0:
        return held * average + value
    beyond = pending + held
    return value * beyond / pending if beyond > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares that are in the account for longer than the day. ``fresh``: bought on the trading day before."""

    instrument: Instrument
    quantity: int
    average: float
    fresh: int = 0


@dataclass(slots=True)
class Account:
    """All of it. ``cash`` is that of the day's start; ``blocked`` the lines' margins, ``realised`` their profits."""

    cash: float = OPENING_CASH
    lines: dict[Key, Line] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    blocked: int = 0
    realised: float = 0.0

    @property
    def available(self) -> float:
        """What is free for new orders."""
        return self.cash + self.realised - self.blocked

    def line(self, instrument: Instrument, product: str) -> Line:
        """The line of an instrument and product, made if there is none."""
        key = instrument.instrument, product
        found = self.lines.get(key)
        if found is None:
            found = self.lines[key] = Line(instrument, product)
        return found

    def needed(self, instrument: Instrument, product: str, side: Side, quantity: int, value: int) -> int:
        """The margin that an order would add (or a change of one, by what it adds); what is negative is set free."""
        line = self.lines.get((instrument.instrument, product)) or Line(instrument, product)
        return line.needs(side, quantity, value) - line.margin

    def sellable(self, instrument: Instrument) -> int:
        """How many shares may still be sold with product CNC."""
        holding = self.holdings.get(instrument.instrument)
        line = self.lines.get((instrument.instrument, "CNC"))
        return (holding.quantity if holding else 0) + (line.quantity - line.pending["SELL"][0] if line else 0)

    def set_aside(self, line: Line, side: Side, before: tuple[int, int], after: tuple[int, int]) -> None:
        """What a live order would do to a line has changed."""
        if before != after:
            line.pend(side, after[0] - before[0], after[1] - before[1])
            self._settle(line)

    def fill(self, line: Line, side: Side, quantity: int, price: int) -> None:
        """A trade."""
        before = line.realised
        line.fill(side, quantity, price)
        self.realised += line.realised - before
        self._settle(line)

    def _settle(self, line: Line) -> None:
        margin = line.needs()
        self.blocked += margin - line.margin
        line.margin = margin

    def next_day(self, day: str, closing: dict[int, int]) -> Account:
        """The account on the next trading day: shares that were bought to keep become holdings, contracts that have
        expired are paid out at their last price (``closing``, by token; their average where it is not known), other
        positions are carried. Nothing may be pending any more."""
        made = Account(self.cash, holdings={name: replace(h, fresh=0) for name, h in self.holdings.items()})
        for line in self.lines.values():
            made.cash += line.realised
            if line.product == "CNC":
                made.cash -= line.quantity * line.average
                made._keep(line)
            elif line.instrument.expiry and line.instrument.expiry < day:
                price = closing.get(line.instrument.token, line.average)
                made.cash += line.quantity * (price - line.average)
            elif line.quantity:
                made.carry(line.instrument, line.product, line.quantity, line.average)
        return made

    def carry(self, instrument: Instrument, product: str, quantity: int, average: float) -> None:
        """A position that was held when the day began."""
        line = self.line(instrument, product)
        line.carried = line.quantity = quantity
        line.carried_price = line.average = average
        self._settle(line)

    def _keep(self, line: Line) -> None:
        name, more = line.instrument.instrument, line.quantity
        old = self.holdings.get(name) or Holding(line.instrument, 0, 0.0)
        quantity = old.quantity + more
        cost = old.quantity * old.average + more * (line.average if more > 0 else old.average)
        if quantity > 0:
            self.holdings[name] = Holding(line.instrument, quantity, cost / quantity, max(0, more))
        else:
            self.holdings.pop(name, None)
