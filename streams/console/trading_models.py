"""What the API says of orders, fills and positions, as pydantic models: they make the OpenAPI page.

Times named ``_us`` are market time in microseconds since the epoch; those without are ISO in the exchange's zone.
Money is rupees, quantities are shares or units, never lots. The run ``""`` is a person's, ``EXTERNAL`` is what was
placed by hand at the broker.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from schemas.orders import OrderKind, Product, Side, Validity
from streams.console.models import Asked, Name

Account = Literal["", "paper", "live"]
OrderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,20}$")]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]
Price = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
MOST_QUANTITY = 100_000_000


class TradingQuery(Asked):
    """Which orders, fills or positions."""

    account: Account = Field(default="", description="paper or live; empty: both")
    algo: str = Field(
        default="", max_length=64, description="an algo's run, EXTERNAL, or - for a person's; empty: all of them"
    )
    instrument: str = Field(default="", max_length=64, description="NSE:INFY, or just INFY")
    day: str = Field(default="", max_length=10, description="2026-11-27: of that trading day only")
    limit: int = Field(default=100, ge=1, le=10_000, description="the latest ones that many")


class OrdersQuery(TradingQuery):
    """Which orders."""

    live: bool = Field(default=False, description="only those of which more may come")


class PositionsQuery(TradingQuery):
    """Which positions."""

    limit: int = Field(default=1000, ge=1, le=10_000)
    all: bool = Field(default=False, description="also what is flat and was not traded today")


class PlaceOrder(Asked):
    """An order of a person."""

    account: Literal["paper", "live"] = "paper"
    instrument: Name = Field(examples=["NSE:INFY"])
    side: Side
    quantity: int = Field(ge=1, le=MOST_QUANTITY, strict=True, description="shares or units, not lots")
    kind: OrderKind | None = Field(
        default=None, description="by default what price and trigger say: limit, stop, stop-limit, or market"
    )
    price: Price = Field(default=0.0, description="of a limit order")
    trigger: Price = Field(default=0.0, description="of a stop order")
    product: Product = Field(default="", description="empty: MIS for shares, NRML for derivatives")
    validity: Validity = "DAY"
    protection: float = Field(
        default=-1.0, ge=-1, le=100, allow_inf_nan=False,
        description="market protection in percent, for market and stop orders; -1: the broker's automatic",
    )  # fmt: skip
    reason: Reason = Field(default="", description="why; it is kept with the order")
    id: OrderId | None = Field(default=None, description="of your own: asked twice with it makes one order")


class ModifyOrder(Asked):
    """What of a live order shall be another. 0: as it is."""

    quantity: int = Field(default=0, ge=0, le=MOST_QUANTITY, strict=True, description="in all, filled ones included")
    price: Price = 0.0
    trigger: Price = 0.0
    reason: Reason = ""


class OrderRow(BaseModel):
    """An order."""

    id: str
    account: str
    run: str
    task: str = Field(description="the algo's task; for a person who it was")
    instrument: str
    side: str
    kind: str
    quantity: int
    filled: int
    price: float
    trigger: float
    average_price: float = Field(description="of what is filled, 0 when nothing is")
    product: str
    validity: str
    status: str = Field(
        description="asked (risk has not answered), refused (by risk), requested (approved), then as the broker says: "
        "unknown, lost, not-sent, accepted, trigger-pending, open, rejected, cancelled, complete"
    )
    live: bool = Field(description="whether more may come of it")
    code: str = Field(description="why risk refused it, one of those in the documentation")
    limit: str = Field(description="the limit that refused it")
    reason: str = Field(description="one sentence: why it was refused, rejected or not sent")
    why: str = Field(description="what who asked gave as the reason")
    broker_order: str
    at_us: int = Field(description="when it was asked for")
    at: str
    last_us: int = Field(description="when something was last heard of it")
    cause: str = Field(description="the record that led to it, as topic/partition/offset")
    labels: dict[str, str]


class Orders(BaseModel):
    """Orders, the latest first."""

    day: str = Field(description="the exchange's day now")
    orders: list[OrderRow]
    more: bool = Field(description="there are further ones beyond the limit")


class TradeRow(BaseModel):
    """A part of an order that was filled."""

    order: str
    account: str
    run: str
    task: str
    instrument: str
    side: str
    product: str
    quantity: int
    price: float
    value: float
    broker_order: str
    at_us: int
    at: str


class Trades(BaseModel):
    """Fills, the latest first."""

    day: str
    trades: list[TradeRow]
    more: bool


class PositionRow(BaseModel):
    """What is held of an instrument, by whom. null: risk has no price, or has not said."""

    account: str
    run: str
    instrument: str
    product: str
    quantity: int = Field(description="negative: short")
    average_price: float
    price: float | None = Field(description="the last")
    value: float | None = Field(description="of what is held, at that price")
    realised: float = Field(description="since the first fill, before charges")
    open: float | None = Field(description="profit or loss of what is held")
    charges: float
    money_at_risk: float | None
    bought: int
    sold: int
    orders: int = Field(description="how many have filled")
    at_us: int = Field(description="of the last fill")
    at: str


class DifferenceRow(BaseModel):
    """The broker holds something else than the fills say: the account takes no new orders until a person accepts it."""

    account: str
    instrument: str
    product: str
    ours: int
    brokers: int
    at_us: int
    at: str


class BrokerRow(BaseModel):
    """What the broker says is held."""

    account: str
    instrument: str
    product: str
    quantity: int
    average_price: float
    at_us: int


class Positions(BaseModel):
    """What is held, by account, algo and instrument."""

    day: str
    positions: list[PositionRow]
    differences: list[DifferenceRow]
    broker: list[BrokerRow] = Field(description="what the broker says, all algos together")
    realised: float
    open: float
    charges: float


class VerdictRow(BaseModel):
    """What risk said."""

    approved: bool
    code: str
    limit: str
    reason: str
    numbers: dict[str, float] = Field(description="those of the limit: value, used, wanted")
    price: float = Field(description="that was reckoned with")
    at_us: int
    at: str


class ChangeRow(BaseModel):
    """A wish to modify or cancel the order."""

    id: str
    action: str
    quantity: int
    price: float
    trigger: float
    task: str
    why: str
    state: str = Field(description="asked, refused, sent, done or failed")
    reason: str
    at_us: int
    at: str


class EventRow(BaseModel):
    """What was said of the order at some moment."""

    status: str
    filled: int
    average_price: float
    quantity: int
    price: float
    trigger: float
    reason: str
    source: str
    failed: bool
    at_us: int
    at: str


class OrderDetail(BaseModel):
    """An order with all that happened to it."""

    order: OrderRow
    verdict: VerdictRow | None
    sent_us: int | None
    changes: list[ChangeRow]
    events: list[EventRow] = Field(description="as they were heard")
    fills: list[TradeRow]


class Ordered(BaseModel):
    """What became of a wish so far."""

    message: str
    id: str = Field(description="of the order; what is asked of it later names this")
    intent: str = Field(description="of this wish: the order's own, or that of a change")
    settled: bool = Field(description="false: nothing final is known yet")
    done: bool = Field(description="it was not refused, rejected or lost")
    order: OrderRow
    warnings: list[str] = []


class Cause(BaseModel):
    """The record that led to an order."""

    place: str = Field(description="topic/partition/offset")
    kind: str = Field(description="TickBatch, Candle, Signal, ...; empty when it is not kept any more")
    text: str = Field(description="what it said, in one sentence")
    at_us: int
    at: str
    record: dict[str, Any] = Field(description="its fields; of a batch of ticks those of the order's instrument")


class Step(BaseModel):
    """One step from the cause to the last fill."""

    at_us: int
    at: str
    what: str = Field(description="tick, asked, approved, refused, sending, a status, filled, ...")
    text: str
    after_ms: float = Field(description="since the step before")
    place: str = Field(default="", description="where it stands in the log, when that is known")


class BreachRow(BaseModel):
    """A limit that broke."""

    id: str
    scope: str
    limit: str
    value: float
    used: float
    unit: str
    action: str
    state: str = Field(description="broken, done, failed (its action), or over: the limit holds again")
    reason: str
    detail: str = Field(description="what was done about it")
    at_us: int
    at: str


class StateRow(BaseModel):
    """That trading is not, or again, on in a scope."""

    scope: str
    state: str
    source: str = Field(description="risk, or brake: this computer's own kill switch")
    actor: str
    reason: str
    at_us: int
    at: str


class Explanation(BaseModel):
    """Everything about one order, from what led to it to the position after it."""

    order: OrderRow
    text: str = Field(description="the whole in one sentence")
    cause: Cause | None
    verdict: VerdictRow | None
    steps: list[Step]
    changes: list[ChangeRow]
    fills: list[TradeRow]
    position: PositionRow | None = Field(description="after its last fill")
    position_is_later: bool = Field(description="further orders are in it: the one right after is not kept")
    breaches: list[BreachRow] = Field(description="of its scopes, while it lived and five minutes around that")
    states: list[StateRow]
