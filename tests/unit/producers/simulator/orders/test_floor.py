"""The desk on the real exchange: stepping markets, tapes, and days that roll."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

import orjson
import pytest

from producers.simulator.errors import KiteError
from producers.simulator.exchange import Exchange
from producers.simulator.orders.faults import OrderFaults
from producers.simulator.orders.floor import Trading
from producers.simulator.orders.journal import Journal
from producers.simulator.packets import full_packets
from schemas.calendar import calendar_of
from schemas.market import Instrument
from tests.unit.producers.simulator.orders.stand import limit, request

SPY = Instrument("NYSE:SPY", "kite", 15_000_001 << 8 | 1, "NYSE", "SPY", "SPDR", "EQ", "NYSE", 0.01, 1)
FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)


def on(day: date, *clock: int) -> int:
    return int(datetime.combine(day, time(*clock), calendar_of("NSE").zone).timestamp()) * 1_000_000


@dataclass
class Hand:
    """A market clock that stands where the test puts it."""

    at_us: int
    speed: float = 1000.0

    def now_us(self) -> int:
        return self.at_us

    def at_wall(self, wall_us: int) -> int:
        return wall_us

    def wall_us(self, market_us: int) -> int:
        return market_us


class Place:
    """An exchange with a desk, and the frames that it sends."""

    def __init__(self, folder: Path, at_us: int) -> None:
        self.frames: list[dict[str, object]] = []
        self.clock = Hand(at_us)
        self.exchange = Exchange(1, 100, self.clock)
        self.faults = OrderFaults(lambda frame: self.frames.append(orjson.loads(frame)["data"]))
        self.trading = Trading(self.exchange, Journal(folder), self.faults, None)
        self.desk = self.trading.desk

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        """A story while the market moves."""

        async def both() -> None:
            task = asyncio.create_task(self.exchange.run())
            try:
                await story()
                assert not task.done()
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

        asyncio.run(both())

    async def to(self, at_us: int) -> None:
        """The market follows the clock to here."""
        self.clock.at_us = at_us
        async with asyncio.timeout(30):
            while self.exchange.market.moment_of(at_us) != self.exchange.market.moment:  # noqa: ASYNC110
                await asyncio.sleep(0.002)


def test_a_large_order_is_filled_from_step_to_step(tmp_path: Path) -> None:
    place = Place(tmp_path, on(FRIDAY, 11))
    depth = place.exchange.packet("NSE:INFY")["depth"]["quantity"][5:].sum()
    price = int(place.exchange.packet("NSE:INFY")["last_price"]) / 100
    quantity = int(depth) * 2
    order = place.desk.book.find(place.desk.place(limit(round(price * 1.05, 1), quantity=quantity)))
    assert order.now.filled == depth

    async def story() -> None:
        at_us = place.clock.at_us
        while order.left and at_us < on(FRIDAY, 11, 10):
            at_us += 500_000
            await place.to(at_us)

    place.run(story)
    assert order.now.status == "COMPLETE"
    assert len({trade.at_us for trade in order.trades}) > 1
    assert [frame["status"] for frame in place.frames][:2] == ["OPEN", "UPDATE"]
    assert place.frames[-1]["status"] == "COMPLETE"
    assert place.frames[-1]["filled_quantity"] == quantity


def test_the_end_of_the_session_cancels_orders_and_a_new_day_begins(tmp_path: Path) -> None:
    place = Place(tmp_path, on(FRIDAY, 15, 29, 50))
    last = int(place.exchange.packet("NSE:INFY")["last_price"]) / 100
    order = place.desk.book.find(place.desk.place(limit(round(last * 0.95), quantity=10)))
    held = place.desk.book.find(place.desk.place(request(product="CNC", quantity=10)))
    assert (order.now.status, held.now.status) == ("OPEN", "COMPLETE")
    place.clock.at_us = on(FRIDAY, 15, 31)
    with pytest.raises(KiteError, match="closed"):
        place.desk.place(request())

    async def story() -> None:
        async with asyncio.timeout(30):
            while place.desk.book.live:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            place.clock.at_us = on(MONDAY, 9, 15, 2)
            while place.desk.book.day != "2026-11-23":  # noqa: ASYNC110
                await asyncio.sleep(0.002)

    place.run(story)
    assert order.now.status == "CANCELLED"
    assert place.desk.book.account.holdings["NSE:INFY"].quantity == 10
    assert [path.name for path in tmp_path.glob("orders-*")] == ["orders-2026-11-20.jsonl"]


def test_on_a_tape_orders_are_filled_at_its_last_price(tmp_path: Path) -> None:
    place = Place(tmp_path, on(FRIDAY, 11))
    place.exchange.register(SPY)
    with pytest.raises(KiteError, match="closed"):
        place.desk.place(request(SPY))

    def send(*prices: int) -> None:
        asyncio.run(_send(place.exchange, prices))

    send(10_000)
    bought = place.desk.book.find(place.desk.place(request(SPY, quantity=10**6)))
    assert [(trade.quantity, trade.price) for trade in bought.trades] == [(10**6, 10_000)]
    low, stop = (
        place.desk.book.find(place.desk.place(fields))
        for fields in (
            limit(99.5, SPY),
            request(SPY, order_type="SL-M", trigger_price=100.2, market_protection=5),
        )
    )
    send(10_010, 9_960, 10_005)
    assert (low.now.status, stop.now.status) == ("OPEN", "TRIGGER PENDING")
    send(10_010, 9_940, 10_025, 10_001)  # both prices passed within one delivery
    assert (low.trades[0].price, stop.trades[0].price) == (9_950, 10_025)


async def _send(exchange: Exchange, prices: tuple[int, ...]) -> None:
    await exchange.send(full_packets(SPY.token, last_price=list(prices), exchange_time=1_700_000_000))


def test_frames_that_go_wrong(tmp_path: Path) -> None:
    place = Place(tmp_path, on(FRIDAY, 11))

    def statuses() -> list[object]:
        place.desk.place(request(quantity=1))
        made = [frame["status"] for frame in place.frames]
        place.frames.clear()
        return made

    async def story() -> None:
        assert statuses() == ["OPEN", "COMPLETE"]
        place.faults.set("duplicate-frames", 1)
        assert statuses() == ["OPEN", "OPEN", "COMPLETE"]
        place.faults.set("no-frames", 1)
        assert statuses() == ["COMPLETE"]
        place.faults.set("late-frames", 2)
        assert statuses() == ["COMPLETE", "OPEN"]
        place.faults.set("late-frames", 9)
        assert statuses() == []
        place.faults.set("none", 0)
        assert [frame["status"] for frame in place.frames] == ["COMPLETE", "OPEN"]

    asyncio.run(story())
