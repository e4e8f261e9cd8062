"""Schedules at work: started and stopped once each, made up or told when missed, whatever rhythm the fleet looks in."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.clock import SessionClock
from schemas.fleet import AlgoEvent
from streams.fleet.fold import FleetState, fold
from streams.fleet.timetable import Now, turns
from tests.unit.streams.fleet.records import S, algo, beat, event, node, task

IST = ZoneInfo("Asia/Kolkata")
T = "crossover@desk"


def at(text: str) -> int:
    """Microseconds of a local time of January 2026, as ``22 09:14:00``."""
    return int(datetime.strptime(f"2026-01-{text}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=IST).timestamp()) * S


class World:
    """A fleet whose node does at once what it is told; the market's clock is the wall's, or a simulated one."""

    def __init__(self, begin: int, schedule: str, clock: SessionClock | None = None, **more: Any) -> None:
        self.clock, self.has_node = clock, True
        self.state, self.done, self.missed = FleetState(), [], []
        for record in (node(at_us=begin), beat(at_us=begin, started_us=begin - 60 * S), algo()):
            self.state = fold(self.state, record, begin)
        wanted = more.pop("wanted", "stopped")
        self.state = fold(self.state, task(wanted=wanted, at_us=begin, schedule=schedule, **more), begin)

    done: list[tuple[str, int]]
    missed: list[AlgoEvent]

    def look(self, wall_us: int) -> None:
        """The fleet looks once."""
        if self.has_node:
            tasks = {T: "running"} if self.runs else {}
            self.state = fold(self.state, beat(at_us=wall_us, tasks=tasks, started_us=wall_us - 60 * S), wall_us)
        now = Now(
            wall_us, self.clock.at_wall if self.clock else lambda wall: wall, self.clock.speed if self.clock else 1
        )
        asked = turns(self.state, now)
        for wish in asked.wishes:
            self.state = fold(self.state, wish.task, wall_us)
            if wish.verb:
                self.done.append((wish.verb, wall_us))
                kind = "stopped" if wish.verb == "stop" else "started"
                self.state = fold(self.state, event(kind, at_us=wall_us + 1), wall_us + 1)
        for missed in asked.events:
            self.missed.append(missed)
            self.state = fold(self.state, missed, wall_us)

    @property
    def runs(self) -> bool:
        life = self.state.tasks[T].life
        return life is not None and life.kind == "started"

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.done]


def test_a_session_starts_and_stops_on_time() -> None:
    world = World(at("22 08:00:00"), "NSE session")
    for text in (
        "22 09:13:59",
        "22 09:14:00",
        "22 09:14:01",
        "22 12:00:00",
        "22 15:29:59",
        "22 15:30:00",
        "22 18:00:00",
    ):
        world.look(at(text))
    assert world.done == [("start", at("22 09:14:00")), ("stop", at("22 15:30:00"))]
    assert world.missed == []


@given(st.lists(st.integers(0, 12 * 3600), min_size=1, max_size=40))
@settings(deadline=None)
def test_no_rhythm_of_looking_does_anything_twice(seconds: list[int]) -> None:
    world = World(at("22 08:00:00"), "NSE session")
    looks = sorted(at("22 08:00:00") + s * S for s in seconds)
    for wall in looks:
        world.look(wall)
        world.look(wall)
    inside = any(at("22 09:14:00") <= wall < at("22 15:30:00") for wall in looks)
    after = looks[-1] >= at("22 15:30:00")
    assert world.verbs == ["start"] * inside + ["stop"] * (inside and after)
    told = [e.reason for e in world.missed]
    assert ("its start on 2026-01-22 at 09:14 was missed: the fleet did not run then" in told) == (after and not inside)


def test_a_start_that_was_missed_is_made_up_while_the_session_is_open() -> None:
    world = World(at("22 08:00:00"), "NSE session")
    world.look(at("22 14:00:00"))
    assert (world.verbs, world.missed) == (["start"], [])


def test_a_schedule_made_in_an_open_session_starts_at_once() -> None:
    world = World(at("22 11:00:00"), "NSE session")
    world.look(at("22 11:00:01"))
    assert world.verbs == ["start"]


def test_a_session_that_was_missed_is_told_once_each() -> None:
    world = World(at("21 18:00:00"), "NSE session")
    world.look(at("24 10:00:00"))
    world.look(at("24 10:00:01"))
    assert world.verbs == []
    assert [e.reason for e in world.missed] == [
        "its start on 2026-01-22 at 09:14 was missed: the fleet did not run then",
        "its start on 2026-01-23 at 09:14 was missed: the fleet did not run then",
    ]
    assert len({e.id for e in world.missed}) == 2


def test_a_stop_that_was_missed_is_done_and_told() -> None:
    world = World(at("22 08:00:00"), "NSE session")
    world.look(at("22 09:14:00"))
    world.look(at("22 15:45:00"))
    assert world.verbs == ["start", "stop"]
    assert [e.reason for e in world.missed] == ["it was to stop on 2026-01-22 at 15:30, but the fleet did not run then"]


def test_a_session_that_its_node_missed_is_told() -> None:
    world = World(at("22 08:00:00"), "NSE session")
    world.has_node = False
    world.look(at("22 09:14:00"))
    assert world.verbs == []
    wanted = world.state.tasks[T].wanted
    assert wanted is not None
    assert wanted.wanted == "running"  # told when the node is back
    world.look(at("22 15:30:00"))
    assert [e.reason for e in world.missed] == [
        "it did not run in the session that closed on 2026-01-22 at 15:30 "
        "(waiting: node desk is lost: no heartbeat for 27000 s)"
    ]


def test_a_run_that_ended_by_itself_is_not_started_twice_in_a_session() -> None:
    world = World(at("22 08:00:00"), "NSE session")
    world.look(at("22 09:14:00"))
    world.state = fold(world.state, event("exited", at_us=at("22 10:00:00")), at("22 10:00:00"))
    world.look(at("22 11:00:00"))
    world.look(at("22 15:30:00"))
    world.look(at("23 09:14:00"))
    assert world.verbs == ["start", "stop", "start"]


def test_the_simulators_nights_take_no_time_and_miss_nothing() -> None:
    begin = at("22 08:00:00")
    clock = SessionClock(begin, date(2026, 1, 22), speed=3600.0)
    world = World(begin, "NSE session", clock)
    for tenth in range(1, 200):  # three sessions of 6.25 h take 6.25 s each
        world.look(begin + tenth * S // 10)
    assert world.verbs[:3] == ["start", "restart", "restart"]
    assert len(world.verbs) == 4
    assert world.missed == []


def test_cron_starts_and_tells_what_still_runs() -> None:
    world = World(at("22 08:00:00"), "0 9,10 * * *")
    world.look(at("22 08:59:59"))
    world.look(at("22 09:00:00"))
    world.look(at("22 10:00:00"))
    assert world.verbs == ["start"]
    assert [e.reason for e in world.missed] == [
        "its start on 2026-01-22 at 10:00 was missed: it still ran from the time before"
    ]
    world.state = fold(world.state, event("exited", at_us=at("22 11:00:00")), at("22 11:00:00"))
    world.look(at("23 09:00:00"))
    assert world.verbs == ["start", "start"]


@pytest.mark.parametrize(("look", "verbs", "missed"), [("22 09:09:59", ["start"], 0), ("22 09:10:01", [], 1)])
def test_cron_is_made_up_for_ten_minutes(look: str, verbs: list[str], missed: int) -> None:
    world = World(at("22 08:00:00"), "0 9 * * *")
    world.look(at(look))
    world.look(at(look) + S)
    assert (world.verbs, len(world.missed)) == (verbs, missed)


def test_cron_does_not_reach_back_before_it_was_made() -> None:
    world = World(at("22 09:05:00"), "0 9 * * *")
    world.look(at("22 09:05:01"))
    assert (world.verbs, world.missed) == ([], [])


def test_removed_tasks_and_broken_schedules_are_left_alone() -> None:
    for schedule, wanted in (("NSE session", "removed"), ("nonsense", "stopped")):
        world = World(at("22 08:00:00"), schedule, wanted=wanted)
        world.look(at("22 12:00:00"))
        assert (world.verbs, world.missed) == ([], [])
