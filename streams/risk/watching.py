"""When what is at risk is looked at, what is told of it, and what is done when a limit breaks.

Twice a second, and at once after fills, everything is reckoned anew (``watch.py``). What a broken limit leads to
(``breaches.py``) is begun at once and once more after a restart, unless the breach says that it was done: states and
jobs are the book's, runs are stopped by the clerk. Jobs get a step four times a second (``jobs.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from infra.metrics import RISK_MARK
from schemas.risk import Breach, RiskPoint, RiskState, TradingState
from schemas.topics import BREACHES, ORDER_INTENTS, RISK_POINTS, RISK_STATES, Topic
from streams.risk import jobs
from streams.risk.book import Book
from streams.risk.breaches import Flatten, SetState, StopRuns, Warn, actions
from streams.risk.clerk import Clerk
from streams.risk.commands import ACTOR, fate
from streams.risk.market import Market
from streams.risk.watch import Watch

MARK_S = 0.5
AFTER_FILL_S = 0.05
JOBS_S = 0.25
SHARE = 5.0  # a mark may take this part of the time between two
Told = list[tuple[Topic, str, Any]]


class Watching:
    """Looks at a book. ``now_us``: market time, ``speed``: its seconds in one of the wall's."""

    def __init__(self, book: Book, market: Market, now_us: Callable[[], int], speed: float, clerk: Clerk) -> None:
        self._book, self._market, self._now_us, self._speed, self._clerk = book, market, now_us, speed, clerk
        self._watch = Watch(book, market, speed)
        self._marked_s = self._stepped_s = self._cost_s = 0.0
        self._is_first = True
        self._under_way: dict[str, set[str]] = {}  # breach -> what of it is not done yet: "stop", "flatten"
        self._details: dict[str, list[str]] = {}
        self.points: dict[str, RiskPoint] = {}  # the last of each scope

    def look(self, told: Told, holds: Mapping[str, TradingState], *, filled: bool) -> None:
        """Does what is due; what is to be written is put to ``told``."""
        now_s = time.monotonic()
        pause_s = max(AFTER_FILL_S if filled else MARK_S, self._cost_s * SHARE)
        if now_s - self._marked_s >= pause_s:
            self._mark(told, holds)
            self._marked_s = time.monotonic()
            self._cost_s = self._marked_s - now_s
            RISK_MARK.observe(self._cost_s)
        for breach, ok, detail in self._clerk.answers():
            self._finish(breach, "stop", detail, told, failed=not ok)
        if now_s - self._stepped_s >= JOBS_S and self._book.jobs:
            self._stepped_s = now_s
            self._step(told)

    def settle(self) -> None:
        """Reckons all that is held before the first intent is judged: that may take a while."""
        self._book.sums.settle(self._market)

    # marks and breaches ------------------------------------------------------------------------------------------

    def _mark(self, told: Told, holds: Mapping[str, TradingState]) -> None:
        marked = self._watch.mark(self._now_us(), holds)
        for point in marked.points:
            self.points[point.scope] = point
            told.append((RISK_POINTS, point.scope, point))
        told += [(BREACHES, breach.scope, breach) for breach in marked.breaches]
        broken = [breach for breach in marked.breaches if breach.state == "broken"]
        if self._is_first:  # what was begun before the last end
            self._is_first = False
            broken += [b for b in self._book.breaches.values() if b.state == "broken" and b not in broken]
        for breach in broken:
            self._act(breach, told)

    def _act(self, breach: Breach, told: Told) -> None:
        waits, details = self._under_way.setdefault(breach.id, set()), self._details.setdefault(breach.id, [])
        for act in actions(self._book, breach):
            match act:
                case SetState(scope, state, reason):
                    self._set(RiskState(scope, state, ACTOR, self._now_us(), reason), told)
                    details.append(f"{scope} is {state}")
                case StopRuns(runs, _):
                    waits.add("stop")
                    self._clerk.stop_runs(breach.id, runs)
                case Flatten(scope, then, reason):
                    waits.add("flatten")
                    if breach.id not in self._book.jobs:
                        self._book.put_job(breach.id, self.job(breach.id, scope, ACTOR, then, reason))
                case Warn():
                    del self._under_way[breach.id], self._details[breach.id]
                    return
        if not waits:
            self._finish(breach.id, "", "", told)

    def _finish(self, id_: str, what: str, detail: str, told: Told, *, failed: bool = False) -> None:
        """A part of what a breach led to is done; with the last part the breach says so."""
        waits, details = self._under_way.get(id_), self._details.get(id_, [])
        if waits is None:
            return
        waits.discard(what)
        details += [detail] if detail else []
        if failed:
            waits.add("failed")
        if waits - {"failed"}:
            return
        del self._under_way[id_], self._details[id_]
        breach = next((b for b in self._book.breaches.values() if b.id == id_), None)
        if breach is not None:
            done = replace(breach, state="failed" if waits else "done", detail="; ".join(details))
            self._book.put_breach(done)
            told.append((BREACHES, done.scope, done))

    def _set(self, state: RiskState, told: Told) -> None:
        self._book.take(state)
        told.append((RISK_STATES, state.scope, state))

    # jobs --------------------------------------------------------------------------------------------------------

    def job(self, id_: str, scope: str, actor: str, then: TradingState, reason: str) -> jobs.Job:
        """A job that begins now."""
        round_us = int(jobs.ROUND_US * max(1.0, self._speed))
        return jobs.Job(id_, scope, actor, self._now_us(), then, reason, round_us)

    def _step(self, told: Told) -> None:
        for intent in jobs.step(self._book, self._market, self._now_us()):
            told.append((ORDER_INTENTS, intent.account, intent))
        for job in jobs.done(self._book):
            command = "" if job.actor == ACTOR else job.id
            if (state := jobs.state_after(self._book, job)) is not None:
                self._set(RiskState(job.scope, state, job.actor, self._now_us(), job.detail, command), told)
            self._book.put_job(job.id, None)
            if command:
                told.append(fate(command, "done", time.time_ns() // 1000, job.detail))
            else:
                self._finish(job.id, "flatten", job.detail, told)
