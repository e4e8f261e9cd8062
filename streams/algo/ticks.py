"""One tick, as ``on_tick`` gets it: a view of a row of a batch, which reads a column when it is asked for."""

from __future__ import annotations

from schemas.ticks import DEPTH_LEVELS, TickBatch

_SIDE = DEPTH_LEVELS // 2


class Tick:
    """A tick of one instrument. Times in microseconds, UTC; 0 or -1 where the packet had no such value."""

    __slots__ = ("_batch", "_row")

    def __init__(self, batch: TickBatch, row: int) -> None:
        self._batch, self._row = batch, row

    @property
    def instrument(self) -> str:
        """As ``NSE:INFY``."""
        return self._batch.names[int(self._batch.instrument[self._row])]

    @property
    def at_us(self) -> int:
        """When it was received, market time."""
        return int(self._batch.receive_us[self._row])

    @property
    def exchange_us(self) -> int:
        """The exchange's time of the packet, in whole seconds; 0 where there is none."""
        return int(self._batch.exchange_us[self._row])

    @property
    def last_trade_us(self) -> int:
        """The exchange's time of the last trade; 0 where there is none."""
        return int(self._batch.last_trade_us[self._row])

    @property
    def price(self) -> float:
        """Of the last trade."""
        return float(self._batch.last_price[self._row])

    @property
    def quantity(self) -> int:
        """Of the last trade."""
        return int(self._batch.last_quantity[self._row])

    @property
    def average_price(self) -> float:
        """The day's, by volume."""
        return float(self._batch.average_price[self._row])

    @property
    def volume(self) -> int:
        """Of the day so far; -1 where there is none."""
        return int(self._batch.volume[self._row])

    @property
    def oi(self) -> int:
        """Open interest; -1 where there is none."""
        return int(self._batch.oi[self._row])

    @property
    def bids(self) -> list[tuple[float, int]]:
        """Up to five of (price, quantity), the best first; empty without depth."""
        return self._levels(0)

    @property
    def asks(self) -> list[tuple[float, int]]:
        """Up to five of (price, quantity), the best first; empty without depth."""
        return self._levels(_SIDE)

    def _levels(self, first: int) -> list[tuple[float, int]]:
        if not len(self._batch.depth_price):
            return []
        levels = slice(first, first + _SIDE)
        prices = self._batch.depth_price[self._row, levels].tolist()
        quantities = self._batch.depth_quantity[self._row, levels].tolist()
        return [(price, quantity) for price, quantity in zip(prices, quantities, strict=True) if price]

    def __repr__(self) -> str:
        return f"Tick({self.instrument} {self.price} at {self.at_us})"
