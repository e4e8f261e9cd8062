"""What a worker holds of a partition of ``ticks``: state, batches not folded yet, records not acknowledged yet."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from schemas.ticks import TickBatch
from streams.candles.fold import Settled, settle, take
from streams.candles.state import PartitionState
from streams.candles.ticks import Needed

FOLD_AT = 8192  # ticks: folding many batches at once costs numpy's fixed price only once


@dataclass(slots=True, eq=False)
class Share:
    """One partition. ``held`` has the records in their order, to be acknowledged from the left."""

    partition: int
    state: PartitionState = field(default_factory=lambda: PartitionState(archived=True))
    inbox: list[TickBatch | Needed] = field(default_factory=list)
    inbox_ticks: int = 0
    held: deque[Any] = field(default_factory=deque)
    offset: int = -1  # of the last record taken
    resumed: bool = False  # the days that an earlier owner left open have been asked for
    owned: bool = True  # until the partition is revoked
    settled: Settled | None = None  # handed out by the state, not yet stored
    covers: int = 0  # how many of ``held`` can be acknowledged once it is

    def take(self, record: Any, offset: int, batch: TickBatch | Needed | None) -> None:
        """Takes a record over; ``batch`` is None when it was unusable and has been put aside."""
        self.held.append(record)
        self.offset = offset
        if batch is not None:
            self.inbox.append(batch)
            self.inbox_ticks += len(batch.last_price)
            if self.inbox_ticks >= FOLD_AT:
                self.fold()

    def fold(self) -> None:
        """Folds what is in the inbox."""
        if self.inbox:
            take(self.state, self.inbox)
            self.inbox.clear()
            self.inbox_ticks = 0

    def settle(self, covers: int) -> Settled:
        """What is to be stored and told so that the first ``covers`` records can be acknowledged."""
        if self.settled is None:
            self.settled, self.covers = settle(self.state), covers
        return self.settled

    def done(self) -> list[Any]:
        """All of that is durable: the records to acknowledge, in order."""
        self.settled = None
        return [self.held.popleft() for _ in range(self.covers)] if self.owned else []
