"""A copy of the fleet for other processes: the same fold as the fleet service's, of the same events."""

from __future__ import annotations

import time

from confluent_kafka import Message

from infra.settings import Settings
from schemas.codec import UndecodableError
from schemas.topics import ALGO_EVENTS, COMMANDS, HEARTBEATS
from streams.fleet.book import TOPICS, record_of
from streams.fleet.fold import FleetState, fold
from streams.prices.follow import Follower

DAY_S = 86_400.0
REWIND_S = {HEARTBEATS.name: 3600.0, COMMANDS.name: 2 * DAY_S, ALGO_EVENTS.name: 30 * DAY_S}  # facts: from the start


class FleetLog:
    """Follows the fleet's topics. ``state`` is never changed in place: reading it needs no lock."""

    def __init__(self, of: Settings) -> None:
        self.state = FleetState()
        self.bad_records = 0
        self.follower = Follower("fleet", TOPICS.values(), self._take, of, rewind_s=REWIND_S)

    def _take(self, message: Message) -> None:
        try:
            record = record_of(str(message.topic()), message.key(), message.value())
        except UndecodableError:
            self.bad_records += 1  # its first reader, the fleet service, says so
            return
        if record is not None:
            self.state = fold(self.state, record, int(message.timestamp()[1]) * 1000)

    @staticmethod
    def now_us() -> int:
        """The wall clock's time: nodes are real machines, whatever the market's clock says."""
        return time.time_ns() // 1000
