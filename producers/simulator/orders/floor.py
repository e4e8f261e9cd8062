"""Where market and desk meet: the market as the desk sees it, and the desk as the market's steps find it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from producers.simulator.exchange import Exchange
from producers.simulator.orders.desk import Desk
from producers.simulator.orders.faults import OrderFaults
from producers.simulator.orders.journal import Journal
from producers.simulator.orders.matching import Look, look_of
from producers.simulator.orders.telling import Postbacks, Telling
from producers.simulator.packets import Packets
from schemas.market import Instrument

Column = NDArray[Any]


class Floor:
    """The exchange as the desk's market. A tape's instrument is always open: its hours are its own."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def find(self, name: str) -> Instrument | None:
        """The market's own, or a tape's."""
        return self._exchange.find(name)

    def look(self, instrument: Instrument) -> Look | None:
        """What its last packet says."""
        packet = self._exchange.packet(instrument.instrument)
        return look_of(packet) if packet is not None and "depth" in (packet.dtype.names or ()) else None

    def is_open(self, instrument: Instrument) -> bool:
        """Whether the market's session is open, and is the one that the market is in."""
        if instrument.token in self._exchange.extras:
            return True
        return self._exchange.market.moment_of(self._exchange.clock.now_us()) is not None

    def now_us(self) -> int:
        """Market time."""
        return self._exchange.clock.now_us()

    @property
    def day(self) -> date:
        """The market's day."""
        return self._exchange.market.catalogue.day


class Trading:
    """The desk on the exchange's floor: what the exchange says of its steps, the desk is told."""

    def __init__(self, exchange: Exchange, journal: Journal, faults: OrderFaults, postbacks: Postbacks | None) -> None:
        self.prices, self.journal, self.faults = Floor(exchange), journal, faults
        self.desk = Desk(self.prices, journal, Telling(faults.send, postbacks))
        self._exchange = exchange
        self._changed = np.zeros(0, bool)
        exchange.pit = self

    def stepped(self, rows: Column) -> None:
        """These rows of the market have changed."""
        if not (live := self.desk.book.live):
            return
        listed = self._exchange.market.catalogue
        if len(self._changed) != len(listed):
            self._changed = np.zeros(len(listed), bool)
        self._changed[rows] = True
        there = [(token, listed.row_of.get(token)) for token in live]
        self.desk.step([token for token, row in there if row is not None and self._changed[row]])
        self._changed[rows] = False

    def played(self, packets: Packets) -> None:
        """A tape has sent these packets, in this order."""
        for token in [token for token in self.desk.book.live if token in self._exchange.extras]:
            self.desk.play(token, _looks(packets[packets["token"] == token]))

    def closed(self) -> None:
        """The session is over."""
        self.desk.end_session()

    def opened(self) -> None:
        """A new day's market is there."""
        self.desk.new_day()


def _looks(packets: Packets) -> Iterator[Look]:
    """What packets show one after the other, those left out that show the same price as the one before."""
    moved = np.flatnonzero(np.diff(packets["last_price"].astype(np.int64), prepend=-1))
    return (look_of(packet) for packet in packets[moved])
