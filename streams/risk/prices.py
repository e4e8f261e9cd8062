"""The market as risk sees it: last prices from topic ``ticks``, instruments and what the feed is asked for.

A price is fresh when its partition has spoken within ``risk_price_age_s`` of market time: ticks or signs of life, for
an instrument may well not trade for a while. One that nobody asks the feed for has no fresh price, however busy its
partition is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from confluent_kafka import Message

from infra.clock import Clock
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.market import Instrument, Subscription
from schemas.topics import INSTRUMENTS, SUBSCRIPTIONS
from streams.prices.follow import Follower
from streams.prices.instruments import InstrumentBook
from streams.prices.live import Last
from streams.prices.reader import LivePrices
from streams.prices.subscribed import Subscribed
from streams.risk.market import Quote

REWIND_S = 300.0  # of ticks, so that quiet instruments have a price at once


class Prices:
    """Implements ``market.Market``. ``last``: the last price of an instrument; ``now_us``: market time."""

    def __init__(self, last: Callable[[str], Last | None], now_us: Callable[[], int], age_s: float) -> None:
        self._last, self._now_us, self._age_us = last, now_us, int(age_s * 1e6)
        self._instruments = InstrumentBook()
        self._subscribed = Subscribed()

    def instrument(self, name: str) -> Instrument | None:
        """The instrument that is called exactly so."""
        return self._instruments.by_name.get(name)

    def quote(self, name: str) -> Quote | None:
        """Its last price, however old."""
        last = self._last(name)
        if last is None or last.price <= 0.0:
            return None
        fresh = name in self._subscribed and self._now_us() - last.clock_us <= self._age_us
        return Quote(last.price, last.receive_us, fresh)

    def similar(self, name: str) -> str:
        """Names like this one for a sentence."""
        return self._instruments.similar(name)

    def take(self, topic: str, partition: int, key: bytes | None, value: bytes | None, at_ms: int) -> None:
        """Takes in a record of ``instruments`` or ``subscriptions``; what cannot be read changes nothing."""
        name = (key or b"").decode("utf-8", "replace")
        try:
            if topic == SUBSCRIPTIONS.name:
                self._subscribed.put(name, partition, decode(Subscription, value) if value else None, at_ms)
            else:
                self._instruments.put(name, decode(Instrument, value) if value else None)
        except UndecodableError:
            return  # its reader puts it aside


class MarketLog(Prices):
    """The same, kept up to date from the log by threads of its own."""

    def __init__(self, of: Settings, clock: Clock) -> None:
        self._live = LivePrices(of, rewind_s=REWIND_S)
        super().__init__(self._live.last, clock.now_us, of.risk_price_age_s)
        self._follower = Follower("risk", [INSTRUMENTS, SUBSCRIPTIONS], self._take_message, of)
        self._similar = lru_cache(maxsize=1024)(self._look_up)

    def start(self) -> None:
        """Begins to read."""
        self._follower.start()
        self._live.start()

    def stop(self) -> None:
        """Ends the threads."""
        self._live.stop()
        self._follower.stop()

    @property
    def ready(self) -> bool:
        """Whether everything was read to its end once."""
        return self._follower.caught_up.is_set() and self._live.wait(0)

    @property
    def problem(self) -> str:
        """A sentence while the log cannot be read, else empty."""
        return self._follower.problem or self._live.problem

    def similar(self, name: str) -> str:
        """Names like this one; remembered, for whoever is wrong once may be so often."""
        return self._similar(name)

    def _look_up(self, name: str) -> str:
        with self._follower.lock:
            return super().similar(name)

    def _take_message(self, message: Message) -> None:
        where = (str(message.topic()), int(message.partition() or 0))
        self.take(*where, message.key(), message.value(), message.timestamp()[1])
