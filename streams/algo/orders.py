"""Orders as the author of an algo sees them: what an instance has asked for and what has become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.order_state import LIVE
from schemas.orders import OrderKind, Side, Status


@dataclass(frozen=True, slots=True)
class Order:
    """An order of this instance as it is now; quantity, price and trigger as they were last asked for."""

    id: str
    instrument: str
    side: Side
    kind: OrderKind
    quantity: int
    filled: int
    average_price: float  # of what is filled, 0 when nothing is
    price: float  # 0 where the kind has none
    trigger: float  # 0 where the kind has none
    status: Status | Literal["refused"]  # refused: by risk, so nothing was sent
    reason: str  # why it was refused, rejected or cancelled, where anybody said so

    @property
    def is_working(self) -> bool:
        """Whether more of it may be filled."""
        return self.status in LIVE

    @property
    def working(self) -> int:
        """How much of it may still be filled."""
        return max(0, self.quantity - self.filled) if self.is_working else 0


@dataclass(frozen=True, slots=True)
class OrderNews(Order):
    """An order as it is now, since there is news of it.

    When the news is that it could not be modified or cancelled, ``failed`` says which; the order is as before then,
    and ``reason`` says why not.
    """

    at_us: int = 0  # market time of the news
    code: str = ""  # why risk refused (``schemas.refusals``)
    limit: str = ""  # the limit that refused, as "algo:crossover money-at-risk"
    failed: Literal["", "modify", "cancel"] = ""
