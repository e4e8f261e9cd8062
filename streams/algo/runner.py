"""The runner: I/O around the engine. Reads what this task's units need, feeds it, writes what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from confluent_kafka import Message

from infra.clock import market_clock
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.fleet import Signal
from schemas.market import Candle
from schemas.ticks import TickBatch
from schemas.topics import CANDLES, SIGNALS, SUBSCRIPTIONS, TICKS
from streams.algo.definition import Definition
from streams.algo.engine import Engine
from streams.algo.events import Event, Heard, Minute, Outcome, Ticks
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
        self._names, self._instruments = {name.encode() for name in names}, names
        self._partitions = Partitions(names)
        self._reader = Reader(of)
        self._journal = Journal(self._run, of, output.say)
        self._members = Membership(given.group, given.task.task, of, self._lost)
        self._own: dict[str, tuple[str, ...]] = {}  # unit -> its sources of ticks, one for each instrument
        self._told: set[str] = set()  # instruments that are known not to be subscribed
        self._changed = True
        self._kept_at = time.monotonic()

    def run(self) -> int:
        """Works. The exit status."""
        for message in self._reader.all_of(SUBSCRIPTIONS, self._stopped):
            self._partitions.take(message)
        self._subscriptions = {
            source: self._reader.next.get(source, 0) for source in self._reader.sources(SUBSCRIPTIONS)
        }
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
        event = self._event(message)
        if event is not None:
            return self._engine.feed(event)
        self._engine.skip(source_of(message), int(message.offset() or 0))
        return []

    def _event(self, message: Message) -> Event | None:
        """The event that a message is; None when there is none for any of our units in it."""
        topic, key, value = message.topic(), message.key() or b"", message.value() or b""
        source, offset = source_of(message), int(message.offset() or 0)
        try:
            if topic == TICKS.name:
                return Ticks(source, offset, decode(TickBatch, value))
            if topic == CANDLES.name and key in self._names:
                return Minute(source, offset, decode(Candle, value))
            if topic == SIGNALS.name and key.decode(errors="replace") in self._definition.signals:
                return Heard(source, offset, decode(Signal, value))
        except UndecodableError as error:
            self._output.say(f"a record of {source} at {offset} was passed over: {error}")
        if topic == SUBSCRIPTIONS.name:
            self._subscriptions[source] = offset + 1
            self._changed |= self._partitions.take(message)
        return None

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
        self._reader.go(self._engine.go_back() | self._subscriptions)

    def _wanted(self) -> dict[str, tuple[str, ...]]:
        """Our units, and the sources of their instruments' ticks; says which are waited for."""
        wanted = {}
        for group in self._groups:
            places = [self._partitions.of(name) for name in group]
            if min(places) >= 0 and places[0] in self._members.owned:
                wanted[unit_name(group)] = tuple(f"{TICKS.name}/{place}" for place in places)
        away = {n for n in self._instruments if self._partitions.of(n) < 0 or n in self._partitions.dropped}
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
        topics = [*[CANDLES] * bool(self._definition.intervals), *[SIGNALS] * bool(self._definition.signals)]
        shared = {source: end for topic in topics for source, end in self._reader.ends(topic).items()}
        ticks = self._reader.ends(TICKS) if self._definition.wants_ticks else {}
        since: dict[str, int] = {}
        past: dict[str, dict[str, int]] = {}  # by exchange: the same for all units
        units = []
        for group in groups:
            own = self._own[unit_name(group)]
            ends = shared | {source: ticks[source] for source in own if source in ticks}
            saved, is_recent = self._state(unit_name(group), states)
            upto = {source: _at(source, saved, end) if is_recent else end for source, end in ends.items()}
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
        self._warm_up(units, since)
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

    def _warm_up(self, units: list[Unit], since: dict[str, int]) -> None:
        """Fills the windows with the candles before the units' own time."""
        ends = {source: max(unit.upto[source] for unit in units) for source in since}
        self._reader.go({source: offset for source, offset in since.items() if offset < ends[source]})
        for message in self._reader.read_to(ends, self._stopped):
            event = self._event(message)
            if isinstance(event, Minute):
                self._engine.recall(event)

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
