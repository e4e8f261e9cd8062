"""The provider's instruments, published once a market day; and those that others published."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from infra.clock import market_clock
from infra.kafka import consumer, dead_letter, end_offsets, produce_all, producer, read_compacted
from producers.feed.provider import ConnectionLostError, Provider
from schemas.calendar import calendar_of
from schemas.codec import UndecodableError, decode
from schemas.market import Instrument
from schemas.topics import INSTRUMENTS

LOOK_S = 0.5
log = structlog.get_logger()


class Catalogue:
    """The provider's instruments, published once a market day; and those that others published."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self.is_read = asyncio.Event()
        self._consumer: Consumer = consumer("feed-leader-instruments")
        self._consumer.assign([TopicPartition(INSTRUMENTS.name, 0, OFFSET_BEGINNING)])

    def token_of(self, instrument: str) -> int | None:
        """The instrument's token, or None when nobody published it."""
        return self._tokens.get(instrument)

    async def keep_fresh(self, provider: Provider) -> None:
        """Publishes what is new or changed, then follows the topic; again each market day."""
        known = {i.instrument: i for i in await asyncio.to_thread(_published)}
        self._tokens = {name: i.token for name, i in known.items()}
        published_for = None
        while True:
            today = calendar_of("NSE").day_of(market_clock().now_us())
            if today != published_for:
                try:
                    listed = await provider.instruments()
                except ConnectionLostError as error:
                    log.info("no instruments yet", reason=str(error))
                else:
                    new = [i for i in listed if known.get(i.instrument) != i]
                    await asyncio.to_thread(produce_all, [(INSTRUMENTS, None, i.instrument, i) for i in new])
                    known |= {i.instrument: i for i in new}
                    self._tokens |= {i.instrument: i.token for i in new}
                    published_for = today
                    log.info("instruments published", new_or_changed=len(new), listed=len(listed))
                    self.is_read.set()
            await asyncio.sleep(LOOK_S)

    async def catch_up(self) -> None:
        """Reads what others have published until now; who subscribes to an instrument has published it before."""
        place = TopicPartition(INSTRUMENTS.name, 0)
        end = (await asyncio.to_thread(end_offsets, INSTRUMENTS.name, [0]))[0]
        while self._consumer.position([place])[0].offset < end:
            self._follow()
            await asyncio.sleep(0)

    def _follow(self) -> None:
        for message in self._consumer.consume(5000, 0.05):
            if message.error() is None and message.value() is not None:
                with contextlib.suppress(UndecodableError):
                    instrument = decode(Instrument, message.value())
                    self._tokens[instrument.instrument] = instrument.token


def _published() -> Iterable[Instrument]:
    found: dict[bytes, Instrument] = {}
    writer = producer()
    for message in read_compacted(INSTRUMENTS):
        if message.value() is None:
            found.pop(message.key(), None)
            continue
        try:
            found[message.key()] = decode(Instrument, message.value())
        except UndecodableError as error:
            where = {"partition": message.partition(), "offset": message.offset()}
            dead_letter(writer, INSTRUMENTS, str(error), message.value(), source="feed-leader", **where)
    writer.flush(5)
    return found.values()
