"""The exchange with real sockets and a clock in the test's hand: the tape's seam, slow clients, days that roll."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import numpy as np
import pytest
from kiteconnect import KiteTicker
from websockets.asyncio.client import ClientConnection, connect

from infra.errors import UserError
from producers.simulator.connection import OUTBOX_BYTES
from producers.simulator.exchange import Exchange
from producers.simulator.packets import FRAME_PACKETS, full_packets
from producers.simulator.path import session_of
from producers.simulator.sessions import Sessions
from producers.simulator.sockets import Sockets
from schemas.calendar import calendar_of
from schemas.market import Instrument

PARSER = KiteTicker("key", "token")
SPY = Instrument("NYSE:SPY", "kite", 15_000_001 << 8 | 1, "NYSE", "SPY", "SPDR", "EQ", "NYSE", 0.01, 1)
FRIDAY = date(2026, 11, 20)


@dataclass
class Hand:
    """A market clock that stands where the test puts it."""

    at_us: int
    speed: float = 1000.0

    def now_us(self) -> int:
        return self.at_us

    def wall_us(self, market_us: int) -> int:
        return market_us


def on(day: date, *clock: int) -> int:
    return int(datetime.combine(day, time(*clock), calendar_of("NSE").zone).timestamp()) * 1_000_000


@dataclass
class Place:
    """An exchange that serves."""

    exchange: Exchange
    clock: Hand
    sessions: Sessions
    port: int

    def client(self) -> Any:
        """A connection with a token of its own, which lives until 06:00 of the next day of the clock."""
        request_token = self.sessions.request_token("key")
        checksum = hashlib.sha256(f"key{request_token}secret".encode()).hexdigest()
        token = self.sessions.access_token("key", request_token, checksum)
        url = f"ws://127.0.0.1:{self.port}?api_key=key&access_token={token}"
        return connect(url, compression=None, max_queue=None, close_timeout=1)


@asynccontextmanager
async def open_exchange(size: int = 100, load: bool = False, at_us: int = on(FRIDAY, 11)) -> AsyncIterator[Place]:
    clock = Hand(at_us)
    exchange, sessions = Exchange(1, size, clock, load), Sessions("key", "secret", clock)
    async with Sockets(exchange, sessions).serve(0) as server:
        yield Place(exchange, clock, sessions, server.sockets[0].getsockname()[1])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of tests
            await asyncio.sleep(0.005)


async def ask(wire: ClientConnection, verb: str, value: Any) -> None:
    await wire.send(json.dumps({"a": verb, "v": value}))


async def read(wire: ClientConnection, wanted: int, token: int) -> list[dict[str, Any]]:
    ticks: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while len(ticks) < wanted:
            frame = await wire.recv()
            if isinstance(frame, bytes) and len(frame) > 2:
                assert int.from_bytes(frame[:2], "big") <= FRAME_PACKETS
                ticks += [tick for tick in PARSER._parse_binary(frame) if tick["instrument_token"] == token]
    return ticks


def trades(count: int) -> Any:
    n = np.arange(count)
    return full_packets(SPY.token, last_price=16_700 + n % 7, last_quantity=n + 1, volume=np.cumsum(n + 1),
                        last_trade_time=1_381_152_600 + n // 100, exchange_time=1_381_152_600 + n // 100)  # fmt: skip


def test_a_tape_arrives_whole_in_order_and_in_each_ones_mode() -> None:
    async def story() -> None:
        async with open_exchange() as place, place.client() as full, place.client() as quote, place.client() as none:
            exchange = place.exchange
            await ask(full, "subscribe", [SPY.token])  # before it is listed: counts all the same
            await ask(full, "mode", ["full", [SPY.token]])
            await ask(quote, "subscribe", [SPY.token])
            await ask(none, "subscribe", [408065])
            exchange.register(SPY)
            assert SPY in exchange.instruments()
            await until(lambda: exchange.subscribers(SPY.token) == 2)
            await until(lambda: any(3 in c.modes.values() for c in exchange.connections))
            readers = asyncio.gather(*(read(wire, 20_000, SPY.token) for wire in (full, quote)))
            delivered = [await exchange.send(trades(20_000)[at : at + 3000]) for at in range(0, 20_000, 3000)]
            assert sum(delivered) == 40_000
            for ticks, mode in zip(await readers, ("full", "quote"), strict=True):
                assert [tick["last_traded_quantity"] for tick in ticks] == list(range(1, 20_001))
                assert {tick["mode"] for tick in ticks} == {mode}
            await ask(none, "subscribe", [SPY.token])
            assert (await read(none, 1, SPY.token))[0]["last_traded_quantity"] == 20_000  # its snapshot

    asyncio.run(story())


def test_the_tape_waits_for_a_slow_client_and_forgets_a_dead_one() -> None:
    async def story() -> None:
        async with open_exchange() as place, place.client() as slow:
            exchange = place.exchange
            await ask(slow, "subscribe", [SPY.token])
            await ask(slow, "mode", ["full", [SPY.token]])
            await until(lambda: any(3 in c.modes.values() for c in exchange.connections))
            slow.transport.pause_reading()
            sending = asyncio.create_task(exchange.send(trades(120_000)))
            (connection,) = exchange.connections
            await until(lambda: connection._waiting > OUTBOX_BYTES // 8)
            assert not sending.done()
            assert connection._waiting < OUTBOX_BYTES
            connection.cut()
            async with asyncio.timeout(20):
                assert await sending == 0

    asyncio.run(story())


def test_a_client_that_does_not_read_holds_up_nobody_and_gets_the_latest() -> None:
    async def story() -> None:
        async with open_exchange(1000, load=True) as place, place.client() as slow, place.client() as quick:
            exchange = place.exchange
            tokens = list(exchange.market.catalogue.row_of)
            for wire in (slow, quick):
                await ask(wire, "subscribe", tokens)
                await ask(wire, "mode", ["full", tokens])
            await until(lambda: sum(3 in c.modes.values() for c in exchange.connections) == 2)
            slow.transport.pause_reading()
            running, moved = asyncio.create_task(exchange.run()), 0
            stuck = next(c for c in exchange.connections if c._socket.remote_address == slow.local_address)
            while not stuck._behind.any():
                place.clock.at_us, moved = place.clock.at_us + 500_000, moved + 1
                await until(lambda: exchange.market.moment == exchange.market.moment_of(place.clock.at_us))
                await asyncio.wait_for(read(quick, 1, tokens[-1]), 20)
            assert stuck._waiting < OUTBOX_BYTES * 1.2
            slow.transport.resume_reading()
            await until(lambda: stuck._waiting == 0)
            place.clock.at_us += 500_000
            last = exchange.market.moment_of(place.clock.at_us)
            await until(lambda: exchange.market.moment == last and not stuck._behind.any())
            running.cancel()

    asyncio.run(story())


def test_what_the_market_has_cannot_be_registered() -> None:
    async def story() -> None:
        async with open_exchange() as place:
            taken = Instrument("NSE:INFY", "kite", 15_000_002 << 8 | 1, "NSE", "INFY", "", "EQ", "NSE", 0.05, 1)
            with pytest.raises(UserError, match="traded by the simulator itself"):
                place.exchange.register(taken)
            with pytest.raises(UserError, match="408065"):
                place.exchange.register(Instrument("X:Y", "kite", 408065, "X", "Y", "", "EQ", "X", 0.05, 1))
            place.exchange.register(SPY)
            place.exchange.unregister(SPY.token)
            assert SPY not in place.exchange.instruments()

    asyncio.run(story())


async def running(place: Place, story: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.create_task(place.exchange.run())
    try:
        await story()
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_a_day_rolls_into_the_next() -> None:
    async def story() -> None:
        async with open_exchange(at_us=on(FRIDAY, 15, 29, 58)) as place:
            exchange, monday = place.exchange, date(2026, 11, 23)

            async def roll() -> None:
                place.clock.at_us = on(monday, 8)  # Friday's tokens are dead: this client logs in before the session
                await until(lambda: exchange.market.moment == exchange.market.last_moment)
                async with place.client() as wire:
                    await ask(wire, "subscribe", [408065])
                    (before,) = await read(wire, 1, 408065)
                    place.clock.at_us = on(monday, 9, 15, 2)
                    await until(lambda: exchange.market.catalogue.day == monday and exchange.market.moment.number >= 4)
                    (first, *_) = await read(wire, 1, 408065)
                assert first["ohlc"]["close"] == before["last_price"]  # Friday's last trade is Monday's previous close
                assert first["volume_traded"] < before["volume_traded"]

            await running(place, roll)

    asyncio.run(story())


def test_an_exchange_that_is_late_merges_steps_and_says_so() -> None:
    async def story() -> None:
        async with open_exchange() as place:

            async def jump() -> None:
                place.clock.at_us += 600_000_000
                goal = place.exchange.market.moment_of(place.clock.at_us)
                await until(lambda: place.exchange.market.moment == goal)

            await running(place, jump)
            assert place.exchange.merged_steps == 1199
            fresh = Exchange(1, 100, place.clock)
            assert fresh.market.tradable.tobytes() == place.exchange.market.tradable.tobytes()

    asyncio.run(story())


def test_outside_sessions_of_the_real_clock_the_last_day_stands_still() -> None:
    async def story() -> None:
        async with open_exchange(at_us=on(date(2026, 11, 22), 12)) as place:
            exchange = place.exchange
            assert exchange.market.catalogue.day == FRIDAY
            assert exchange.market.moment == exchange.market.last_moment
            volume = int(exchange.packet("NSE:INFY")["volume"])

            async def wait() -> None:
                place.clock.at_us = session_of(date(2026, 11, 23)).open_us - 1
                for _ in range(50):
                    await asyncio.sleep(0)
                assert int(exchange.packet("NSE:INFY")["volume"]) == volume
                place.clock.at_us += 1
                await until(lambda: exchange.market.catalogue.day == date(2026, 11, 23))

            await running(place, wait)

    asyncio.run(story())
