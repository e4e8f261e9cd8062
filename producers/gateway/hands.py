"""Sending: what is due goes into order-sends first, then to the broker, then its answer to ``core``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from infra.brake import LOOK_S, Brake
from infra.fenced import FencedWriter
from infra.metrics import GATEWAY_CALL_TIME, GATEWAY_CALLS, GATEWAY_WAIT
from producers.gateway.broker import (
    Broker,
    BrokerError,
    NotSentError,
    RefusedError,
    TokenError,
    UnknownOutcomeError,
    UnwritableError,
)
from producers.gateway.core import Core, Kind, Outcome
from producers.gateway.errand import Errand, Now
from schemas.orders import OrderEvent, OrderSend
from schemas.topics import ORDER_SENDS

CALLS = 16  # to the broker at once
KINDS: dict[type[BrokerError], Kind] = {
    RefusedError: "refused",
    UnwritableError: "unwritable",
    UnknownOutcomeError: "unknown",
    NotSentError: "not-sent",
    TokenError: "no-token",
}
Tell = Callable[[Iterable[OrderEvent]], None]
log = structlog.get_logger()


class Hands:
    """What the core plans, done. ``name``: this process, for whoever reads order-sends."""

    def __init__(
        self,
        name: str,
        core: Core,
        broker: Broker,
        sends: FencedWriter,
        brake: Brake,
        now: Callable[[], Now],
        tell: Tell,
    ) -> None:
        self._name, self._core, self._broker, self._sends = name, core, broker, sends
        self._brake, self._now, self._tell = brake, now, tell
        self._account = broker.account
        self._calls = asyncio.Semaphore(CALLS)
        self._scribe = ThreadPoolExecutor(1, "order-sends")
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_writing = False
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wake = asyncio.Event()  # something changed: plan at once

    async def take_charge(self) -> None:
        """Fences off whoever was in charge; waits for Kafka."""
        await asyncio.get_running_loop().run_in_executor(self._scribe, self._sends.take_charge)

    async def run(self) -> None:
        """Sends, for ever. FencedError when another process is in charge."""
        while not self._failure.done():
            plan = self._core.plan(self._now(), self._brake.held(), may_write=not self._is_writing)
            self._tell(plan.events)
            if plan.write:
                self._is_writing = True
                self._spawn(self._write(plan.write))
            for errand in plan.again:
                self._spawn(self._send(errand))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), LOOK_S)
            self.wake.clear()
        self._failure.result()

    async def finish(self, timeout_s: float) -> None:
        """Waits for the answers to calls that are under way."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=timeout_s)

    async def _write(self, errands: list[Errand]) -> None:
        """Into order-sends: only what is committed there is sent."""
        at_us = self._now().us
        sends = [OrderSend(e.intent.id, self._account, e.order, e.intent.action, at_us, self._name) for e in errands]
        records = [(ORDER_SENDS, self._account, send) for send in sends]
        await asyncio.get_running_loop().run_in_executor(self._scribe, self._sends.write, records)
        self._is_writing = False
        self.wake.set()
        now = self._now()
        for send, errand in zip(sends, errands, strict=True):
            self._core.take(send, now)
            self._spawn(self._send(errand))

    async def _send(self, errand: Errand) -> None:
        async with self._calls:
            asked, came_s = self._now(), errand.since_s
            goes, events = self._core.may_go(errand, asked, self._brake.held())
            self._tell(events)
            if not goes:
                return
            if not errand.trouble:
                GATEWAY_WAIT.labels(self._account).observe(max(0.0, asked.s - came_s))
            outcome = await self._ask(errand)
            now, action = self._now(), errand.intent.action
            GATEWAY_CALL_TIME.labels(self._account, action).observe(now.s - asked.s)
            GATEWAY_CALLS.labels(self._account, action, outcome.kind).inc()
            self._tell(self._core.answered(errand, outcome, now))
            self.wake.set()

    async def _ask(self, errand: Errand) -> Outcome:
        intent = errand.intent
        try:
            return Outcome("done", await self._call(errand))
        except BrokerError as error:
            kind = KINDS.get(type(error), "unknown")
            log.warning("not done", id=intent.id, action=intent.action, outcome=kind, reason=str(error))
            return Outcome(kind, reason=str(error))
        except Exception as error:  # whatever it was, it may have been sent
            log.exception("a call to the broker failed", id=intent.id, action=intent.action)
            return Outcome("unknown", reason=f"{type(error).__name__}: {error}")

    async def _call(self, errand: Errand) -> str:
        if errand.is_place:
            return await self._broker.place(errand.intent)
        state = self._core.book.orders[errand.order]
        if errand.is_cancel:
            await self._broker.cancel(state.broker_order)
        else:
            await self._broker.modify(errand.intent, state.broker_order, state)
        return ""

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)
            self.wake.set()
