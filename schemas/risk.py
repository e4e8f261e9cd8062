"""Records of risk: limits, what is at risk now, what broke, and whether trading is on.

A *scope* is what a limit is about: ``platform``, ``account:paper``, ``algo:crossover`` (a run),
``instrument:NSE:INFY``, or ``algo:crossover/instrument:NSE:INFY``. With ``*`` for a name (``algo:*``) a limit holds for
each one by itself; a limit with the name takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from schemas.orders import Product

LimitName = Literal[
    "money-at-risk",  # rupees
    "drawdown",  # rupees or percent of capital: from the day's peak of profit and loss
    "drawdown-all-time",  # from the highest there ever was
    "daily-loss",  # rupees or percent of capital: the day's realised and open loss, charges included
    "quantity",  # shares of a single order
    "position",  # shares held and pending, of an instrument
    "notional",  # rupees: the value of what is held and pending
    "open-positions",  # instruments held or pending
    "orders-per-second", "orders-per-day",
    "price-band",  # percent that a limit price or trigger may be away from the last price
    # no limits, but kept in the same way, since limits are reckoned with them
    "adverse-move",  # percent: how far an algo's uncovered positions are assumed to go against it, 100 if not set
    "capital",  # rupees, of an account: what percents of capital are of
]  # fmt: skip
Unit = Literal["rupees", "percent", "shares", "count"]
LimitAction = Literal["warn", "block", "stop", "flatten", "halt"]
TradingState = Literal["ACTIVE", "REDUCING", "HALTED"]  # all orders; only orders that reduce; only cancels
STATES: tuple[TradingState, ...] = ("ACTIVE", "REDUCING", "HALTED")  # each stricter than the one before
RISK_NODE = "*risk"  # ``Command.node`` of the commands that risk obeys; no computer can be called so


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as somebody set it. Key: ``scope limit``; the last record counts, all are kept as the limit's history.

    A person may write scope, limit and value alone. ``removed``: there is no such limit any more.
    """

    scope: str
    limit: LimitName
    value: float
    unit: Unit = "rupees"
    action: LimitAction = "block"
    actor: str = ""
    at_us: int = 0  # market time
    removed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RiskState:
    """Whether trading is on in a scope (``platform``, ``account:…`` or ``algo:…``). Key: ``scope``; the last counts."""

    scope: str
    state: TradingState
    actor: str
    at_us: int
    reason: str = ""
    command: str = ""  # the id of the command that asked for it


@dataclass(frozen=True, slots=True)
class RiskPart:
    """What is at risk in one instrument of one algo. Profit and loss is of the day, as the point's."""

    account: str
    run: str
    instrument: str
    product: Product
    quantity: int  # held; negative: short
    average_price: float
    price: float  # the last
    covered: int  # of ``quantity``, by live stops
    pending_buy: int
    pending_sell: int
    money_at_risk: float  # at the worst of what is pending
    realised: float
    open: float
    charges: float
    fresh: bool = True  # whether the price is as recent as orders need it; an old one goes on being used


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a limit is used."""

    scope: str
    limit: str
    value: float
    used: float
    unit: str
    action: str


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """What is at risk in a scope at a moment, in rupees. Key: ``scope``. Once a second when changed, else each minute.

    ``parts`` are given for algos (``algo:…``), ``uses`` for the limits of this scope. Profit and loss is of the day,
    ``realised`` before charges; ``drawdown`` is the distance of ``realised + open - charges`` to its peak, never
    negative.
    """

    scope: str
    at_us: int
    day: str  # ISO date, the exchange's
    state: TradingState
    money_at_risk: float
    day_max: float  # the day's largest money at risk
    day_max_us: int
    previous_max: float  # the same of the trading day before, 0 when there was none
    realised: float
    open: float
    charges: float
    drawdown: float  # from the day's peak
    drawdown_all_time: float
    notional: float
    open_positions: int
    orders: int  # approved today
    parts: list[RiskPart] = field(default_factory=list)
    uses: list[LimitUse] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit broke. Key: ``scope``. ``action`` says what is done about it, ``detail`` what was done."""

    id: str
    scope: str  # where it broke: never with "*"
    limit: str
    value: float
    used: float
    unit: str
    action: LimitAction
    at_us: int
    reason: str  # one sentence with the numbers
    state: Literal["broken", "done", "failed", "over"] = "broken"  # over: the limit holds again
    detail: str = ""
