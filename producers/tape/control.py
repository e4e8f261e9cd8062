"""The simulator's addresses that play a tape: start, look, stop. Loopback only, as all of the simulator."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from infra.errors import UserError
from producers.simulator.exchange import Exchange
from producers.tape.formats import read_tape
from producers.tape.player import Player, instrument_of


class Wanted(BaseModel):
    """What shall be played."""

    file: Path
    instrument: str
    day: date
    speed: float | None = Field(default=None, gt=0, description="multiple of real time; none: as fast as it is taken")


class Tapes:
    """The tapes of this exchange, one for each instrument."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._playing: dict[str, tuple[Player, asyncio.Task[None]]] = {}

    async def start(self, wanted: Wanted) -> Player:
        """Reads the file, lists the instrument and begins. UserError when that can't be."""
        if (entry := self._playing.get(wanted.instrument)) and not entry[1].done():
            raise UserError(f"A tape of {wanted.instrument} is playing already; stop it first.")
        instrument = instrument_of(wanted.instrument)
        trades = await asyncio.to_thread(read_tape, wanted.file)
        player = Player(self._exchange, instrument, trades, wanted.day, wanted.speed or float("inf"))
        self._exchange.register(instrument)
        self._playing[wanted.instrument] = player, asyncio.create_task(player.play())
        return player

    def find(self, instrument: str) -> Player:
        """The last tape of an instrument. UserError when there was none."""
        try:
            return self._playing[instrument][0]
        except KeyError:
            raise UserError(f"No tape of {instrument} was started.") from None

    async def stop(self, instrument: str) -> Player:
        """Stops it where it is."""
        player = self.find(instrument)
        task = self._playing[instrument][1]
        task.cancel()
        await asyncio.wait([task])
        player.stopped()
        return player


def control(exchange: Exchange) -> APIRouter:
    """Routes ``/simulator/tape``."""
    tapes = Tapes(exchange)
    router = APIRouter(prefix="/simulator/tape")

    @router.post("")
    async def start(wanted: Wanted) -> JSONResponse:
        try:
            player = await tapes.start(wanted)
        except UserError as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse(player.progress.to_json())

    @router.get("/{instrument}")
    async def look(instrument: str) -> JSONResponse:
        try:
            return JSONResponse(tapes.find(instrument).progress.to_json())
        except UserError as error:
            return JSONResponse({"error": str(error)}, 404)

    @router.delete("/{instrument}")
    async def stop(instrument: str) -> JSONResponse:
        try:
            return JSONResponse((await tapes.stop(instrument)).progress.to_json())
        except UserError as error:
            return JSONResponse({"error": str(error)}, 404)

    return router
