"""Playing recorded trades on the simulated exchange: each trade becomes one full packet of Kite's.

A recorded market waits for its audience: while nobody is subscribed to the instrument, its time stands still.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from infra.errors import UserError
from producers.simulator.exchange import Exchange
from producers.simulator.packets import FULL_MODE, full_packets
from producers.tape.formats import PRICE_UNIT, Trades
from schemas.calendar import calendar_of
from schemas.market import Instrument

HUNDREDTHS = PRICE_UNIT // 100
CHUNK = 1500  # packets handed to the sockets at once: five frames
LOOK_AGAIN_S = 0.02
TOKENS = range(15_000_000, 1 << 24)  # exchange tokens that the simulator keeps free
NSE_SEGMENT = 1  # Kite knows no other exchange's shares; prices in hundredths

State = Literal["waiting", "playing", "done", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tape is. Times are those of its trades; ``seconds`` of the wall clock, waiting left out."""

    instrument: str
    state: State
    detail: str  # why it failed
    sent: int
    total: int
    first_us: int
    last_us: int
    at_us: int  # the last trade sent
    seconds: float

    def to_json(self) -> dict[str, object]:
        """As the simulator's address gives it."""
        return asdict(self)


def instrument_of(name: str) -> Instrument:
    """The record of a recorded instrument, ``EXCHANGE:SYMBOL``. UserError when the name has another form."""
    exchange, _, symbol = name.partition(":")
    if not exchange or not symbol:
        raise UserError(f"An instrument is written EXCHANGE:SYMBOL, as NYSE:SPY, not {name!r}.")
    try:
        calendar_of(exchange)
    except KeyError as error:
        raise UserError(f"There is {error.args[0]}.") from error
    token = TOKENS[zlib.crc32(name.encode()) % len(TOKENS)] << 8 | NSE_SEGMENT
    return Instrument(name, "kite", token, exchange, symbol, f"{symbol} (recorded)", "EQ", exchange, 0.01, 1)


def midnight_us(exchange: str, day: date) -> int:
    """The start of a day where the exchange is."""
    start = datetime.combine(day, datetime.min.time(), calendar_of(exchange).zone)
    return int(start.timestamp()) * 1_000_000


def to_columns(trades: Trades) -> dict[str, NDArray[np.int64]]:
    """What a packet says of the day after each trade. UserError for a price that a packet can't carry exactly.

    The previous day's close is not on the tape: it is left at 0, Kite's "unknown".
    """
    if (odd := trades.price % HUNDREDTHS != 0).any():
        row = int(odd.argmax())
        price = trades.price[row] / PRICE_UNIT
        raise UserError(f"Trade {row + 1} of the tape costs {price}: Kite's packets carry hundredths at the finest.")
    price, volume = trades.price // HUNDREDTHS, trades.volume
    if volume[-1] >= 1 << 32:
        raise UserError(f"The tape's volume of {volume[-1]} is more than Kite's packets can carry (2^32).")
    return {
        "last_price": price,
        "last_quantity": trades.quantity,
        "volume": volume,
        "average_price": np.cumsum(price * trades.quantity) // np.maximum(volume, 1),
        "open": np.full(len(price), price[0]),
        "high": np.maximum.accumulate(price),
        "low": np.minimum.accumulate(price),
    }


class Player:
    """One tape on its way. ``speed`` is a multiple of real time; infinity: as fast as the subscribers take it."""

    def __init__(self, exchange: Exchange, instrument: Instrument, trades: Trades, day: date, speed: float) -> None:
        self._exchange = exchange
        self._token = instrument.token
        self._instrument = instrument.instrument
        self._times_us = midnight_us(instrument.exchange, day) + trades.since_midnight_us
        self._columns = to_columns(trades)
        self._columns["last_trade_time"] = self._columns["exchange_time"] = self._times_us // 1_000_000
        self._speed = speed
        self._sent = 0
        self._played_s = 0.0
        self._state: State = "waiting"
        self._detail = ""

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        times = self._times_us
        at_us = int(times[max(self._sent - 1, 0)])
        return Progress(
            self._instrument, self._state, self._detail, self._sent, len(times),
            int(times[0]), int(times[-1]), at_us, self._played_s,
        )  # fmt: skip

    async def play(self) -> None:
        """Sends every trade, in order, none left out; ends when all are sent or the task is cancelled."""
        try:
            while self._sent < len(self._times_us):
                await self._step()
            self._state = "done"
        except Exception as error:
            self._state, self._detail = "failed", str(error) or type(error).__name__
            raise

    def stopped(self) -> None:
        """Its task was cancelled."""
        if self._state in ("waiting", "playing"):
            self._state = "stopped"

    @property
    def _is_heard(self) -> bool:
        """Whether somebody is subscribed in mode full: a lesser one, Kite's first after a subscribe, has no times."""
        return any(connection.modes.get(self._token) == FULL_MODE for connection in self._exchange.connections)

    async def _step(self) -> None:
        started = time.perf_counter()
        if not self._is_heard:
            self._state = "waiting"
            await asyncio.sleep(LOOK_AGAIN_S)
            return
        self._state = "playing"
        if upto := self._due():
            await self._exchange.send(self._packets(slice(self._sent, upto)))
            self._sent = upto
        await asyncio.sleep(0 if upto else LOOK_AGAIN_S)
        self._played_s += time.perf_counter() - started

    def _due(self) -> int:
        """Up to which trade the tape's time has come; 0 when to none that is not sent yet."""
        now_us = self._times_us[0] + self._played_s * self._speed * 1e6 if self._played_s else self._times_us[0]
        due = min(int(np.searchsorted(self._times_us, now_us, "right")), self._sent + CHUNK)
        return due if due > self._sent else 0

    def _packets(self, rows: slice) -> NDArray[np.void]:
        return full_packets(self._token, **{name: column[rows] for name, column in self._columns.items()})
