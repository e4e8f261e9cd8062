"""The exchange: the market's steps on the market clock, and who gets which packets."""

from __future__ import annotations

import asyncio
import time
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from infra.clock import Clock
from infra.errors import UserError
from producers.simulator.catalogue import catalogue
from producers.simulator.connection import Connection
from producers.simulator.market import Market, Moment
from producers.simulator.minute import Minute
from producers.simulator.packets import Packets, cut, frames
from producers.simulator.path import STEP_US, STEPS, previous_day
from schemas.calendar import calendar_of
from schemas.market import Instrument

Column = NDArray[Any]
MOST_STEPS = 40  # steps sent one by one when the loop is late; beyond, they are merged into one
IDLE_S = 0.5


class Pit(Protocol):
    """Who trades on the market: it is told of each step at once, before the packets leave."""

    def stepped(self, rows: Column) -> None:
        """These rows have changed."""
        ...

    def played(self, packets: Packets) -> None:
        """A tape sends these full packets, in this order."""
        ...

    def closed(self) -> None:
        """The session is over; it may be said more than once."""
        ...

    def opened(self) -> None:
        """A new day's market is there, after its first step."""
        ...


class Exchange:
    """One market, its clock and its connections. All methods belong to the event loop's thread."""

    def __init__(self, seed: int, size: int, clock: Clock, load: bool = False) -> None:
        self.seed, self.size, self.load = seed, size, load
        self.clock = clock
        self.connections: set[Connection] = set()
        self.extras: dict[int, Instrument] = {}
        self.extra_packets: dict[int, Packets] = {}  # token -> its last packet, shape (1,)
        self.silent_until = 0.0  # monotonic seconds; until then nothing is sent
        self.merged_steps = 0
        self.pit: Pit | None = None
        self._log = structlog.get_logger(process="simulator")
        now = clock.now_us()
        self.market = _market(seed, size, trading_day(now), load)
        self.market.at(self.market.moment_of(now) or self.market.last_moment)

    # --- the tape's seam ---

    def register(self, instrument: Instrument) -> None:
        """Lists an instrument that is not the market's own; the same token again replaces it. UserError when taken."""
        if instrument.token in self.market.catalogue.row_of:
            raise UserError(f"Token {instrument.token} belongs to the simulator's own market: give another one.")
        if instrument.instrument in self.market.catalogue.row_named:
            raise UserError(f"{instrument.instrument} is traded by the simulator itself: give another name.")
        self.extras[instrument.token] = instrument

    def unregister(self, token: int) -> None:
        """Takes an instrument off the list; unknown tokens are ignored."""
        self.extras.pop(token, None)
        self.extra_packets.pop(token, None)

    def subscribers(self, token: int) -> int:
        """How many connections are subscribed to a token."""
        return sum(token in connection.modes for connection in self.connections)

    async def send(self, packets: Packets) -> int:
        """Delivers full packets in order, every one, to whoever is subscribed; waits for slow clients.

        Returns how many packets were delivered, over all connections. The last packet of each token becomes its
        snapshot for those who subscribe later.
        """
        tokens, which = np.unique(packets["token"].astype(np.int64), return_inverse=True)
        for n, token in enumerate(tokens):
            self.extra_packets[int(token)] = packets[np.flatnonzero(which == n)[-1:]].copy()
        if self.pit is not None:
            self.pit.played(packets)
        sent = [self._deliver(connection, packets, tokens, which) for connection in list(self.connections)]
        return sum(await asyncio.gather(*sent))

    async def _deliver(self, connection: Connection, packets: Packets, tokens: Column, which: Column) -> int:
        modes = np.array([connection.modes.get(int(token), 0) for token in tokens], np.int16)[which]
        if self.is_silent or not modes.any():
            return 0
        edges = np.flatnonzero(np.diff(modes, prepend=-1, append=-1))  # runs of packets in the same mode
        runs = [(start, stop, int(modes[start])) for start, stop in pairwise(edges)]
        try:
            await connection.put(frames([cut(packets[start:stop], mode) for start, stop, mode in runs if mode]))
        except ConnectionError:
            return 0
        return int(np.count_nonzero(modes))

    # --- clients ---

    def snapshot(self, connection: Connection, tokens: list[int]) -> None:
        """Sends the current packets of these of a connection's tokens, as Kite does on subscribe and on mode."""
        if self.is_silent:
            return
        connection.snapshot(self.market, connection.rows(tokens))
        known = [(self.extra_packets[t], connection.modes[t]) for t in tokens
                 if t in self.extra_packets and t in connection.modes]  # fmt: skip
        for frame in frames([cut(packet, mode) for packet, mode in known]):
            connection.say(frame)

    def tell(self, text: str) -> None:
        """Sends a text frame to every connection: they are all of the one account."""
        if not self.is_silent:
            for connection in self.connections:
                connection.say(text)

    def packet(self, name: str) -> np.void | None:
        """The current packet of ``EXCHANGE:SYMBOL``, full or index; None when unknown or nothing has come yet."""
        listed = self.market.catalogue
        row = listed.row_named.get(name)
        if row is not None:
            packets, at = (
                (self.market.index, row) if row < listed.indices else (self.market.tradable, row - listed.indices)
            )
            found: np.void = packets[at]
            return found
        last = (self.extra_packets.get(entry.token) for entry in self.extras.values() if entry.instrument == name)
        return next((packet[0] for packet in last if packet is not None), None)

    def find(self, name: str) -> Instrument | None:
        """What is listed today as ``EXCHANGE:SYMBOL``."""
        listed = self.market.catalogue
        row = listed.row_named.get(name)
        if row is not None:
            return listed.instruments[row]
        return next((entry for entry in self.extras.values() if entry.instrument == name), None)

    def local_time(self, at_us: int) -> str:
        """An instant as Kite writes it, in the exchange's own time."""
        return datetime.fromtimestamp(at_us / 1e6, calendar_of("NSE").zone).strftime("%Y-%m-%d %H:%M:%S")

    def instruments(self) -> list[Instrument]:
        """All that is listed today."""
        return [*self.market.catalogue.instruments, *self.extras.values()]

    @property
    def is_silent(self) -> bool:
        """Whether the exchange was told to say nothing for a while."""
        return time.monotonic() < self.silent_until

    # --- the market's steps ---

    async def run(self) -> None:
        """Moves the market with the clock, for ever."""
        ahead: asyncio.Task[Minute] | None = None
        while True:
            now = self.clock.now_us()
            if trading_day(now) != self.market.catalogue.day:
                await self._open_day(now)
                ahead = None
            moment = self.market.moment_of(now)
            if moment is None:  # between two sessions of the real clock
                await self._close()
                await asyncio.sleep(IDLE_S)
                continue
            planned = None
            if ahead is not None and moment.minute != self.market.moment.minute:
                planned, ahead = await ahead, None
            await self._step_to(moment, planned)
            if ahead is None and moment.minute < self.market.last_moment.minute:
                ahead = asyncio.create_task(asyncio.to_thread(self.market.plan, moment.minute + 1))
            await self._until_step_after(moment)

    async def _step_to(self, moment: Moment, planned: Minute | None = None) -> None:
        start, goal = self.market.moment.number, moment.number
        if goal - start > MOST_STEPS:
            self.merged_steps += goal - start - 1
            self._log.warning("late: steps are merged", steps=goal - start)
            start = goal - 1
        for number in range(start + 1, goal + 1):
            changed, moved = self.market.advance(Moment(*divmod(number, STEPS)), planned)
            if self.pit is not None:
                self.pit.stepped(changed)
            if not self.is_silent:
                for connection in self.connections:
                    connection.tick(self.market, changed, moved)
            await asyncio.sleep(0)  # so that this step is on its way before the next

    async def _until_step_after(self, moment: Moment) -> None:
        following = self.market.path.session.open_us + (moment.number + 1) * STEP_US
        left = (following - self.clock.now_us()) / 1e6 / self.clock.speed
        # at the session's end the simulated clock is at once in the next day: then `left` is negative
        await asyncio.sleep(min(max(0.001, left), IDLE_S))

    async def _close(self) -> None:
        await self._step_to(self.market.last_moment)
        if self.pit is not None:
            self.pit.closed()

    async def _open_day(self, now: int) -> None:
        await self._close()
        day = trading_day(now)
        market = await asyncio.to_thread(_market, self.seed, self.size, day, self.load)
        planned = await asyncio.to_thread(market.plan, 0)
        market.advance(Moment(0, 0), planned)
        self.market = market
        if self.pit is not None:
            self.pit.opened()
        every = np.arange(len(market.catalogue))
        for connection in self.connections:
            connection.relist(market.catalogue)
            if not self.is_silent:
                connection.tick(market, every, every)
        self._log.info("a new day", day=day.isoformat(), instruments=len(market.catalogue))


def trading_day(at_us: int) -> date:
    """The day of the session that is open at an instant, or else of the last one before it."""
    day = calendar_of("NSE").day_of(at_us)
    session = calendar_of("NSE").session(day)
    return day if session is not None and session.open_us <= at_us else previous_day(day)


def _market(seed: int, size: int, day: date, load: bool) -> Market:
    return Market(seed, catalogue(seed, day, size, load))
