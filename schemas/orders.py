"""Records of orders: what an algo or a person wants, what risk says to it, what a gateway does, what the broker says.

An order is known everywhere by the id of the intent that placed it; the broker gets it as the order's tag. Orders that
somebody placed at the broker by hand have the id ``ext-<broker's id>`` and the run ``EXTERNAL``.

Times named ``_us`` are market time (``infra.clock``) in microseconds; ``broker_us`` is the broker's own, 0 where it
gave none. Prices are rupees, quantities are shares or units (never lots).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from schemas.fleet import Trading

Side = Literal["buy", "sell"]
OrderKind = Literal["market", "limit", "stop", "stop-limit"]  # Kite's MARKET, LIMIT, SL-M, SL
Product = Literal["", "CNC", "MIS", "NRML"]  # "": risk chooses, MIS for shares and NRML for derivatives
Validity = Literal["DAY", "IOC"]
Action = Literal["place", "modify", "cancel"]
Status = Literal[
    "requested",  # an intent was approved, nothing more is known
    "unknown",  # it was sent and no answer came: it is looked for, never sent again
    "lost",  # it was looked for and the broker does not have it
    "not-sent",  # the gateway never sent it: too late, halted, or it cannot be written as the broker wants it
    "accepted",  # the broker gave it an id
    "trigger-pending", "open",
    "rejected", "cancelled", "complete",
]  # fmt: skip
Source = Literal["gateway", "frame", "postback", "poll", "paper", "risk"]
EXTERNAL = "EXTERNAL"  # the run of orders that were placed by hand at the broker
ACCOUNTS: tuple[str, ...] = ("paper", "live")


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """An order that somebody wants. Key: ``account``. Nothing is sent before risk has approved it.

    A ``modify`` or ``cancel`` names in ``order`` the order that it is about; a ``modify`` has the order's new quantity,
    price and trigger (0: as it is).
    """

    id: str  # 1 to 20 letters and digits, the same for the same wish: an intent sent twice makes one order
    account: str  # one of ACCOUNTS
    run: str  # the algo's run, or "" for a person
    task: str  # the algo's task; for a person who it was
    instrument: str
    side: Side
    quantity: int
    kind: OrderKind
    price: float  # 0 where the kind has none
    trigger: float  # 0 where the kind has none
    trading: Trading
    at_us: int
    reason: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    action: Action = "place"
    order: str = ""
    product: Product = ""
    validity: Validity = "DAY"
    protection: float = -1.0  # market protection in percent, for market and stop orders; -1: the broker's automatic
    valid_s: float = 30.0  # seconds of market time after ``at_us`` in which it may be judged and sent
    cause: str = ""  # the record that led to it, as topic/partition/offset


@dataclass(frozen=True, slots=True)
class OrderVerdict:
    """What risk says to an intent. Key: ``account``. The first verdict on an ``id`` counts.

    ``intent`` is what may be sent, with all that was left open filled in: the gateway needs nothing else.
    """

    id: str  # the intent's
    account: str
    approved: bool
    code: str  # why it was refused (``schemas.refusals``), else empty
    limit: str  # the limit that refused it, as "algo:crossover money-at-risk", else empty
    reason: str  # one sentence with the numbers, empty when approved
    numbers: dict[str, float]  # those of the limit: value, used, wanted
    price: float  # the price that was reckoned with, 0 when there was none
    at_us: int
    offset: int  # the intent's place in order-intents
    intent: OrderIntent


@dataclass(frozen=True, slots=True)
class OrderSend:
    """A gateway is about to send this. Key: ``account``. It is in the log before anything is sent, in a transaction of
    the one gateway that is in charge: what is here is never sent a second time."""

    id: str  # the intent's
    account: str
    order: str
    action: Action
    at_us: int
    gateway: str  # which process


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """What is known of an order at some moment: its whole state as its source saw it. Key: ``account``.

    ``filled`` and ``average_price`` are of all its fills so far. The state of an order is a join of these events
    (``schemas.order_state``): any order, any repetition, any mix of sources.
    """

    id: str  # made of what it says, so the same news from two sources may come twice
    account: str
    order: str
    status: Status
    instrument: str
    side: Side
    product: Product
    quantity: int
    filled: int
    average_price: float
    at_us: int
    broker_us: int = 0
    broker_order: str = ""
    run: str = ""
    task: str = ""
    kind: OrderKind = "market"
    price: float = 0.0
    trigger: float = 0.0
    revision: int = 0  # how many changes of it the gateway knew to be done
    intent: str = ""  # the intent that this answers: the order's own, or a modify or cancel of it
    failed: bool = False  # the modify or cancel ``intent`` was not done; the order is as before
    reason: str = ""
    source: Source = "gateway"


@dataclass(frozen=True, slots=True)
class Position:
    """What an algo holds of an instrument. Key: ``account/run/instrument/product``; the last record counts."""

    account: str
    run: str  # "" a person's, EXTERNAL: placed by hand at the broker
    instrument: str
    product: Product
    quantity: int  # negative: short
    average_price: float  # of what is held, 0 when flat
    bought: int
    sold: int
    realised: float  # rupees, before charges
    charges: float  # rupees
    at_us: int  # of the last fill
    orders: int  # how many orders have filled


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """What the broker says is held of an instrument, all algos together."""

    instrument: str
    product: Product
    quantity: int
    average_price: float


@dataclass(frozen=True, slots=True)
class BrokerPositions:
    """All that the broker says is held. Key: ``account``. Written at the gateway's start, every minute, and after fills
    have come to rest."""

    account: str
    at_us: int
    positions: list[BrokerPosition]
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class PositionDifference:
    """The broker holds something else than the fills say, or no longer does. Key: ``account``.

    While one is ``found`` the account takes no new orders, until a person accepts it: then the broker is right, and
    what is missing is booked to the run EXTERNAL.
    """

    id: str
    account: str
    instrument: str
    product: Product
    ours: int
    brokers: int
    state: Literal["found", "accepted", "gone"]
    at_us: int
    actor: str = ""


@dataclass(frozen=True, slots=True)
class BrokerNotice:
    """A text message that a broker sent over a websocket, as it is. Key: ``provider``."""

    provider: str
    kind: str  # "order", "error", "message"
    text: str  # JSON of its data
    at_us: int
    worker: str
