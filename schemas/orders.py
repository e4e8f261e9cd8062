"""Records of orders: what an algo or a person wants, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from schemas.fleet import Trading

Side = Literal["buy", "sell"]
OrderKind = Literal["market", "limit", "stop", "stop-limit"]


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """An order that somebody wants. Key: ``account``. Nothing is sent before risk has approved it."""

    id: str
    account: str
    run: str  # the algo's run, or "" for a person
    task: str
    instrument: str
    side: Side
    quantity: int
    kind: OrderKind
    price: float  # 0 where the kind has none
    trigger: float  # 0 where the kind has none
    trading: Trading
    at_us: int  # market time
    reason: str = ""
    labels: dict[str, str] = field(default_factory=dict)
