"""What the API says, as pydantic models: they make the OpenAPI page.

Times named ``_us`` are microseconds since the epoch in market time. Ages are seconds of the wall clock.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.market import Mode

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Names = Annotated[
    list[Name],
    Field(
        min_length=1,
        max_length=30_000,
        description="NSE:INFY, or just INFY where only one exchange has it",
        examples=[["NSE:INFY", "NSE:TCS"]],
    ),
]
Interval = Literal["1m", "3m", "5m", "10m", "15m", "30m", "60m", "1d"]


class Asked(BaseModel):
    """What a caller sends: a field that does not exist is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Error(BaseModel):
    """Every answer that is not a success."""

    error: str = Field(description="one sentence: what is wrong and what to do")


class AddInstruments(Asked):
    """Instruments whose ticks are wanted."""

    instruments: Names
    mode: Mode = Field(default="full", description="ltp: the price; quote: and the day; full: and the depth")


class RemoveInstruments(Asked):
    """Instruments whose ticks are wanted no more."""

    instruments: Names


class SetWorkers(Asked):
    """How many feed workers this computer shall run."""

    workers: int = Field(ge=0, strict=True, examples=[3])


class InstrumentQuery(Asked):
    """A search among all instruments."""

    search: str = Field(default="", max_length=100, description="words of the symbol or the name, in any case")
    exchange: str = Field(default="", max_length=20, description="NSE, NFO, BSE, ...")
    kind: str = Field(default="", max_length=20, description="EQ, INDEX, FUT, CE or PE")
    limit: int = Field(default=50, ge=1, le=5000)
    offset: int = Field(default=0, ge=0)


class CandleQuery(Asked):
    """A range of candles."""

    instrument: Name = Field(examples=["NSE:INFY"])
    interval: Interval = "1m"
    from_: str = Field(
        default="",
        alias="from",
        max_length=40,
        description="date, time or microseconds; without from and to: the latest day, of 1d the last 60",
    )
    to: str = Field(default="", max_length=40, description="the same, inclusive; empty: no end")
    limit: int = Field(default=5000, ge=1, le=100_000, description="the latest ones that many")


class MarketQuery(Asked):
    """Which rows of the market, and in which order."""

    limit: int = Field(default=50, ge=1, le=30_000)
    sort: Literal["activity", "change", "volume", "name"] = Field(
        default="activity", description="activity: indices, then by the day's turnover; change: the largest either way"
    )


class Server(BaseModel):
    """Whether a server answers."""

    state: Literal["ok", "down", "unknown"]
    detail: str = ""


class FeedHealth(BaseModel):
    """The feed workers taken together."""

    state: Literal["streaming", "partly", "stopped", "idle"]
    detail: str = ""
    wanted: int = Field(description="workers that shall run, on all computers")
    streaming: int = Field(description="workers that stream now")


class CandlesHealth(BaseModel):
    """How far the candles are behind the ticks."""

    state: Literal["ok", "behind", "unknown"]
    detail: str = ""
    lag: int | None = Field(description="batches written but not yet in stored candles")
    lag_s: float | None = Field(description="the same in seconds")


class FleetHealth(BaseModel):
    """The nodes and what shall run on them. A computer that is away does not make the platform itself unwell."""

    state: Literal["ok", "partly", "idle"] = Field(description="partly: a node is lost, or a task does not run")
    detail: str = ""
    nodes: int = Field(description="that were let in")
    up: int
    wanted: int = Field(description="tasks that shall run")
    running: int


class RiskHealth(BaseModel):
    """Whether orders are judged, and whether trading is on."""

    state: Literal["ok", "silent", "down", "unknown"] = Field(description="down: no new order leaves")
    detail: str = ""
    trading: str = Field(description="of the platform: ACTIVE, REDUCING (only orders that reduce) or HALTED")


class Health(BaseModel):
    """Every part's state. 200 as long as the console itself can serve."""

    status: Literal["ok", "degraded", "starting"]
    market_us: int
    market_time: str
    speed: float = Field(description="market seconds a second")
    simulated: bool
    kafka: Server
    cassandra: Server
    postgres: Server
    feed: FeedHealth
    candles: CandlesHealth
    fleet: FleetHealth
    risk: RiskHealth
    gateways: dict[str, Server] = Field(description="by account: who sends its orders")


class InstrumentRow(BaseModel):
    """One tradable thing or index."""

    instrument: str
    provider: str
    token: int = Field(description="the provider's number for it")
    exchange: str
    symbol: str
    name: str
    kind: str
    segment: str
    tick_size: float
    lot_size: int
    expiry: str
    strike: float
    subscribed: bool


class Instruments(BaseModel):
    """A page of a search."""

    total: int
    limit: int
    offset: int
    instruments: list[InstrumentRow]


class WorkerRow(BaseModel):
    """One feed worker: one process, one websocket."""

    worker: str
    state: str = Field(description="streaming, connecting, waiting-for-token, refused, stopped, or lost: it is silent")
    detail: str = Field(description="a sentence when it is not streaming")
    instruments: int
    slots: list[int] = Field(description="its partitions of topic subscriptions")
    ticks: int = Field(description="written since it started")
    ticks_per_s: float
    pid: int
    host: str
    covered_age_s: float | None = Field(description="nothing was missed until so long ago")


class FeedRow(BaseModel):
    """One subscribed instrument."""

    instrument: str
    name: str
    provider: str
    token: int
    mode: str
    slot: int = Field(description="partition of topic subscriptions in which its record lies")
    partition: int | None = Field(description="partition of topic ticks, fixed while it is subscribed")
    worker: str | None = Field(description="who streams it now")
    state: str = Field(description="the state of its slot; unassigned when no worker ever had it")
    last_price: float | None
    last_tick_us: int | None
    age_s: float | None = Field(description="since its last tick; null when none was seen")


class Feed(BaseModel):
    """Everything that is subscribed, and who streams it."""

    market_us: int
    market_time: str
    pool: str
    workers_wanted: int
    capacity: int = Field(description="instruments that the workers' connections carry")
    instruments: list[FeedRow]
    workers: list[WorkerRow]


class Added(BaseModel):
    """What an addition did."""

    added: list[str]
    changed: list[str] = Field(description="subscribed before, in another mode")
    unchanged: list[str]
    instruments: list[FeedRow]


class Removed(BaseModel):
    """What a removal did."""

    removed: list[str]
    not_subscribed: list[str]


class Pool(BaseModel):
    """How many workers a computer shall run."""

    pool: str
    workers: int


class Workers(BaseModel):
    """Wanted and running workers."""

    pool: str = Field(description="this computer's")
    workers: int = Field(description="wanted here")
    warning: str = ""
    pools: list[Pool]
    running: list[WorkerRow]


class CandleRow(BaseModel):
    """One candle."""

    start_us: int
    start: str = Field(description="in the exchange's local time")
    open: float
    high: float
    low: float
    close: float
    volume: int
    oi: int | None
    complete: bool
    gap: bool = Field(description="ticks may be missing in or beside it")
    revision: int
    source: str


class Candles(BaseModel):
    """Candles in order of time."""

    instrument: str
    interval: str
    candles: list[CandleRow]


class Session(BaseModel):
    """The exchange's session around now."""

    state: Literal["open", "closed"]
    day: str
    open_us: int | None
    close_us: int | None


class MarketTotals(BaseModel):
    """The whole platform in a few numbers."""

    subscribed: int
    live: int = Field(description="instruments that ticked since the console reads")
    ticks: int
    ticks_per_s: float
    batches_per_s: float
    workers_wanted: int
    workers_streaming: int
    candles_lag: int | None
    candles_lag_s: float | None
    money_at_risk: float | None = Field(default=None, description="rupees, all accounts; null: risk has not said")
    trading: str = Field(default="ACTIVE", description="ACTIVE, REDUCING or HALTED")
    bad_records: int


class MarketRow(BaseModel):
    """One instrument now. null: the packets of its mode do not tell it."""

    instrument: str
    last_price: float
    close: float | None = Field(description="of the previous day")
    change: float | None
    change_percent: float | None
    open: float | None
    high: float | None
    low: float | None
    volume: int | None
    ticks: int
    ticks_per_s: float
    last_tick_us: int
    age_s: float
    worker: str
    mode: Mode


class Market(BaseModel):
    """What the terminal's live view shows."""

    market_us: int
    market_time: str
    speed: float
    simulated: bool
    session: Session
    totals: MarketTotals
    instruments: list[MarketRow]
    workers: list[WorkerRow]
