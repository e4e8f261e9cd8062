"""The engine: duplicates, divisions, restarts and rewinds leave the same outputs; a callback is all or nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fleet import Signal
from schemas.orders import OrderIntent
from streams.algo import Algo, Candle, Tick, state
from streams.algo.engine import Engine
from streams.algo.events import Event, Minute, Record
from tests.unit.streams.algo.events import (
    SECOND,
    Everything,
    engine_of,
    feed,
    heard,
    minute,
    records,
    through_the_log,
    ticks,
)
from tests.unit.streams.candles.ticks import OPENING

A, B = "NSE:A", "NSE:B"
SOURCES = ("ticks/0", "ticks/1", "candles/0", "candles/1", "signals/0")


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """Some partitions of some topics, in an order in which a reader may see them: each one's records in order."""
    order = draw(st.lists(st.sampled_from(SOURCES), min_size=1, max_size=40))
    at = dict.fromkeys(SOURCES, 0)
    return [event_at(source, _next(at, source), draw(st.integers(-2, 20))) for source in order]


def _next(at: dict[str, int], source: str) -> int:
    at[source] += 1
    return at[source] - 1


def event_at(source: str, offset: int, value: int) -> Event:
    """The record that lies there: A's are in the first partitions, B's in the second."""
    name = A if source.endswith("0") else B
    if source.startswith("ticks"):
        prices = [(name, float(value)), (name, float(value + 1))] if value % 4 else []
        return ticks(source, offset, prices, OPENING + offset * 13 * SECOND + 1)
    if source.startswith("candles"):
        return Minute(source, offset, minute(name, offset + (value % 3 == 0), float(value)))
    return heard(source, offset, ("mood", "alarm", "other")[value % 3], value, ("", A, B)[value % 3])


def started(since: dict[str, int] | None = None) -> Engine:
    engine = engine_of(Everything)
    for name, clock in ((A, "ticks/0"), (B, "ticks/1")):
        engine.add((name,), upto=dict.fromkeys(SOURCES, 0), clock_source=clock).start(OPENING)
    return engine


def by_unit(made: Sequence[Record]) -> dict[str, list[Record]]:
    """What each unit has made, in its order."""
    return {name: [r for r in made if getattr(r, "instrument", "") == name] for name in (A, B)}


@given(logs(), st.randoms())
@settings(deadline=None)
def test_records_that_come_again_change_nothing(log: list[Event], rng: random.Random) -> None:
    again, at = [], 0
    while at < len(log):  # as after a restart of the reader: it goes back and reads on from there
        end = min(len(log), at + rng.randint(1, 10))
        again += log[rng.randint(0, at) : end]
        at = end
    assert feed(started(), again) == feed(started(), log)


@given(logs(), st.integers(0, 40))
@settings(deadline=None)
def test_a_restart_in_the_middle_is_as_none(log: list[Event], cut: int) -> None:
    whole = feed(started(), log)
    first = started()
    made = feed(first, log[:cut])
    saved = {unit.name: through_the_log(first.saved(unit)) for unit in first.units.values()}
    second = engine_of(Everything)
    for name, clock in ((A, "ticks/0"), (B, "ticks/1")):
        unit = second.add((name,), saved[name], dict.fromkeys(SOURCES, 0) | saved[name].upto, clock)
        for event in log:
            if isinstance(event, Minute):
                second.recall(event)
        unit.start(OPENING)
    assert by_unit(made + feed(second, log)) == by_unit(whole)


@given(logs(), st.integers(0, 40), st.integers(0, 40))
@settings(deadline=None)
def test_a_kill_loses_nothing_and_repeats_only_under_the_same_ids(log: list[Event], kept: int, killed: int) -> None:
    """The state is kept with each output, so what is done again after a kill has made no outputs."""
    whole = feed(started(), log)
    engine = started()
    made: list[Record] = []
    saved = {unit.name: engine.saved(unit) for unit in engine.units.values()}
    for number, event in enumerate(log[:killed]):
        for outcome in engine.feed(event):
            if outcome.records:
                saved[outcome.unit] = engine.saved(engine.units[outcome.unit], outcome)
                made += outcome.records
        if number == kept:
            saved = {unit.name: engine.saved(unit) for unit in engine.units.values()}
    second = engine_of(Everything)
    for name, clock in ((A, "ticks/0"), (B, "ticks/1")):
        back = through_the_log(saved[name])
        made += [record for record in back.outbox if record not in made]
        unit = second.add((name,), back, back.upto, clock)
        for event in log:
            if isinstance(event, Minute):
                second.recall(event)
        unit.start(OPENING)
    second.go_back()
    again = feed(second, log)
    assert len({r.id for r in made + again}) == len(made + again)
    assert {r.id: r for r in made + again} == {r.id: r for r in whole}


@given(logs(), st.integers(0, 40))
@settings(deadline=None)
def test_a_unit_that_comes_later_disturbs_no_other(log: list[Event], cut: int) -> None:
    alone = engine_of(Everything)
    alone.add((A,), upto=dict.fromkeys(SOURCES, 0)).start(OPENING)
    engine = engine_of(Everything)
    engine.add((A,), upto=dict.fromkeys(SOURCES, 0)).start(OPENING)
    made = feed(engine, log[:cut])
    engine.add((B,), upto=dict.fromkeys(SOURCES, 0), clock_source="ticks/1").start(OPENING)
    start = engine.go_back()
    made += feed(engine, [event for event in log if event.offset >= start[event.source]])
    assert by_unit(made)[A] == feed(alone, log)
    assert by_unit(made)[B] == by_unit(feed(started(), log))[B]


class Careless(Algo):
    """Raises after it has done half of what it wanted."""

    max_errors = 3
    done: list[float] = state([])

    def on_tick(self, tick: Tick) -> None:
        self.done.append(tick.price)
        self.buy(1)
        self.signal("half", tick.price)
        if tick.price < 0:
            raise ArithmeticError("below zero")


def test_a_callback_that_raises_has_had_no_effect() -> None:
    engine = engine_of(Careless)
    unit = engine.add((A,))
    unit.start(OPENING)
    made = feed(engine, [ticks("ticks/0", 0, [(A, 1.0), (A, -1.0), (A, 2.0)], OPENING)])
    assert [type(r).__name__ for r in made] == ["OrderIntent", "Signal"] * 2
    assert unit.saved().state == {"done": [1.0, 2.0]}
    assert unit.desk.position("") == 2
    assert [order.id for order in unit.desk.orders()] == [r.id for r in made if isinstance(r, OrderIntent)]


def test_errors_in_a_row_end_the_algo_and_it_says_why_and_where() -> None:
    engine = engine_of(Careless)
    engine.add((A,)).start(OPENING)
    good_between = [(A, p) for p in (-1.0, -1.0, 3.0, -1.0, -1.0)]
    first = engine.feed(ticks("ticks/0", 0, good_between, OPENING))
    assert not engine.end
    note = first[0].notes[0]
    assert note.level == "error"
    for part in ("on_tick raised ArithmeticError: below zero", "ticks/0/0/0", "1 in a row, 3 end", "test_engine.py"):
        assert part in note.text
    engine.feed(ticks("ticks/0", 1, [(A, -1.0), (A, 5.0)], OPENING))
    assert engine.end
    assert engine.end.status == 3
    assert "on_tick of NSE:A raised 3 times in a row, last ArithmeticError: below zero" in engine.end.reason
    assert feed(engine, [ticks("ticks/0", 2, [(A, 5.0)], OPENING)]) == []


class Unkeepable(Algo):
    """Puts something into its state that JSON cannot hold."""

    things: object = state(None)

    def on_tick(self, tick: Tick) -> None:
        self.things = {1, 2}
        self.buy(1)


def test_a_state_that_cannot_be_kept_is_an_error_of_the_callback() -> None:
    engine = engine_of(Unkeepable)
    unit = engine.add((A,))
    unit.start(OPENING)
    outcomes = engine.feed(ticks("ticks/0", 0, [(A, 1.0)], OPENING))
    assert records(outcomes) == []
    assert "the state 'things' cannot be kept: a set is no JSON value" in outcomes[0].notes[0].text
    assert unit.saved().state == {"things": None}


class Pair(Algo):
    """Two legs."""

    legs = 2
    timer = 5

    def on_tick(self, tick: Tick) -> None:
        self.signal("seen", tick.price, tick.instrument)

    def on_timer(self) -> None:
        self.buy(1, self.instruments[0])
        self.sell(1, self.instruments[1])


def test_a_group_gets_the_ticks_of_all_its_legs_and_the_time_of_its_first() -> None:
    engine = engine_of(Pair)
    engine.add((A, B), clock_source="ticks/7").start(OPENING)
    events = [
        ticks("ticks/7", 0, [(A, 1.0)], OPENING),
        ticks("ticks/3", 0, [(B, 2.0)], OPENING + 60 * SECOND),
        ticks("ticks/7", 1, [], OPENING + 11 * SECOND),
        ticks("ticks/7", 2, [], OPENING + 12 * SECOND),
    ]
    made = feed(engine, events)
    assert [(type(r).__name__, r.instrument) for r in made if not hasattr(r, "verb")] == [
        ("Signal", A), ("Signal", B), ("OrderIntent", A), ("OrderIntent", B),
    ]  # fmt: skip
    assert [r.at_us for r in made if isinstance(r, OrderIntent)] == [OPENING + 10 * SECOND] * 2


class Closes(Algo):
    """Tells the window at each five-minute candle."""

    candles = "5m"
    history = 2

    def on_candle(self, candle: Candle) -> None:
        self.signal("closes", candle.close, all=self.window().close.tolist())


def test_longer_candles_come_when_their_last_minute_or_a_later_one_is_there() -> None:
    engine = engine_of(Closes)
    engine.add((A,)).start(OPENING)
    seen = []
    for offset, number in enumerate([0, 1, 2, 3, 4, 5, 7, 11, 14, 21]):  # minutes 8 to 9, 10, 15 to 20 had no trades
        made = feed(engine, [Minute("candles/0", offset, minute(A, number, number))])
        seen += [(number, r.data["all"]) for r in made if isinstance(r, Signal)]
    assert seen == [(4, "[4]"), (11, "[4, 7]"), (14, "[7, 14]")]


def test_revisions_reach_the_window_and_call_nothing() -> None:
    engine = engine_of(Everything)
    unit = engine.add((A,))
    unit.start(OPENING)
    made = feed(engine, [Minute("candles/0", n, minute(A, n, float(n))) for n in range(3)])
    assert len(made) == 3
    assert feed(engine, [Minute("candles/0", 3, minute(A, 1, 50.0, revision=1))]) == []
    assert unit.desk.window("1m", "").close.tolist() == [0.0, 50.0, 2.0]
    done = feed(engine, [Minute("candles/0", 4 + n, minute(A, n, float(n))) for n in (3, 4)])
    assert [r.name for r in done if isinstance(r, Signal)] == ["candle-1m", "candle-1m", "candle-5m"]
    assert unit.desk.window("5m", "").high.tolist() == [51.0]


class Runaway(Algo):
    """Never has enough."""

    def on_tick(self, tick: Tick) -> None:
        while True:
            self.buy(1)


def test_a_callback_that_asks_without_end_is_an_error_and_asks_for_nothing() -> None:
    engine = engine_of(Runaway)
    unit = engine.add((A,))
    unit.start(OPENING)
    outcomes = engine.feed(ticks("ticks/0", 0, [(A, 1.0)], OPENING))
    assert records(outcomes) == []
    assert "one callback asked for more than 1000 orders and signals" in outcomes[0].notes[0].text
    assert unit.desk.position("") == 0
