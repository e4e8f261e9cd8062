"""The hand that writes: changes of the feed, planned on the folded state, written, and seen again before it answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from infra import kafka
from infra.settings import Settings
from schemas.codec import encode
from schemas.market import FeedPool, Mode
from schemas.topics import FEED_POOLS, SUBSCRIPTIONS, TICKS
from streams.console.errors import DoesNotFitError, NotFoundError
from streams.console.feed import FeedState
from streams.console.plan import Layout, Plan, Write, plan_add, plan_remove
from streams.console.writing import LogWriter
from streams.prices.follow import Follower

KITE_CONNECTIONS = 3
_MOVES = 5  # how often a removal follows an instrument that is just being moved to another slot


class FeedDesk:
    """Changes the feed. One change at a time, so that two people cannot fill the same last place."""

    def __init__(self, state: FeedState, follower: Follower, of: Settings) -> None:
        self._state = state
        self._follower = follower
        self._settings = of
        self._one = threading.Lock()
        self._writer = LogWriter(of, follower)

    def layout(self) -> Layout:
        """How the feed is cut now. Call it under the follower's lock."""
        chosen = self._settings
        wanted = sum({**{chosen.feed_pool: chosen.feed_workers}, **self._state.pools}.values())
        alive = [w for w in self._state.workers(time.time()) if w.state in ("streaming", "connecting")]
        slots = kafka.partitions_of(SUBSCRIPTIONS, chosen)
        most = min(chosen.kite_connections, slots)
        return Layout(slots, kafka.partitions_of(TICKS, chosen), max(wanted, len(alive)), most)

    def add(self, names: Sequence[str], mode: Mode) -> Plan:
        """Subscribes; all or nothing. NotFoundError, DoesNotFitError or UnavailableError when it cannot be done."""
        with self._one:
            with self._follower.lock:
                wanted = [self._state.book.find(name) for name in names]
                plan = plan_add(self._state, wanted, mode, self.layout())
            self._write_slots(plan.writes)
            return plan

    def full_names(self, names: Sequence[str]) -> list[str]:
        """Each instrument's full name, once. UnknownInstrumentError or AmbiguousInstrumentError when one has none."""
        with self._follower.lock:
            return list(dict.fromkeys(self._state.book.find(name).instrument for name in names))

    def ensure(self, instruments: Sequence[str]) -> list[str]:
        """Subscribes those that are not; the others keep their mode. Returns the new ones; raises as ``add``."""
        with self._follower.lock:
            missing = [name for name in instruments if name not in self._state.subscribed]
        return self.add(missing, "full").added if missing else []

    def remove(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Unsubscribes; returns the removed ones and those that were not subscribed.

        NotFoundError when none of them is subscribed.
        """
        with self._one:
            with self._follower.lock:
                meant = list(dict.fromkeys(self._meant(name) for name in names))
                present = [name for name in meant if name in self._state.subscribed]
            absent = [name for name in meant if name not in present]
            if not present:
                verb = "is" if len(absent) == 1 else "are"
                raise NotFoundError(f"{', '.join(absent[:5])} {verb} not subscribed; see `./portfolio feed list`.")
            for _ in range(_MOVES):
                with self._follower.lock:
                    writes = plan_remove(self._state, present)
                if not writes:
                    break
                self._write_slots(writes)
            return present, absent

    def set_workers(self, workers: int) -> None:
        """Sets how many workers this computer's pool runs. DoesNotFitError beyond what Kite or the slots allow."""
        chosen = self._settings
        with self._one:
            with self._follower.lock:
                others = sum(n for pool, n in self._state.pools.items() if pool != chosen.feed_pool)
            slots = kafka.partitions_of(SUBSCRIPTIONS, chosen)
            if workers > slots:
                raise DoesNotFitError(f"The feed is cut into {slots} slots, so at most {slots} workers can share it.")
            if workers + others > chosen.kite_connections:
                elsewhere = f", {others} of them used by other computers" if others else ""
                raise DoesNotFitError(
                    f"{workers} workers are too many: Kite allows {chosen.kite_connections} connections an API key"
                    f"{elsewhere} (set PORTFOLIO_KITE_CONNECTIONS if your key has more)."
                )
            pool = chosen.feed_pool
            self._writer.write([(FEED_POOLS, 0, pool, encode(FeedPool(pool, workers)))])

    def _meant(self, text: str) -> str:
        """What is subscribed may have left the list of instruments: its full name still removes it."""
        name = text.strip().upper()
        if name in self._state.subscribed:
            return name
        subscribed = [place for place in self._state.subscribed if place.rpartition(":")[2] == name]
        return subscribed[0] if len(subscribed) == 1 else self._state.book.find(text).instrument

    def _write_slots(self, writes: Sequence[Write]) -> None:
        values = [(w, encode(w.record) if w.record else None) for w in writes]
        self._writer.write([(SUBSCRIPTIONS, w.slot, w.instrument, value) for w, value in values])
