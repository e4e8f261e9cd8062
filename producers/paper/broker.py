"""The paper exchange behind the gateway's interface."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import structlog
from confluent_kafka import KafkaException

from infra import kafka
from infra.clock import Clock, market_clock
from infra.errors import UserError
from infra.settings import Settings
from producers.gateway.broker import BrokerError, BrokerOrder, NotSentError
from producers.paper.exchange import Exchange
from producers.paper.order import PREFIX, PaperOrder
from producers.paper.past import Past
from producers.paper.ticks import TickReader
from schemas.codec import UndecodableError, decode
from schemas.order_state import OrderState
from schemas.orders import BrokerPosition, OrderEvent, OrderIntent, OrderVerdict
from schemas.topics import ORDER_EVENTS, ORDER_VERDICTS

ACCOUNT = "paper"
READ_S = 0.02  # the longest time for which a tick or an order waits for the other
AGAIN_S = 1.0
DAY_US = 86_400_000_000
log = structlog.get_logger()


class PaperBroker:
    """The account ``paper``. It reads the log when it is asked first, so be in charge by then."""

    account = ACCOUNT

    def __init__(self, of: Settings, clock: Clock | None = None) -> None:
        self._settings = of
        self._clock = clock or market_clock()
        self._exchange: Exchange | None = None
        self._starting = asyncio.Lock()
        self._news: asyncio.Queue[BrokerOrder] = asyncio.Queue()
        self._trading: asyncio.Task[None] | None = None

    async def place(self, intent: OrderIntent) -> str:
        """Accepts an order: at once, but it reaches the book only after a while."""
        exchange = await self._ready(NotSentError)
        self._tell(exchange.place(intent, self._clock.now_us()))
        return PREFIX + intent.id

    async def modify(self, intent: OrderIntent, broker_order: str, state: OrderState) -> None:
        """Takes up a change."""
        exchange = await self._ready(NotSentError)
        self._tell(exchange.modify(intent, broker_order, self._clock.now_us()))

    async def cancel(self, broker_order: str) -> None:
        """Takes up a cancel."""
        exchange = await self._ready(NotSentError)
        self._tell(exchange.cancel(broker_order, self._clock.now_us()))

    async def orders(self) -> list[BrokerOrder]:
        """Today's order book."""
        return (await self._ready(BrokerError)).shown()

    async def positions(self) -> list[BrokerPosition]:
        """All that is held."""
        return (await self._ready(BrokerError)).positions()

    async def updates(self) -> AsyncIterator[BrokerOrder]:
        """Each change as it happens."""
        while True:
            yield await self._news.get()

    async def close(self) -> None:
        """Ends trading."""
        if self._trading:
            self._trading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._trading

    async def _ready(self, error: type[BrokerError]) -> Exchange:
        async with self._starting:
            if self._exchange is None:
                try:
                    self._exchange = await asyncio.to_thread(restore, self._settings, self._clock)
                except (KafkaException, UserError) as cause:
                    raise error(f"The paper account cannot be read from Kafka: {cause}") from cause
                log.info("the paper account is restored", live=self._exchange.live, orders=len(self._exchange.orders))
                self._trading = asyncio.create_task(self._trade(self._exchange))
        if self._trading and self._trading.done():
            self._trading.result()  # it never ends by itself: whatever it was, this process must end too
        return self._exchange

    def _tell(self, changed: Iterable[PaperOrder]) -> None:
        exchange = self._exchange
        for order in changed:
            self._news.put_nowait(order.shown(settling=exchange is not None and exchange.is_settling(order)))

    async def _trade(self, exchange: Exchange) -> None:
        while True:
            try:
                reader = await asyncio.to_thread(TickReader, self._settings)
            except KafkaException as error:
                log.warning("no ticks can be read", reason=str(error))
                await asyncio.sleep(AGAIN_S)
                continue
            try:
                await self._follow(exchange, reader)
            except KafkaException as error:
                log.warning("ticks cannot be read any more", reason=str(error))
            finally:
                await asyncio.to_thread(reader.close)

    async def _follow(self, exchange: Exchange, reader: TickReader) -> None:
        while True:
            batches, instruments = await asyncio.to_thread(reader.read, READ_S)
            exchange.tick_sizes |= {each.instrument: each.tick_size for each in instruments if each.tick_size > 0}
            for batch in batches:
                self._tell(exchange.ticks(batch))
            if reader.caught_up:  # before, an order would arrive at a market of which nothing is known yet
                self._tell(exchange.time(self._clock.now_us()))


def restore(of: Settings, clock: Clock) -> Exchange:
    """The exchange as the log knows it. Blocks; KafkaException or UserError when the log cannot be read."""
    now_us, key = clock.now_us(), ACCOUNT.encode()
    past = Past(ACCOUNT, now_us)
    since_ms = clock.wall_us(now_us - DAY_US) // 1000  # an order lives no longer than its day
    for message in kafka.read_compacted(ORDER_VERDICTS, of=of):
        if message.key() == key and message.timestamp()[1] >= since_ms:
            with contextlib.suppress(UndecodableError):
                past.take_verdict(decode(OrderVerdict, message.value() or b""))
    for message in kafka.read_compacted(ORDER_EVENTS, of=of):
        if message.key() == key:
            with contextlib.suppress(UndecodableError):
                past.take_event(decode(OrderEvent, message.value() or b""))
    return past.restored()
