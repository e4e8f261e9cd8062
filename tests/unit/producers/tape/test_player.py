"""Tapes on a real exchange with a real websocket: what arrives is read by the official client's parser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import KiteTicker
from websockets.asyncio.client import ClientConnection, connect

from infra.clock import WallClock
from infra.errors import UserError
from producers.simulator.exchange import Exchange
from producers.simulator.sessions import Sessions
from producers.simulator.sockets import Sockets
from producers.tape.control import control
from producers.tape.formats import Trades
from producers.tape.player import instrument_of, midnight_us, to_columns

SPY = instrument_of("NYSE:SPY")
DAY = "2013-10-07"


def tape(folder: Path, count: int) -> Path:
    """A tape of so many trades, one each millisecond from 09:30."""
    rows = (f"{34_200_000 + n},{1_674_100 + n % 7 * 100},{n % 5 + 1},P,0,0" for n in range(count))
    path = folder / "spy.csv"
    path.write_text("\n".join(rows))
    return path


class Client:
    """A subscriber at the simulator."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._parse = KiteTicker("key", "token")._parse_binary

    async def wants(self, mode: str) -> None:
        for request in ({"a": "subscribe", "v": [SPY.token]}, {"a": "mode", "v": [mode, [SPY.token]]}):
            await self._socket.send(json.dumps(request))

    async def ticks(self, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += self._parse(await asyncio.wait_for(self._socket.recv(), 20))
        return found


@asynccontextmanager
async def simulator() -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """The tape's addresses, and a function that connects a client."""
    clock = WallClock()
    exchange, sessions = Exchange(1, 100, clock), Sessions("key", "secret", clock)
    token = sessions._sign(1 + int(datetime.now(UTC).timestamp() * 1e6), 1 << 31)
    app = FastAPI()
    app.include_router(control(exchange))
    web = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator")
    async with Sockets(exchange, sessions).serve(0) as server, web:
        port = next(iter(server.sockets)).getsockname()[1]
        query = urlencode({"api_key": "key", "access_token": token})
        yield web, lambda: connect(f"ws://127.0.0.1:{port}?{query}", compression=None, close_timeout=0.2)


async def state(web: httpx.AsyncClient, wanted: str) -> dict[str, Any]:
    """Waits for a state."""
    while True:
        now: dict[str, Any] = (await web.get("/simulator/tape/NYSE:SPY")).json()
        if now["state"] == wanted:
            return now
        await asyncio.sleep(0.01)


def order(path: Path, **more: Any) -> dict[str, Any]:
    return {"file": str(path), "instrument": "NYSE:SPY", "day": DAY, **more}


def test_every_trade_arrives_once_and_in_order(tmp_path: Path) -> None:
    async def play() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        async with simulator() as (web, client):
            started = await web.post("/simulator/tape", json=order(tape(tmp_path, 5000)))
            assert started.json()["state"] == "waiting"
            async with client() as socket:
                here = Client(socket)
                await here.wants("full")
                return await here.ticks(5000), await state(web, "done")

    ticks, last = asyncio.run(play())
    assert last["sent"] == last["total"] == 5000
    assert [tick["last_traded_quantity"] for tick in ticks] == [n % 5 + 1 for n in range(5000)]
    assert [tick["volume_traded"] for tick in ticks] == np.cumsum([n % 5 + 1 for n in range(5000)]).tolist()
    assert [tick["last_price"] for tick in ticks[:8]] == [
        167.41,
        167.42,
        167.43,
        167.44,
        167.45,
        167.46,
        167.47,
        167.41,
    ]
    assert {tick["mode"] for tick in ticks} == {"full"}
    assert ticks[-1]["last_trade_time"].timestamp() == datetime(2013, 10, 7, 13, 30, 4, tzinfo=UTC).timestamp()
    assert ticks[-1]["ohlc"] == {"open": 167.41, "high": 167.47, "low": 167.41, "close": 0}


def test_it_waits_for_mode_full_and_goes_on_where_its_listener_left(tmp_path: Path) -> None:
    async def play() -> None:
        async with simulator() as (web, client):
            await web.post("/simulator/tape", json=order(tape(tmp_path, 200), speed=1.0))
            async with client() as socket:
                await Client(socket).wants("quote")
                assert (await state(web, "waiting"))["sent"] == 0
                await Client(socket).wants("full")
                await Client(socket).ticks(20)
            heard = (await state(web, "waiting"))["sent"]
            assert 20 <= heard < 200
            async with client() as socket:
                await Client(socket).wants("full")
                assert (await state(web, "done"))["sent"] == 200

    asyncio.run(play())


def test_starts_that_cannot_be_are_refused_in_a_sentence(tmp_path: Path) -> None:
    async def play() -> None:
        async with simulator() as (web, _):
            path = tape(tmp_path, 10)
            assert (await web.post("/simulator/tape", json=order(path))).status_code == 200
            second = await web.post("/simulator/tape", json=order(path))
            assert (second.status_code, second.json()["error"]) == (
                409,
                "A tape of NYSE:SPY is playing already; stop it first.",
            )
            assert (await web.delete("/simulator/tape/NYSE:SPY")).json()["state"] == "stopped"
            none = await web.post("/simulator/tape", json=order(tmp_path / "none.csv"))
            assert (none.status_code, none.json()["error"]) == (409, f"There is no file {tmp_path}/none.csv.")
            assert (await web.delete("/simulator/tape/NYSE:IBM")).status_code == 404

    asyncio.run(play())


def test_new_york_is_four_hours_behind_in_summer_and_five_in_winter() -> None:
    assert midnight_us("NYSE", date(2013, 10, 7)) == int(datetime(2013, 10, 7, 4, tzinfo=UTC).timestamp()) * 1_000_000
    assert midnight_us("NYSE", date(2013, 12, 9)) == int(datetime(2013, 12, 9, 5, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize("name", ["SPY", "NYSE:", ":SPY", "MOON:SPY", ""])
def test_names_that_are_no_instruments(name: str) -> None:
    with pytest.raises(UserError):
        instrument_of(name)


@given(st.lists(st.tuples(st.integers(1, 100_000), st.integers(0, 1000)), min_size=1, max_size=50))
def test_the_day_so_far(rows: list[tuple[int, int]]) -> None:
    price, quantity = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    told = to_columns(Trades(np.arange(len(rows)), price * 100, quantity))
    for n in range(1, len(rows) + 1):
        assert told["open"][n - 1] == price[0]
        assert told["high"][n - 1] == max(price[:n])
        assert told["low"][n - 1] == min(price[:n])
        assert told["volume"][n - 1] == sum(quantity[:n])


def test_finer_prices_than_packets_carry_are_refused() -> None:
    with pytest.raises(UserError, match=r"Trade 2 of the tape costs 1\.2345"):
        to_columns(Trades(np.arange(2), np.array([12300, 12345]), np.ones(2, np.int64)))
