"""One feed worker: its slots' instruments over one websocket a provider, into Kafka.

``python -m producers.feed.worker NUMBER``. SIGTERM stops at once; SIGHUP leaves: the slots are handed over
first, so that no tick is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import time
from typing import Literal

import structlog
from confluent_kafka import KafkaException
from prometheus_client import start_http_server

from infra import log as logs
from infra.clock import market_clock
from infra.ending import end_within
from infra.errors import UserError
from infra.kafka import producer
from infra.metrics import FEED_INSTRUMENTS
from infra.settings import settings
from producers.feed.line import Line
from producers.feed.provider import provider_named
from producers.feed.slots import SESSION_S, Slot, SlotReader, look_back
from producers.feed.stream import State
from producers.feed.writer import Writer
from schemas.market import FeedStatus, Subscription
from schemas.ticks import TickBatch

POLL_S = 0.05
REPORT_S = 1.0
CLOSE_S = 10.0  # it ends then, whether Kafka lets it or not: its supervisor starts it anew
UNHEARD_S = 10.0  # an instrument of which nothing came for so long after it was asked for has nothing to say
GIVEN_S = 10.0  # a worker that hands a slot over says within this that it covered it until we streamed it, or is dead
# A dead worker's slots are given away a session after its last sign of life, so one that another worker covered more
# lately is being handed over: that worker goes on with it until we say that we stream.
FRESH_US = int((SESSION_S - 1) * 1_000_000)
log = structlog.get_logger()


class Worker:
    """A feed worker; :meth:`run` until told to stop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._clock = market_clock()
        self._reader = SlotReader(name)
        self._writer = Writer(name, producer(), self._not_taken)
        self._lines: dict[str, Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_leaving = False

    async def run(self, stop: asyncio.Event, leave: asyncio.Event) -> None:
        """Works until ``stop``, or until everything is handed over after ``leave``."""
        report_at = 0.0
        try:
            while not stop.is_set() and not (self._is_leaving and not self._reader.slots):
                if leave.is_set() and not self._is_leaving:
                    self._is_leaving = True
                    self._reader.leave()
                changed = self._reader.poll()
                self._writer.poll()
                if changed | await self._look_back():
                    self._rewire()
                if time.monotonic() >= report_at:
                    report_at = time.monotonic() + REPORT_S
                    self._report()
                self._raise_failures()
                await asyncio.sleep(POLL_S)
        finally:
            await self._close()

    async def _look_back(self) -> bool:
        """Reads what was last said of slots that are new to us; True when there were any."""
        unknown = self._reader.unknown
        if not unknown:
            return False
        said = await asyncio.to_thread(look_back, unknown)
        for number in unknown:
            if slot := self._reader.slots.get(number):
                before, slot.end = said[number]
                if before is not None and before.covered_us:
                    slot.covered_us = before.covered_us
                    is_given = self._is_handed_over(before, slot)
                    slot.before, slot.giver = (None, before) if is_given else (before, None)
        self._reader.watch()
        return True

    def _is_handed_over(self, before: FeedStatus, slot: Slot) -> bool:
        """Whether another worker still covered a slot when it came to us."""
        age_us = slot.taken_ms * 1000 - self._clock.wall_us(before.covered_us)
        return before.worker != self.name and before.state != "stopped" and age_us <= FRESH_US

    def _rewire(self) -> None:
        """Brings the lines in step with what the slots hold."""
        wanted: dict[str, dict[int, Subscription]] = {}
        for slot in self._reader.slots.values():
            for held in slot.held.values() if slot.is_known else ():
                subscription = held.subscription
                if subscription.token and subscription.partition >= 0:  # else the leader completes it in a moment
                    wanted.setdefault(subscription.provider, {})[subscription.token] = subscription
        for name in {*wanted, *self._lines}:
            (self._lines.get(name) or self._new_line(name)).want(wanted.get(name, {}))
        for slot in self._reader.slots.values():
            self._note_missed(slot)
        FEED_INSTRUMENTS.labels(self.name).set(sum(line.count for line in self._lines.values()))

    def _new_line(self, name: str) -> Line:
        line = Line(self.name, provider_named(name), self._writer, settings().feed_silence_s)
        self._lines[name] = line
        self._tasks.add(asyncio.create_task(line.stream.run()))
        return line

    def _note_missed(self, slot: Slot) -> None:
        """What a slot missed before it came to us: it was ours and we died, or nobody has streamed it for a while."""
        before = slot.before
        if before is None:
            return
        for instrument, held in slot.held.items():
            line = self._lines.get(held.subscription.provider)
            if line and held.at_ms < slot.taken_ms and instrument not in slot.told:
                slot.told.add(instrument)
                reason = f"worker {before.worker} was not running"
                line.interrupt([held.subscription.token], before.covered_us, reason)

    def _report(self, final_state: Literal["stopped"] | None = None) -> None:
        """Once a second: the state of each slot, and signs of life for partitions in which nothing happened."""
        for number, slot in self._reader.slots.items():
            if slot.is_known:
                self._writer.status(self._status(number, slot, final_state))
        if not final_state:
            for line in self._lines.values():
                line.show_life(self._clock.now_us())

    def _status(self, number: int, slot: Slot, final_state: Literal["stopped"] | None) -> FeedStatus:
        named = {held.subscription.provider for held in slot.held.values()}
        lines = [line for name, line in self._lines.items() if name in named]
        state, detail = self._state(number, slot, lines)
        if state in ("streaming", "refused"):
            covered = min((line.covered_us(slot.tokens) for line in lines), default=self._clock.now_us())
            slot.covered_us = max(slot.covered_us, covered)
        partitions = {held.subscription.partition for held in slot.held.values()}
        return FeedStatus(
            slot=number,
            worker=self.name,
            state=final_state or state,
            detail="" if final_state else detail,
            instruments=len(slot.held),
            ticks=sum(line.ticks[partition] for line in lines for partition in partitions),
            covered_us=slot.covered_us,
            pid=os.getpid(),
            host=socket.gethostname(),
        )

    def _state(self, number: int, slot: Slot, lines: list[Line]) -> tuple[State, str]:
        """A slot streams once ticks came of all it held when it came to us, or would have come by now."""
        for line in lines:
            if line.stream.state != "streaming":
                slot.asked_at, slot.streams_us = None, 0
                return line.stream.state, line.stream.detail
        if slot.asked_at is None and self._reader.is_read(number) and all(line.stream.has_asked for line in lines):
            slot.asked_at = time.monotonic()
        if slot.asked_at is None:
            return "connecting", "taking over"
        if not slot.streams_us:
            if not all(line.streams(slot.tokens) for line in lines) and time.monotonic() - slot.asked_at < UNHEARD_S:
                return "connecting", "taking over"
            slot.streams_us = self._clock.now_us()
        if slot.giver is not None and not self._is_given(slot, slot.giver):
            return "connecting", "taking over"
        refused = next((line.stream.refused for line in lines if line.stream.refused), "")
        return ("refused", refused) if refused else ("streaming", "")

    def _is_given(self, slot: Slot, giver: FeedStatus) -> bool:
        """Whether the worker that hands a slot over covered it until we streamed it; if it died on the way, what is
        missing is told. Only then do we say that we stream: it goes on until it hears that."""
        if giver.covered_us < slot.streams_us:
            if time.monotonic() - (slot.asked_at or 0.0) < UNHEARD_S + GIVEN_S:
                return False
            slot.before = giver
            self._note_missed(slot)
        slot.giver = None
        return True

    def _not_taken(self, batch: TickBatch) -> None:
        self._lines[batch.provider].not_taken(batch)

    def _raise_failures(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _close(self) -> None:
        end_within(CLOSE_S, 1)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._writer.flush, 5)
        self._report("stopped")
        await asyncio.to_thread(self._writer.flush, 2)
        await asyncio.to_thread(self._reader.close)


async def _main(number: int) -> None:
    gc.freeze()  # what start-up made stays; a tick makes no cycles, so looking for them is rarely worth the time
    gc.set_threshold(100_000, 50, 100)
    chosen = settings()
    name = f"{chosen.feed_pool}-{number}"
    with contextlib.suppress(OSError):  # a port that is taken costs the metrics, not the ticks
        start_http_server(chosen.feed_metrics_port + number, "127.0.0.1")
    stop, leave = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    loop.add_signal_handler(signal.SIGHUP, leave.set)
    structlog.contextvars.bind_contextvars(worker=name)
    await Worker(name).run(stop, leave)


if __name__ == "__main__":
    logs.set_up("feed-worker")
    try:
        asyncio.run(_main(int(sys.argv[1])))
    except (UserError, KafkaException) as error:
        log.error(str(error))
        sys.exit(1)
