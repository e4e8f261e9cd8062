"""When what is at risk is looked at, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.risk import RiskPoint, TradingState
from streams.risk.book import Book
from streams.risk.market import Market


class Watching:
    """TODO"""

    def __init__(
        self,
        book: Book,
        market: Market,
        now_us: Callable[[], int],
        held: Callable[[], Mapping[str, TradingState]],
    ) -> None:
        self.points: dict[str, RiskPoint] = {}

    def look(self, out: Any) -> None:
        """..."""
