"""What the schedules ask for now: starts, stops, and what was missed. Pure.

A task remembers by its own record up to when its schedule was heeded: ``changed_us``. Whatever falls due after that is
done and the record written again, so nothing is done twice, and nothing is lost while the fleet does not run: a start
is made up while its window is open, and what cannot be made up is told as an event of kind ``missed``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from infra.errors import UserError
from schemas.fleet import AlgoEvent, Task, Verb
from streams.fleet.commands import Wish
from streams.fleet.fold import FleetState, TaskEntry
from streams.fleet.schedule import Schedule, closes_us, due, exchange_of, parse_schedule
from streams.fleet.states import is_live, node_state, task_state

Wanted = Literal["running", "stopped", "removed"]
ACTOR = "schedule"
NOT_THERE = "the fleet did not run then"
LATE_S = 5.0  # of the wall clock: what is done later is told as missed
LOOK_BACK_US = 15 * 86_400_000_000  # no exchange is shut for longer


@dataclass(slots=True)
class Turns:
    """What shall be written."""

    wishes: list[Wish] = field(default_factory=list)
    events: list[AlgoEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Now:
    """One instant: of the wall clock, of the market, and how a wall time becomes a market time."""

    wall_us: int
    market_at: Callable[[int], int]
    speed: float = 1.0

    @property
    def market_us(self) -> int:
        """Market time."""
        return self.market_at(self.wall_us)

    @property
    def late_us(self) -> int:
        """How late something may be done, in market time."""
        return int(LATE_S * 1e6 * self.speed)


def turns(state: FleetState, now: Now) -> Turns:
    """What all schedules ask for."""
    look = _Look(state, now)
    for entry in state.tasks.values():
        task = entry.wanted
        if task is None or not task.schedule or task.wanted == "removed":
            continue
        try:
            schedule = parse_schedule(task.schedule, exchange_of(task.instruments))
        except UserError:
            continue  # written by somebody who did not ask us; its owner sees that it waits
        look.at_cron(entry, task, schedule) if schedule.cron else look.at_session(entry, task, schedule)
    return look.found


class _Look:
    """One look at all schedules."""

    def __init__(self, state: FleetState, now: Now) -> None:
        self.found = Turns()
        self._state, self._now, self._market_us = state, now, now.market_us
        self._opened: dict[str, int | None] = {}

    def at_session(self, entry: TaskEntry, task: Task, schedule: Schedule) -> None:
        events = due(schedule, self._now.market_at(task.changed_us), self._market_us)
        starts = [at for at, what in events if what == "start"]
        stops = [at for at, what in events if what == "stop"]
        opened, runs = self._open_since(schedule), task.wanted == "running"
        if runs and stops:
            self._miss_stop(entry, task, schedule, stops[0])
        if opened is not None and not runs:
            self._change(task, "running", "start")
        elif opened is not None and stops:  # a new session begins, whose start nobody has seen
            self._change(task, "running", "restart" if is_live(self._state, entry) else "start")
        elif opened is None and runs and stops:
            self._change(task, "stopped", "stop")
        elif opened is None and starts and not runs:
            self._change(task, "stopped", None)
        for at in starts:
            if at != opened:
                self._miss(task, schedule, at, NOT_THERE)

    def at_cron(self, entry: TaskEntry, task: Task, schedule: Schedule) -> None:
        starts = [at for at, _ in due(schedule, self._now.market_at(task.changed_us), self._market_us)]
        if not starts:
            return
        for at in starts[:-1]:
            self._miss(task, schedule, at, NOT_THERE)
        if is_live(self._state, entry):
            self._miss(task, schedule, starts[-1], "it still ran from the time before")
            self._change(task, "running", None)
        elif self._market_us <= max(closes_us(schedule, starts[-1]), starts[-1] + self._now.late_us):
            self._change(task, "running", "start")
        else:
            self._miss(task, schedule, starts[-1], NOT_THERE)
            self._change(task, task.wanted, None)

    def _open_since(self, schedule: Schedule) -> int | None:
        """When the session that is open now (or about to open) was to be started; None outside of sessions."""
        exchange = schedule.calendar.exchange
        if exchange not in self._opened:
            last = due(schedule, self._market_us - LOOK_BACK_US, self._market_us)[-1:]
            self._opened[exchange] = last[0][0] if last and last[0][1] == "start" else None
        return self._opened[exchange]

    def _miss_stop(self, entry: TaskEntry, task: Task, schedule: Schedule, at: int) -> None:
        heard = entry.life is not None and entry.life.at_us >= entry.wanted_us
        if not heard and not is_live(self._state, entry):
            looks, why, _ = task_state(self._state, entry, self._now.wall_us)
            because = looks + (f": {why}" if why else "")
            self._tell(task, at, f"it did not run in the session that closed {_local(schedule, at)} ({because})")
        elif self._market_us - at > self._now.late_us and not self._jumped(at):
            self._tell(task, at, f"it was to stop {_local(schedule, at)}, but {NOT_THERE}")

    def _jumped(self, at: int) -> bool:
        """Whether the market's clock itself has skipped the time since then, as the simulator's does at night."""
        return self._now.market_at(self._now.wall_us - int(LATE_S * 1e6)) <= at

    def _miss(self, task: Task, schedule: Schedule, at: int, why: str) -> None:
        self._tell(task, at, f"its start {_local(schedule, at)} was missed: {why}")

    def _tell(self, task: Task, at: int, reason: str) -> None:
        id_ = f"missed-{task.task}-{at}"
        self.found.events.append(AlgoEvent(id_, task.node, task.task, "missed", self._now.wall_us, reason=reason))

    def _change(self, task: Task, wanted: Wanted, verb: Verb | None) -> None:
        node = self._state.nodes.get(task.node)
        if verb and (node is None or node_state(node, self._now.wall_us)[0] not in ("up", "degraded")):
            verb = None  # it is told when it is back, if the wish still stands then
        changed = replace(task, wanted=wanted, changed_us=self._now.wall_us, actor=ACTOR)
        self.found.wishes.append(Wish(changed, verb))


def _local(schedule: Schedule, at: int) -> str:
    local = datetime.fromtimestamp(at / 1e6, UTC).astimezone(schedule.calendar.zone)
    return f"on {local:%Y-%m-%d} at {local:%H:%M}"
