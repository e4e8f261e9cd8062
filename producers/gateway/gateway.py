"""One account's gateway: takes charge, reads what is known, and then sends and hears until it is told to stop.

All that decides runs in one event loop; Kafka's transactions, its reader and the broker's client wait in threads.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any, Literal

import structlog

from infra.brake import Brake
from infra.clock import Clock, market_clock
from infra.fenced import FencedError, FencedWriter
from infra.metrics import GATEWAY_DOUBLES, GATEWAY_LIVE, GATEWAY_NOT_SENT, GATEWAY_QUEUED, GATEWAY_SOUGHT
from infra.settings import Settings
from producers.gateway.broker import Broker
from producers.gateway.core import Core
from producers.gateway.ears import Ears
from producers.gateway.errand import Now
from producers.gateway.follow import BEGINNING, Followed, Follower
from producers.gateway.hands import Hands
from producers.gateway.rates import windows
from producers.gateway.writer import Writer
from schemas.orders import BrokerPositions, OrderEvent, OrderSend
from schemas.topics import BROKER_POSITIONS, ORDER_EVENTS, ORDER_SENDS, ORDER_VERDICTS, POSITIONS, RISK_STATES

DAY_MS = 86_400_000
READ_MS = 3 * DAY_MS  # of the log: no order lives longer than its day
POLL_S = 0.05
FORGET_S = 600.0
FLUSH_S = 3.0
State = Literal["taking charge", "reading the log", "in charge", "stopping"]
log = structlog.get_logger()


class Gateway:
    """:meth:`run` until told to stop."""

    def __init__(self, broker: Broker, of: Settings, clock: Clock | None = None) -> None:
        self.account = broker.account
        self.state: State = "taking charge"
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.core = Core(broker.account, windows(of.gateway_orders_per_s))
        self.brake = Brake(of.home)
        self.writer = Writer(of)
        self._settings, self._clock = of, clock or market_clock()
        self._gives_up = threading.Event()
        sends = FencedWriter(f"gateway.{broker.account}", of, self._gives_up)
        self._hands = Hands(self.name, self.core, broker, sends, self.brake, self.now, self._tell)
        self.ears = Ears(self.core, broker, self.now, self._tell, self._hands.wake.set, self.name)
        self._caught_up, self._failure = asyncio.Event(), ""
        self._follower: Follower | None = None

    def now(self) -> Now:
        """This moment."""
        return Now(time.monotonic(), self._clock.now_us())

    async def run(self, stop: asyncio.Event) -> None:
        """Works until ``stop``. FencedError when another process is in charge, or Kafka takes nothing any more."""
        stopping = asyncio.create_task(stop.wait())
        try:
            await _first(stopping, self._begin())
            if not stop.is_set():
                ears = self.ears
                await _first(
                    stopping, self._hands.run(), ears.look(), ears.listen(), ears.positions(self._held), self._keep()
                )
        finally:
            self.state = "stopping"
            stopping.cancel()
            await self._hands.finish(self._settings.gateway_timeout_s + 1)
            self._gives_up.set()
            if self._follower:
                self._follower.stop()
            if left := await asyncio.to_thread(self.writer.flush, FLUSH_S):
                log.warning("events are left unwritten: the next gateway finds them at the broker", left=left)

    async def _begin(self) -> None:
        """Fences off whoever was in charge, then reads what is known."""
        await self._hands.take_charge()
        charge_s = time.monotonic()
        self.state = "reading the log"
        loop, since_ms = asyncio.get_running_loop(), time.time_ns() // 1_000_000 - READ_MS
        followed = [Followed(topic, since_ms) for topic in (ORDER_VERDICTS, ORDER_SENDS, ORDER_EVENTS)]
        followed += [Followed(topic, BEGINNING) for topic in (RISK_STATES, POSITIONS)]

        def on_records(records: list[Any], has_caught_up: bool) -> None:
            loop.call_soon_threadsafe(self._take, records, has_caught_up)

        self._follower = Follower(followed, self._settings, on_records, "log")
        self._follower.start()
        await self._caught_up.wait()
        now, wall_us = self.now(), time.time_ns() // 1000
        ages_s = [(wall_us - self._clock.wall_us(at_us)) / 1e6 for at_us in self.core.book.sent.values()]
        self._tell(self.core.begin(now, [now.s - age_s for age_s in ages_s if age_s >= 0], charge_s))
        self.state = "in charge"
        log.info("in charge", gateway=self.name, queued=self.core.queued, sought=len(self.core.search.sought))

    def _take(self, records: list[Any], has_caught_up: bool) -> None:
        now = self.now()
        for record in records:
            if not (isinstance(record, OrderSend) and self._caught_up.is_set()):
                self.core.take(record, now)
            elif record.account == self.account and record.gateway != self.name:
                self._failure = f"{record.gateway} is the gateway of {self.account} now."
        if has_caught_up:
            self._caught_up.set()
        self._hands.wake.set()

    def _tell(self, events: Iterable[OrderEvent]) -> None:
        for event in events:
            self.writer.write(ORDER_EVENTS, self.account, event)
            if event.status == "not-sent" or event.failed:
                GATEWAY_NOT_SENT.labels(self.account).inc()

    def _held(self, positions: BrokerPositions) -> None:
        self.writer.write(BROKER_POSITIONS, self.account, positions)

    async def _keep(self) -> None:
        """Small duties; raises what other places found to be the end."""
        forget_s = time.monotonic()
        while True:
            self.writer.poll()
            if failure := self._failure or self.writer.failure:
                raise FencedError(failure)
            GATEWAY_QUEUED.labels(self.account).set(self.core.queued)
            GATEWAY_SOUGHT.labels(self.account).set(self.core.search.pending)
            GATEWAY_LIVE.labels(self.account).set(len(self.core.book.live))
            GATEWAY_DOUBLES.labels(self.account).set(len(self.core.search.doubles))
            if time.monotonic() - forget_s > FORGET_S:
                forget_s = time.monotonic()
                self.core.book.forget(self._clock.now_us() - READ_MS * 1000)
            await asyncio.sleep(POLL_S)


async def _first(stopping: asyncio.Task[Any], *works: Any) -> None:
    """Runs works until the first of them ends, or until told to stop; the others are cancelled. Raises what it did."""
    tasks = {asyncio.create_task(work) for work in works}
    try:
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
