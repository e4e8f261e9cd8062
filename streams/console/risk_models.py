"""What the API says of risk: what is at risk, limits, and whether trading is on, as pydantic models.

Money is rupees. Times named ``_us`` are market time in microseconds since the epoch; those without are ISO in the
exchange's zone. A *scope* is ``platform``, ``account:NAME``, ``algo:RUN``, ``instrument:EXCHANGE:SYMBOL`` or
``algo:RUN/instrument:EXCHANGE:SYMBOL``; ``*`` for a name means each one by itself, ``algo:-`` what people order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from schemas.risk import TradingState
from streams.console.fleet_models import CommandRow
from streams.console.models import Asked
from streams.console.trading_models import Account, BreachRow, DifferenceRow, Reason, StateRow

ScopeText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120),
    Field(examples=["platform", "account:paper", "algo:crossover"]),
]


class RiskQuery(Asked):
    """Which part of what is at risk."""

    account: Account = ""
    algo: str = Field(default="", max_length=64, description="an algo's run, EXTERNAL, or - for what people order")
    instrument: str = Field(default="", max_length=64)
    day: str = Field(default="", max_length=10, description="2026-11-27: a day that is over, from the archive")


class PartRow(BaseModel):
    """What is at risk in one instrument of one algo."""

    account: str
    run: str
    instrument: str
    product: str
    quantity: int = Field(description="held; negative: short")
    average_price: float
    price: float = Field(description="the last")
    fresh: bool = Field(description="whether the price is as recent as orders need it")
    covered: int = Field(description="of the quantity, by live stops")
    pending_buy: int
    pending_sell: int
    money_at_risk: float = Field(description="at the worst of what is pending")
    realised: float
    open: float
    charges: float


class UseRow(BaseModel):
    """How much of a limit is used."""

    scope: str
    limit: str
    value: float
    used: float
    share: float | None = Field(description="used / value; null when the value is 0")
    unit: str
    action: str


class ScopeRow(BaseModel):
    """What is at risk in a scope. Profit and loss is of the day."""

    scope: str
    account: str = Field(description="of an account's scope")
    run: str = Field(description="of an algo's scope")
    state: TradingState = Field(description="the strictest that risk or the brake say of it and what it is in")
    day: str
    at_us: int
    at: str
    money_at_risk: float
    day_max: float = Field(description="the day's largest money at risk")
    day_max_at: str
    previous_max: float = Field(description="that of the trading day before")
    change: float = Field(description="day_max less previous_max")
    change_percent: float | None
    realised: float = Field(description="before charges")
    open: float
    charges: float
    profit: float = Field(description="realised + open - charges")
    drawdown: float = Field(description="from the day's peak")
    drawdown_all_time: float
    notional: float
    open_positions: int
    orders: int = Field(description="approved today")
    parts: list[PartRow] = Field(description="of an algo's scope: by account and instrument")
    uses: list[UseRow]


class RiskPartHealth(BaseModel):
    """Whether risk answers and speaks."""

    state: Literal["ok", "silent", "down", "unknown"] = Field(
        description="silent: it said nothing for a while, so that what is shown may be old"
    )
    detail: str
    age_s: float | None = Field(description="since it last said what is at risk; null when it did not lately")


class Risk(BaseModel):
    """What is at risk now, or was on a day that is over."""

    market_us: int
    market_time: str
    day: str
    is_over: bool = Field(description="a day that is over: the largest and last values of it")
    risk: RiskPartHealth
    state: TradingState = Field(description="of the platform")
    platform: ScopeRow | None
    accounts: list[ScopeRow]
    algos: list[ScopeRow] = Field(description="the most at risk first")
    states: list[StateRow] = Field(description="what is not ACTIVE, by risk's word or by the brake")
    breaches: list[BreachRow] = Field(description="limits that are broken now")
    differences: list[DifferenceRow]
    warnings: list[str]


class HistoryQuery(Asked):
    """Which days of which scope."""

    days: int = Field(default=30, ge=1, le=2000)
    scope: ScopeText = "platform"


class HistoryRow(BaseModel):
    """A scope's trading day."""

    day: str
    day_max: float
    day_max_at: str
    previous_max: float
    change: float
    change_percent: float | None
    realised: float
    open: float
    charges: float
    profit: float
    drawdown_max: float
    drawdown_all_time: float
    notional: float
    open_positions: int
    orders: int
    state: str


class MinuteRow(BaseModel):
    """The last of a minute."""

    at_us: int
    money_at_risk: float
    profit: float
    drawdown: float


class History(BaseModel):
    """A scope's trading days in order, and the minutes of the last one."""

    scope: str
    days: list[HistoryRow]
    minutes: list[MinuteRow]


class SetLimit(Asked):
    """A limit as people write it."""

    scope: ScopeText
    limit: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
    value: str | float = Field(description='rupees, shares or a count, or a percentage: 150000, "1,50,000", "2%"')
    action: str = Field(
        default="", max_length=20, description="warn, block, stop, flatten or halt; empty: the limit's usual one"
    )
    reason: Reason = ""
    new: bool = Field(default=False, description="the scope's algo is to come: it need not be known yet")


class LimitRow(BaseModel):
    """A limit that holds."""

    scope: str
    limit: str
    value: float
    unit: str
    action: str
    text: str = Field(description="what it says, in one sentence")
    shown: str = Field(description="the value as people write it")
    actor: str
    reason: str
    at_us: int
    at: str
    used: float | None = Field(description="by the one that uses most of it; null: risk has not said")
    share: float | None
    used_by: str = Field(description="whose use that is")


class Limits(BaseModel):
    """All limits that hold."""

    limits: list[LimitRow]


class LimitChanged(BaseModel):
    """What a change of a limit did."""

    message: str
    limit: LimitRow | None = Field(description="null: it was removed")
    before: LimitRow | None
    warnings: list[str] = []


class LimitHistoryRow(BaseModel):
    """A limit was set or removed."""

    scope: str
    limit: str
    before: float | None
    before_shown: str
    after: float | None
    after_shown: str
    unit: str
    action: str
    actor: str
    reason: str
    at_us: int
    at: str


class LimitHistory(BaseModel):
    """All changes, the latest first."""

    changes: list[LimitHistoryRow]


class AskRisk(Asked):
    """What shall become of trading in a scope."""

    scope: ScopeText = "platform"
    reason: Reason = ""
    flatten: bool = Field(default=False, description="with halt: also close what is held, then halt")


class RiskChanged(BaseModel):
    """What was done, and the command whose fate says whether risk did its part."""

    message: str
    held: bool = Field(description="this computer's brake holds the scope now: no order of it leaves from here")
    commands: list[CommandRow]
    warnings: list[str] = []
