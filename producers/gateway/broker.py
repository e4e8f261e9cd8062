"""The small interface behind which a broker's account lives: a real one, or the paper account's model of one.

A broker gets orders and tells of orders. All the rest (what may be sent and when, what is unknown, what the log has to
know before and after) is the gateway's and the same for everyone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from schemas.order_state import OrderState
from schemas.orders import BrokerPosition, OrderIntent, OrderKind, Product, Side, Source, Status, Validity


class BrokerError(Exception):
    """The broker did not do, or did not tell, what it was asked for; one sentence."""


class RefusedError(BrokerError):
    """The broker said no: it was not done and never will be."""


class UnwritableError(BrokerError):
    """It cannot be written as the broker wants it: it was not sent and never will be."""


class UnknownOutcomeError(BrokerError):
    """It was sent and no answer came (no answer in time, an error of the server, a connection that broke): it may have
    been done. It is looked up, never sent again."""


class NotSentError(BrokerError):
    """It was surely not taken (no connection, too many requests): the same thing may be tried again."""


class TokenError(BrokerError):
    """It was surely not taken: the broker wants a new log-in first. It may be tried again after that."""


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker shows it at some moment, whichever way it was told.

    ``filled`` and ``average_price`` are of all fills so far; ``quantity`` stays what was ordered, also when the rest
    was cancelled. ``status`` is one of accepted, trigger-pending, open, rejected, cancelled, complete.
    """

    broker_order: str
    tag: str  # the id of the intent that placed it; empty when it was placed by hand
    instrument: str
    side: Side
    product: Product
    kind: OrderKind
    validity: Validity
    quantity: int
    filled: int
    average_price: float
    price: float
    trigger: float
    status: Status
    reason: str = ""
    broker_us: int = 0  # when it changed last, by the broker's clock, microseconds; 0: the broker does not say
    revision: int | None = None  # how many modifies are done; None: the broker does not say
    settling: bool = False  # a change is under way: quantity, price and trigger may be those from before or after it
    source: Source = "poll"


class Broker(Protocol):
    """One account at a broker. All of it is called from one event loop."""

    account: str

    async def place(self, intent: OrderIntent) -> str:
        """Sends an order whose tag is ``intent.id``; the broker's id of it.

        RefusedError, UnknownOutcomeError, NotSentError, TokenError. Anything else it may raise counts as unknown.
        """
        ...

    async def modify(self, intent: OrderIntent, broker_order: str, state: OrderState) -> None:
        """Asks to change an order that is now as ``state``: 0 in quantity, price or trigger leaves it. Errors as above.

        An answer says that the broker has taken the change up; what became of it shows in the order.
        """
        ...

    async def cancel(self, broker_order: str) -> None:
        """Asks to cancel an order; errors as above. An answer says that it was taken up; the order shows the rest."""
        ...

    async def orders(self) -> list[BrokerOrder]:
        """Today's whole order book, also what was placed by hand. BrokerError when it cannot be had now."""
        ...

    async def positions(self) -> list[BrokerPosition]:
        """All that is held now, of all products. BrokerError when it cannot be had now."""
        ...

    def updates(self) -> AsyncIterator[BrokerOrder]:
        """News as the broker pushes it: may be late, doubled, out of order or missing. Never ends by itself."""
        ...
