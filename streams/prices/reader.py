"""The live prices of this process: topic ``ticks`` from (about) its end, folded into a live table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Message

from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.ticks import TickBatch
from schemas.topics import TICKS
from streams.prices.follow import Follower
from streams.prices.live import Last, LiveTable

GATHER_MS = 100  # neither a person nor a limit minds a price that is a tenth of a second older


class LivePrices:
    """A live table that keeps itself up to date.

    Records that cannot be decoded are skipped and counted in ``bad_records``; the candle worker is the reader
    that puts them aside in ``ticks-dlq``. ``rewind_s``: how much of the recent past is read at the start, so that
    quiet instruments have a price at once.
    """

    def __init__(self, of: Settings | None = None, *, rewind_s: float = 60.0) -> None:
        self.bad_records = 0
        self._table = LiveTable()
        self._follower = Follower(
            "ticks",
            [TICKS],
            self._take,
            of,
            rewind_s=rewind_s,
            every_second=lambda: self._table.sample(time.monotonic()),
            gather_ms=GATHER_MS,
        )

    def start(self) -> None:
        """Begins to read, in a thread of its own."""
        self._follower.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._follower.stop()

    def wait(self, timeout_s: float) -> bool:
        """Waits until the end of the log was reached once."""
        return self._follower.caught_up.wait(timeout_s)

    @property
    def problem(self) -> str:
        """A sentence while the log cannot be read, else empty."""
        return self._follower.problem

    @contextmanager
    def table(self) -> Iterator[LiveTable]:
        """The table, held still while it is read. Keep it short: the fold waits."""
        with self._follower.lock:
            yield self._table

    def last(self, instrument: str) -> Last | None:
        """The last price of an instrument, without holding up the fold."""
        return self._table.last(instrument)

    def _take(self, message: Message) -> None:
        try:
            batch = decode(TickBatch, message.value() or b"")
        except UndecodableError:
            self.bad_records += 1
            return
        self._table.fold(batch, int(message.partition() or 0))
