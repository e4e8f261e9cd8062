"""What risk has to know of the market: an instrument's terms and its last price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from schemas.market import Instrument


@dataclass(frozen=True, slots=True)
class Quote:
    """An instrument's last price. ``fresh``: it is as recent as orders need it."""

    price: float  # rupees, above 0
    at_us: int  # market time
    fresh: bool = True


class Market(Protocol):
    """The market as risk sees it now."""

    def instrument(self, name: str) -> Instrument | None:
        """The instrument that is called exactly so, as ``NSE:INFY``."""
        ...

    def quote(self, name: str) -> Quote | None:
        """Its last price, however old; None when none is known."""
        ...

    def similar(self, name: str) -> str:
        """Names like this one for a sentence, as ``NSE:INFY or NSE:INFIBEAM``; empty when there are none."""
        ...
