"""One provider's line through a worker: its stream, the routes of its ticks, and what was interrupted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import uuid4

import structlog

from infra.clock import market_clock
from infra.metrics import FEED_FRAMES
from producers.feed.provider import Decoded, Frame, Notice, Provider
from producers.feed.routes import Routes
from producers.feed.stream import Stream
from producers.feed.writer import Writer
from schemas.market import FeedGap, Subscription
from schemas.orders import BrokerNotice
from schemas.ticks import TickBatch, empty_batch

ORDER = "order"  # the kind of notice that tells of an order
log = structlog.get_logger()
QUIET_S = 1.0  # a partition in which nothing happened for so long gets a sign of life


@dataclass(slots=True)
class Interruption:
    """Instruments that are covered only up to a time, until ticks flow again."""

    instruments: dict[int, str]  # by token
    since_us: int
    reason: str


class Line:
    """From a provider's frames to batches in Kafka, for the instruments that are wanted at the moment."""

    def __init__(self, worker: str, provider: Provider, writer: Writer, silence_s: float) -> None:
        self._worker, self._provider, self._writer = worker, provider, writer
        self.stream = Stream(provider, silence_s, self._on_frames, self._on_lost, self._on_notice)
        self._subscriptions: dict[int, Subscription] = {}  # by token
        self._routes = Routes(provider.name, worker, ())
        self._interruptions: list[Interruption] = []
        self._heard_us = 0
        self._written: dict[int, float] = {}  # monotonic time of each partition's last batch
        self.ticks: Counter[int] = Counter()  # written so far, by partition
        self._frames = FEED_FRAMES.labels(worker)

    @property
    def count(self) -> int:
        """How many instruments are wanted. (No ``__len__``: a line that carries nothing is still a line.)"""
        return len(self._subscriptions)

    def want(self, subscriptions: dict[int, Subscription]) -> None:
        """From now on these, by token."""
        routes = Routes(self._provider.name, self._worker, subscriptions.values())
        routes.inherit(self._routes)
        self._subscriptions, self._routes = subscriptions, routes
        self.stream.want({token: wanted.mode for token, wanted in subscriptions.items()})

    def interrupt(self, tokens: Iterable[int], since_us: int, reason: str) -> None:
        """These are covered only up to ``since_us``: their next ticks will say so, and ``feed-gaps`` too."""
        known = {token: self._subscriptions[token].instrument for token in tokens if token in self._subscriptions}
        if not since_us or not known:
            return
        self._routes.interrupted(known, since_us)
        for earlier in self._interruptions:
            if (earlier.since_us, earlier.reason) == (since_us, reason):
                earlier.instruments.update(known)
                return
        self._interruptions.append(Interruption(known, since_us, reason))

    def covered_us(self, tokens: Iterable[int]) -> int:
        """Market time up to which nothing of these is missing in Kafka, or what is missing is told there."""
        waits = self._routes.waits_since(tokens)
        return self._writer.covered_us if waits is None else min(waits, self._writer.covered_us)

    def streams(self, tokens: Iterable[int]) -> bool:
        """Whether ticks of all of these have come over the connection that there is."""
        return self.stream.has_asked and self._routes.has_heard(tokens)

    def not_taken(self, batch: TickBatch) -> None:
        """Kafka did not take a batch: its instruments are interrupted."""
        names = {batch.names[place] for place in set(batch.instrument.tolist())}
        tokens = [token for token, wanted in self._subscriptions.items() if wanted.instrument in names]
        self.interrupt(tokens, self._writer.covered_us or batch.sent_us, "Kafka did not take the ticks")

    def show_life(self, now_us: int) -> None:
        """While the stream is well, tells quiet partitions that nothing was missed until now."""
        if self.stream.state != "streaming":
            return
        now = time.monotonic()
        for partition in self._routes.names:
            if now - self._written.get(partition, 0) >= QUIET_S:
                self._writer.write(partition, empty_batch(self._provider.name, self._worker, now_us))

    def _on_lost(self, reason: str) -> None:
        self._routes.forget_heard()
        self.interrupt(list(self._subscriptions), self._heard_us, reason)

    def _on_notice(self, notice: Notice) -> None:
        """News of orders go to whoever trades; the rest is for a person."""
        if notice.kind == ORDER:
            now_us = market_clock().now_us()
            self._writer.notice(BrokerNotice(self._provider.name, notice.kind, notice.text, now_us, self._worker))
        else:
            log.info("the provider says", kind=notice.kind, text=notice.text)

    def _on_frames(self, frames: list[Frame]) -> None:
        """The path of every tick."""
        for frame, decoded in self._provider.decode(frames):
            self._heard_us = frame.receive_us
            if decoded.broken:
                self._writer.broken(frame.payload, decoded.broken)
            if len(decoded.token):
                self._write(decoded, frame.receive_us)
            else:
                self._writer.heard(frame.receive_us)
        self._frames.inc(len(frames))
        self._writer.poll()

    def _write(self, decoded: Decoded, receive_us: int) -> None:
        if self._interruptions:
            self._tell_gaps(receive_us)
        now = time.monotonic()
        for partition, batch in self._routes.split(decoded, receive_us):
            self._writer.write(partition, batch)
            self._written[partition] = now
            self.ticks[partition] += len(batch)

    def _tell_gaps(self, now_us: int) -> None:
        for gap in self._interruptions:
            by_partition: dict[int, list[str]] = {}
            for token, instrument in gap.instruments.items():
                if token in self._subscriptions:
                    by_partition.setdefault(self._subscriptions[token].partition, []).append(instrument)
            for partition, instruments in by_partition.items():
                name = self._provider.name
                self._writer.gap(
                    FeedGap(uuid4().hex, name, self._worker, partition, instruments, gap.since_us, now_us, gap.reason)
                )
        self._interruptions.clear()
