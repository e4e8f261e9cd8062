"""An order at the paper exchange."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from producers.gateway.broker import BrokerOrder
from producers.paper.quote import DIGITS
from schemas.order_state import LIVE
from schemas.orders import OrderIntent, OrderKind, Product, Side, Status, Validity

LATENCY_US = 50_000  # market time from the gateway to the book
JITTER_US = 20_000  # at most so much more
UNKNOWN = -1  # as ``ahead``: its price lies deeper than what is shown
PREFIX = "P"  # of the broker's ids


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """An order and how far it has come."""

    id: str  # the intent's
    instrument: str
    side: Side
    product: Product
    kind: OrderKind
    validity: Validity
    quantity: int
    price: float
    trigger: float
    protection: float
    opens_us: int  # its session: an older quote is another day's
    closes_us: int  # and here it ends
    arrives_us: int  # in the book
    status: Status = "accepted"
    filled: int = 0
    value: float = 0.0  # rupees, of what is filled
    since_us: int = 0  # ticks up to this time do nothing to it
    changed_us: int = 0
    revision: int = 0
    triggered: bool = False  # a stop that now is as its kind without the stop
    bound: float = 0.0  # the worst price of a market order; 0 until it has met a quote
    ahead: int = 0  # quantity that is before it in the queue at its price
    reason: str = ""

    @property
    def broker_order(self) -> str:
        """The broker's id: the same for the same intent."""
        return PREFIX + self.id

    @property
    def working(self) -> int:
        """How much may still be filled."""
        return self.quantity - self.filled if self.status in LIVE else 0

    @property
    def is_live(self) -> bool:
        """Whether more may happen to it."""
        return self.status in LIVE

    @property
    def is_market(self) -> bool:
        """Whether it takes what the market shows, within its protection."""
        return self.kind in ("market", "stop")

    @property
    def waits(self) -> bool:
        """Whether it is a stop that was not triggered yet."""
        return self.kind in ("stop", "stop-limit") and not self.triggered

    @property
    def average_price(self) -> float:
        """Of what is filled, 0 when nothing is."""
        return self.value / self.filled if self.filled else 0.0

    @property
    def told(self) -> tuple[object, ...]:
        """What a broker tells of it that may change."""
        return self.status, self.filled, self.changed_us, self.revision, self.quantity, self.price, self.trigger

    def shown(self, *, settling: bool = False) -> BrokerOrder:
        """The order as a broker shows it."""
        return BrokerOrder(
            broker_order=self.broker_order, tag=self.id, instrument=self.instrument, side=self.side,
            product=self.product, kind=self.kind, validity=self.validity, quantity=self.quantity, filled=self.filled,
            average_price=self.average_price, price=self.price, trigger=self.trigger, status=self.status,
            reason=self.reason, broker_us=self.changed_us, revision=self.revision, settling=settling, source="paper",
        )  # fmt: skip


def latency_us(id_: str) -> int:
    """How long a request takes to the book, in market time: always the same for the same id."""
    return LATENCY_US + int.from_bytes(blake2b(id_.encode(), digest_size=4).digest()) % JITTER_US


def order_of(intent: OrderIntent, at_us: int, opens_us: int, closes_us: int) -> PaperOrder:
    """What becomes of an intent that the exchange accepted at an instant."""
    arrives_us = at_us + latency_us(intent.id)
    return PaperOrder(
        id=intent.id, instrument=intent.instrument, side=intent.side, product=intent.product, kind=intent.kind,
        validity=intent.validity, quantity=intent.quantity, price=round(intent.price, DIGITS),
        trigger=round(intent.trigger, DIGITS), protection=intent.protection, opens_us=opens_us, closes_us=closes_us,
        arrives_us=arrives_us, since_us=arrives_us, changed_us=at_us,
    )  # fmt: skip
