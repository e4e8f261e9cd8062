"""The runner: I/O around the engine. Reads what this task's units need, feeds it, writes what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from confluent_kafka import Message

from infra.clock import market_clock
from infra.settings import Settings
from schemas.topics import CANDLES, RISK_STATES, SUBSCRIPTIONS, TICKS
from streams.algo.definition import Definition
from streams.algo.engine import Engine
from streams.algo.events import Judged, Minute, Outcome, Reported
from streams.algo.incoming import ORDERS, Incoming
from streams.algo.journal import Journal, read_states
from streams.algo.output import Output
from streams.algo.past import past_start
from streams.algo.places import Membership, Partitions
from streams.algo.reader import LogError, Reader, source_of
from streams.algo.saved import Saved
from streams.algo.task import Given
from streams.algo.unit import Unit, unit_name
from streams.algo.watchdog import Watchdog

POLL_S = 0.1
MOST_AT_ONCE = 500  # outputs that are written with one record of a unit's state, but for a single event's
KEEP_S = 60.0  # units that say nothing are kept this often: so much is worked through again after a kill, silently


class Runner:
    """One task of a run. :meth:`run` until it is stopped or ends; ``stopped`` says that it shall."""

    def __init__(
        self, given: Given, definition: Definition, of: Settings, watchdog: Watchdog, engine: Engine, output: Output,
        stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._definition, self._engine, self._watchdog, self._output = definition, engine, watchdog, output
        self._stopped = stopped
        self._run, self._clock = given.task.run, market_clock()
        self._groups = definition.groups(given.task.instruments)
        names = [name for group in self._groups for name in group]
        self._instruments, self._incoming = names, Incoming(definition, given.run, names, output.say)
        self._partitions = Partitions(names)
        self._reader = Reader(of)
        self._journal = Journal(self._run, of, output.say)
        self._members = Membership(given.group, given.task.task, of, self._lost)
        self._own: dict[str, tuple[str, ...]] = {}  # unit -> its sources of ticks, one for each instrument
        self._told: set[str] = set()  # instruments that are known not to be subscribed
        self._followed: dict[str, int] = {}  # sources that are no unit's own, and where each is read on
        self._changed = True
        self._kept_at = time.monotonic()

    def run(self) -> int:
        """Works. The exit status."""
        for topic in (SUBSCRIPTIONS, RISK_STATES):
            self._followed |= dict.fromkeys(self._reader.sources(topic), 0)
            for message in self._reader.all_of(topic, self._stopped):
                self._feed(message)
        while not self._stopped() and not self._engine.end:
            self._changed |= self._members.poll()
            if self._changed:
                self._settle()
            self._step()
        return self._leave()

    # events ----------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        outcomes: list[Outcome] = []
        for message in self._reader.read(POLL_S):
            if self._engine.end:
                break
            outcomes += self._feed(message)
            if sum(len(outcome.records) for outcome in outcomes) >= MOST_AT_ONCE:
                self._record(outcomes)
                outcomes = []
        self._record(outcomes)
        if time.monotonic() - self._kept_at > KEEP_S:
            self._keep(self._engine.units.values())
            self._kept_at = time.monotonic()

    def _feed(self, message: Message) -> list[Outcome]:
        source, offset = source_of(message), int(message.offset() or 0)
        if source in self._followed:
            self._followed[source] = offset + 1
        if message.topic() == SUBSCRIPTIONS.name:
            slot, at_ms = int(message.partition() or 0), int(message.timestamp()[1])
            self._changed |= self._partitions.take(slot, message.key(), message.value(), at_ms)
        event = self._incoming.event(message)
        if event is not None:
            return self._engine.feed(event)
        self._engine.skip(source, offset)
        return []

    def _record(self, outcomes: Iterable[Outcome]) -> None:
        """Writes what came of events, and says what there is to say."""
        outbox: dict[str, Outcome] = {}
        for outcome in outcomes:
            self._output.notes(outcome.notes)
            if outcome.records:
                outbox.setdefault(outcome.unit, Outcome(outcome.unit)).records.extend(outcome.records)
        self._write({name: self._engine.saved(self._engine.units[name], made) for name, made in outbox.items()})

    def _keep(self, units: Iterable[Unit]) -> None:
        self._write({unit.name: self._engine.saved(unit) for unit in units})

    def _write(self, saved: dict[str, Saved]) -> None:
        if self._watchdog.stood_still():
            raise LogError("The process stood still for a while and may have lost its place: it has to start again.")
        self._journal.write(saved)

    # whose units are whose -------------------------------------------------------------------------------------

    def _lost(self, partitions: set[int], orderly: bool) -> None:
        """Partitions go to another task; in good order, what was done for their units is kept first."""
        gone = [u for u in self._engine.units.values() if int(self._own[u.name][0].rpartition("/")[2]) in partitions]
        self._give_up(gone, keep=orderly)

    def _give_up(self, units: list[Unit], *, keep: bool) -> None:
        if keep:
            self._keep(units)
        for unit in units:
            self._output.say(f"{unit.name} goes to another task" if keep else f"{unit.name} was lost to another task")
            self._engine.remove(unit.name)
            del self._own[unit.name]
            self._changed = True

    def _settle(self) -> None:
        """Brings the units in step with what is ours, and reads on from where they need it."""
        wanted = self._wanted()
        self._give_up([u for u in self._engine.units.values() if wanted.get(u.name) != self._own[u.name]], keep=True)
        new = {group for group in self._groups if unit_name(group) in wanted} - {
            unit.instruments for unit in self._engine.units.values()
        }
        self._changed = False
        if new:
            self._own |= {unit_name(group): wanted[unit_name(group)] for group in new}
            self._take_over(sorted(new))
        self._reader.go(self._engine.go_back() | self._followed)

    def _wanted(self) -> dict[str, tuple[str, ...]]:
        """Our units, and the sources of their instruments' ticks; says which are waited for."""
        wanted = {}
        for group in self._groups:
            places = [self._partitions.of(name) for name in group]
            if min(places) >= 0 and places[0] in self._members.owned:
                wanted[unit_name(group)] = tuple(f"{TICKS.name}/{place}" for place in places)
        dropped = self._partitions.dropped
        away = {n for n in self._instruments if self._partitions.of(n) < 0 or n in dropped}
        for name in sorted(away - self._told):
            self._output.say(f"{name} is not subscribed at the feed, it is waited for: `./portfolio feed add {name}`")
        for name in sorted(self._told - away):
            self._output.say(f"{name} is subscribed now")
        self._told = away
        return wanted

    def _take_over(self, groups: list[tuple[str, ...]]) -> None:
        """New units: what was kept of them, their history, their start; from then on their events are live."""
        states = read_states(self._run, self._reader, self._stopped, self._output.say)
        if self._stopped():
            return  # with half of the states read a unit would begin anew
        shared = {source: end for topic in self._incoming.topics for source, end in self._reader.ends(topic).items()}
        orders = {source: shared[source] for topic in ORDERS for source in self._reader.sources(topic)}
        ticks = self._reader.ends(TICKS) if self._definition.wants_ticks else {}
        since: dict[str, int] = {}
        past: dict[str, dict[str, int]] = {}  # by exchange: the same for all units
        units: list[Unit] = []
        quiet: set[str] = set()
        for group in groups:
            own = self._own[unit_name(group)]
            ends = shared | {source: ticks[source] for source in own if source in ticks}
            saved, is_recent = self._state(unit_name(group), states)
            upto = {s: _at(s, saved, end) if is_recent or s in orders else end for s, end in ends.items()}
            unit = self._engine.add(group, saved, upto, own[0])
            units.append(unit)
            if not (saved and is_recent and saved.shape == unit.shape):
                exchange = group[0].partition(":")[0]
                if exchange not in past:
                    past[exchange] = self._past(exchange, unit.history)
                unit.look_back(past[exchange])
            since |= {s: min(offset, since.get(s, offset)) for s, offset in unit.since.items() if s in shared}
            if saved and is_recent:
                self._journal.send(saved.outbox)
            if not is_recent:
                quiet.add(unit.name)
        self._warm_up(units, since, orders, quiet)
        if self._stopped():
            for unit in units:
                self._engine.remove(unit.name)
        else:
            self._start(units)

    def _state(self, name: str, states: dict[str, tuple[Saved, int]]) -> tuple[Saved | None, bool]:
        """What was kept of a unit, and whether it is so recent that what was missed is worked through."""
        if name not in states:
            return None, False
        saved, at_ms = states[name]
        age_s = time.time() - at_ms / 1000
        if age_s <= self._definition.made.catch_up:
            return saved, True
        self._output.say(f"{name} goes on from now with what it kept {age_s:.0f} s ago; what was between is left out")
        return saved, False

    def _past(self, exchange: str, history: int) -> dict[str, int]:
        """Where in topic ``candles`` the windows of a unit begin that knows nothing yet."""
        if not self._definition.intervals:
            return {}
        now_us = self._clock.now_us()
        start = min(past_start(exchange, now_us, interval, history) for interval in self._definition.intervals)
        return self._reader.since(CANDLES, self._clock.wall_us(start))

    def _warm_up(self, units: list[Unit], since: dict[str, int], orders: dict[str, int], quiet: set[str]) -> None:
        """Fills the windows with the candles before the units' own time, and works through what was said of their
        orders up to these ends, however long ago: orders are facts, and ``on_start`` shall know the true position."""
        ends = {source: max(unit.upto[source] for unit in units) for source in since} | orders
        since = since | {source: min(unit.upto[source] for unit in units) for source in orders}
        self._reader.go({source: offset for source, offset in since.items() if offset < ends[source]})
        for message in self._reader.read_to(ends, self._stopped):
            event = self._incoming.event(message)
            if isinstance(event, Minute | Judged | Reported):
                self._engine.recall(event, quiet)
        for unit in units:
            unit.upto |= {source: max(unit.upto[source], end) for source, end in orders.items()}

    def _start(self, units: list[Unit]) -> None:
        outcomes = [unit.start(self._clock.now_us()) for unit in units]
        self._output.say("started " + ", ".join(unit.name for unit in units if not unit.ended))
        self._output.notes(note for outcome in outcomes for note in outcome.notes)
        made = zip(units, outcomes, strict=True)
        self._write({unit.name: self._engine.saved(unit, outcome) for unit, outcome in made})

    # the end ---------------------------------------------------------------------------------------------------

    def _leave(self) -> int:
        """Stops the units, keeps what they have, and leaves the group. The exit status."""
        end = self._engine.end
        if end:
            self._output.say(f"the algo ends: {end.reason}", error=end.status != 0)
        self._record([unit.stop(self._clock.now_us()) for unit in self._engine.units.values() if unit.started])
        self._keep(self._engine.units.values())
        self._journal.flush()
        self._engine.units.clear()
        self._members.close()
        self._reader.close()
        return end.status if end else 0


def _at(source: str, saved: Saved | None, end: int) -> int:
    """Where a unit goes on: where it was, if the log still goes so far."""
    return min(saved.upto.get(source, end), end) if saved else end
