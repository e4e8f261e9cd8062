"""The running console: the folds that it keeps and the threads that keep them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from confluent_kafka import Message

from infra.clock import EXCHANGE, market_clock
from infra.settings import Settings
from schemas.calendar import calendar_of
from schemas.topics import FEED_POOLS, FEED_STATUS, INSTRUMENTS, SUBSCRIPTIONS
from streams.archive.reader import CandleReader
from streams.archive.risk import RiskReader
from streams.console.algo_desk import AlgoDesk
from streams.console.desk import FeedDesk
from streams.console.feed import FeedState
from streams.console.probes import Probes
from streams.console.risk_desk import RiskDesk
from streams.console.trading_desk import OrderDesk
from streams.console.trading_log import MOST_READ, REWIND_S, TOPICS, TradingLog
from streams.console.writing import LogWriter
from streams.fleet.desk import FleetDesk
from streams.fleet.log import FleetLog
from streams.fleet.signing import Signer, control_key
from streams.prices.follow import Follower
from streams.prices.reader import LivePrices


class Console:
    """Everything behind the API. Built once a process; ``start`` makes its threads, ``stop`` ends them."""

    def __init__(self, of: Settings) -> None:
        self.settings = of
        self.clock = market_clock()
        self.prices = LivePrices(of)
        self.feed = FeedState()
        self.follower = Follower("feed", [INSTRUMENTS, SUBSCRIPTIONS, FEED_STATUS, FEED_POOLS], self._take, of)
        self.desk = FeedDesk(self.feed, self.follower, of)
        self.fleet = FleetLog(of)
        writer = LogWriter(of, self.fleet.follower)
        key = control_key(of.home)
        self.fleet_desk = FleetDesk(lambda: self.fleet.state, writer.write, Signer("console", key))
        self.algo_desk = AlgoDesk(self.fleet, self.fleet_desk, self.desk, writer)
        self.trading = TradingLog()
        self.trading_follower = Follower("trading", TOPICS, self._take_trading, of, rewind_s=REWIND_S, most=MOST_READ)
        orders = LogWriter(of, self.trading_follower)
        self.order_desk = OrderDesk(self.trading, self.trading_follower, orders, self.desk, self.clock, self.price)
        self.probes = Probes(of)
        self.risk_desk = RiskDesk(of, self.trading_follower, self.fleet.follower, Signer("console", key), self.clock)
        self._archive: CandleReader | None = None
        self._risk_archive: RiskReader | None = None

    def start(self) -> None:
        """Begins to read and to ask."""
        self.follower.start()
        self.fleet.follower.start()
        self.trading_follower.start()
        self.prices.start()
        self.probes.start()

    def stop(self) -> None:
        """Ends all threads."""
        self.probes.stop()
        self.prices.stop()
        self.trading_follower.stop()
        self.fleet.follower.stop()
        self.follower.stop()

    @property
    def archive(self) -> CandleReader | None:
        """The stored candles; None until Cassandra answered once."""
        if self._archive is None and (session := self.probes.cassandra_session) is not None:
            self._archive = CandleReader(session)
        return self._archive

    @property
    def risk_archive(self) -> RiskReader | None:
        """The stored days of risk; None until Cassandra answered once."""
        if self._risk_archive is None and (session := self.probes.cassandra_session) is not None:
            self._risk_archive = RiskReader(session)
        return self._risk_archive

    def price(self, instrument: str) -> float | None:
        """The last price that this process has seen."""
        last = self.prices.last(instrument)
        return last.price or None if last else None

    def _take_trading(self, message: Message) -> None:
        at = (str(message.topic()), message.key(), message.value(), int(message.offset() or 0))
        self.trading.take(*at, message.timestamp()[1] / 1000)

    def _take(self, message: Message) -> None:
        at_s = message.timestamp()[1] / 1000
        where = (str(message.topic()), int(message.partition() or 0))
        self.feed.take(*where, message.key(), message.value(), at_s)

    @property
    def ready(self) -> bool:
        """Whether the topics were read to their end once."""
        return all(f.caught_up.is_set() for f in (self.follower, self.fleet.follower, self.trading_follower))

    @property
    def problem(self) -> str:
        """One sentence while the log cannot be read."""
        return self.follower.problem or self.fleet.follower.problem or self.trading_follower.problem

    def market_time(self, market_us: int) -> str:
        """A market time for people: ISO, in the exchange's zone."""
        zone = calendar_of(EXCHANGE).zone
        return datetime.fromtimestamp(market_us / 1e6, UTC).astimezone(zone).isoformat(timespec="milliseconds")

    def age_s(self, market_us: int) -> float:
        """Seconds of the wall clock since an instant of market time."""
        return round(max(0.0, time.time() - self.clock.wall_us(market_us) / 1e6), 3)

    def pools(self) -> dict[str, int]:
        """Wanted workers by computer. Call it under the follower's lock."""
        return {self.settings.feed_pool: self.settings.feed_workers, **self.feed.pools}

    def wanted_workers(self) -> int:
        """Wanted workers on all computers. Call it under the follower's lock."""
        return sum(self.pools().values())
