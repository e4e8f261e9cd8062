"""What the schedules ask for now: starts, stops, and what was missed. Pure.

A task remembers by its own record up to when its schedule was heeded: ``changed_us``. Whatever falls due after that is
done and the record written again, so nothing is done twice, and nothing is lost while the fleet does not run: a start
is made up while its window is open, and what cannot be made up is told as an event of kind ``missed``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from infra.errors import UserError
from schemas.fleet import AlgoEvent, Task, Verb
from streams.fleet.commands import Wish
from streams.fleet.fold import FleetState, TaskEntry
from streams.fleet.schedule import Schedule, closes_us, due, exchange_of, parse_schedule
from streams.fleet.states import is_live, node_state, task_state

ACTOR = "schedule"
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
    found = Turns()
    for entry in state.tasks.values():
        task = entry.wanted
        if task is None or not task.schedule or task.wanted == "removed":
            continue
        try:
            schedule = parse_schedule(task.schedule, exchange_of(task.instruments))
        except UserError:
            continue  # written by somebody who did not ask us; its owner sees that it waits
        _turn(found, state, entry, task, schedule, now)
    return found


def _turn(found: Turns, state: FleetState, entry: TaskEntry, task: Task, schedule: Schedule, now: Now) -> None:
    since = now.market_at(task.changed_us)
    events = due(schedule, since, now.market_us)
    if schedule.cron:
        _by_cron(found, state, entry, task, schedule, [at for at, _ in events], now)
        return
    starts = [at for at, what in events if what == "start"]
    stops = [at for at, what in events if what == "stop"]
    opened = _open_since(schedule, now)
    runs = task.wanted == "running"
    if runs and stops:
        _miss_stop(found, state, entry, task, schedule, stops[0], now)
    if opened is not None and not (runs and not stops):
        _change(found, state, task, "running", "restart" if runs and is_live(state, entry) else "start", now)
    elif opened is None and runs and stops:
        _change(found, state, task, "stopped", "stop", now)
    elif opened is None and starts and not runs:
        _change(found, state, task, "stopped", None, now)
    for at in starts:
        if at != opened:
            _miss(found, task, schedule, at, "the fleet did not run then", now)


def _open_since(schedule: Schedule, now: Now) -> int | None:
    """When the session that is open now (or about to open) was to be started; None outside of sessions."""
    last = due(schedule, now.market_us - LOOK_BACK_US, now.market_us)[-1:]
    return last[0][0] if last and last[0][1] == "start" else None


def _by_cron(
    found: Turns, state: FleetState, entry: TaskEntry, task: Task, schedule: Schedule, starts: list[int], now: Now
) -> None:
    if not starts:
        return
    *earlier, last = starts
    for at in earlier:
        _miss(found, task, schedule, at, "the fleet did not run then", now)
    if is_live(state, entry):
        _miss(found, task, schedule, last, "it still ran from the time before", now)
        _change(found, state, task, "running", None, now)
    elif now.market_us <= max(closes_us(schedule, last), last + now.late_us):
        _change(found, state, task, "running", "start", now)
    else:
        _miss(found, task, schedule, last, "the fleet did not run then", now)
        _change(found, state, task, task.wanted, None, now)


def _miss_stop(
    found: Turns, state: FleetState, entry: TaskEntry, task: Task, schedule: Schedule, at: int, now: Now
) -> None:
    heard = entry.life is not None and entry.life.at_us >= entry.wanted_us
    if not heard and not is_live(state, entry):
        looks, why, _ = task_state(state, entry, now.wall_us)
        because = looks + (f": {why}" if why else "")
        reason = f"it did not run in the session that closed {_local(schedule, at)} ({because})"
        found.events.append(_event(task, at, reason, now))
    elif now.market_us - at > now.late_us and not _jumped(at, now):
        reason = f"it was to stop {_local(schedule, at)}, but the fleet did not run then"
        found.events.append(_event(task, at, reason, now))


def _jumped(at: int, now: Now) -> bool:
    """Whether the market's clock itself has skipped the time since then, as the simulator's does at night."""
    return now.market_at(now.wall_us - int(LATE_S * 1e6)) <= at


def _miss(found: Turns, task: Task, schedule: Schedule, at: int, why: str, now: Now) -> None:
    found.events.append(_event(task, at, f"its start {_local(schedule, at)} was missed: {why}", now))


def _event(task: Task, at: int, reason: str, now: Now) -> AlgoEvent:
    return AlgoEvent(f"missed-{task.task}-{at}", task.node, task.task, "missed", now.wall_us, reason=reason)


def _local(schedule: Schedule, at: int) -> str:
    local = datetime.fromtimestamp(at / 1e6, UTC).astimezone(schedule.calendar.zone)
    return f"on {local:%Y-%m-%d} at {local:%H:%M}"


def _change(found: Turns, state: FleetState, task: Task, wanted: str, verb: Verb | None, now: Now) -> None:
    node = state.nodes.get(task.node)
    if verb and (node is None or node_state(node, now.wall_us)[0] not in ("up", "degraded")):
        verb = None  # it is told when it is back, if the wish still stands then
    changed = replace(task, wanted=wanted, changed_us=now.wall_us, actor=ACTOR)  # type: ignore[arg-type]
    found.wishes.append(Wish(changed, verb))
