"""The engine: events in, outputs out. No clock and no I/O: the runner and a backtest feed the same engine.

Each unit knows, of every source, from which offset on events are its own: so a record may be fed again, and reading
may go back for one unit without another noticing. That is all there is to exactly-once here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from schemas.risk import TradingState
from streams.algo.definition import Definition
from streams.algo.events import End, Event, Judged, Minute, Outcome, Reported, Ruled, Run, Ticks
from streams.algo.pulse import Pulse
from streams.algo.saved import Saved
from streams.algo.unit import Unit


class Engine:
    """The units of one process."""

    def __init__(self, definition: Definition, run: Run, values: Mapping[str, Any], pulse: Pulse | None = None) -> None:
        self.definition, self.run, self.values = definition, run, dict(values)
        self.units: dict[str, Unit] = {}
        self._pulse = pulse or Pulse()
        self._by_instrument: dict[str, list[Unit]] = {}
        self._rulings: dict[str, TradingState] = {}  # by scope of risk
        self._read: dict[str, int] = {}  # source -> where reading is: all units were offered what lies before

    def add(
        self, instruments: tuple[str, ...], saved: Saved | None = None, upto: Mapping[str, int] | None = None,
        clock_source: str = "ticks/0",
    ) -> Unit:  # fmt: skip
        """A unit, with what was kept of it. It gets no events before it is started.

        ``clock_source`` is the partition of ticks whose time rings its timer: that of its first instrument.
        """
        self._note_read()  # of those that are there already: it does not hold for this one
        unit = Unit(
            self.definition, self.run, instruments, self.values, saved, upto or {}, clock_source, self._pulse,
            self._rulings,
        )  # fmt: skip
        self.units[unit.name] = unit
        self._index()
        return unit

    def remove(self, name: str) -> None:
        """Forgets a unit: another task has it."""
        self.units.pop(name, None)
        self._index()

    def feed(self, event: Event) -> list[Outcome]:
        """What comes of an event: for each unit that has anything to say, in a fixed order."""
        self._read[event.source] = event.offset + 1
        if isinstance(event, Ruled):
            self._rulings[event.state.scope] = event.state.state
            return []
        outcomes = [unit.feed(event) for unit in self._concerned(event) if unit.started]
        return [outcome for outcome in outcomes if outcome.records or outcome.notes]

    def skip(self, source: str, offset: int) -> None:
        """There is nothing for any unit in this record."""
        self._read[source] = offset + 1

    def recall(self, event: Minute | Judged | Reported, quiet: Container[str] = ()) -> None:
        """Something of before, for units that are not started yet: candles fill their windows, orders are brought up
        to date. Units that are ``quiet`` are not told of their orders' news when they start."""
        for unit in self._concerned(event):
            if unit.started:
                continue
            if isinstance(event, Minute):
                unit.recall(event)
            else:
                unit.catch_up(event, tell=unit.name not in quiet)

    @property
    def end(self) -> End | None:
        """Why the algo has ended, once it has."""
        return next((unit.ended for unit in self.units.values() if unit.ended), None)

    # where units are -------------------------------------------------------------------------------------------

    def upto(self, unit: Unit) -> dict[str, int]:
        """Of each source the offset before which there is nothing left for a unit."""
        return {source: max(offset, self._read.get(source, 0)) for source, offset in unit.upto.items()}

    def go_back(self) -> dict[str, int]:
        """Of each source the offset from which it must be read so that no unit misses anything; notes it as read."""
        start: dict[str, int] = {}
        self._note_read()
        for unit in self.units.values():
            for source, offset in unit.upto.items():
                start[source] = min(offset, start.get(source, offset))
        self._read = dict(start)
        return start

    def _note_read(self) -> None:
        for unit in self.units.values():
            unit.upto = self.upto(unit)
        self._read = {}

    def saved(self, unit: Unit, outbox: Outcome | None = None) -> Saved:
        """What is to be kept of a unit now, with the outputs that have not been sent."""
        unit.upto = self.upto(unit)
        return unit.saved(outbox)

    def _concerned(self, event: Event) -> Iterable[Unit]:
        if isinstance(event, Minute):
            return self._by_instrument.get(event.candle.instrument, ())
        if isinstance(event, Judged):
            return self._by_instrument.get(event.verdict.intent.instrument, ())
        if isinstance(event, Reported):
            return self._by_instrument.get(event.report.instrument, ())
        if not isinstance(event, Ticks):
            return list(self.units.values())
        found = {
            unit.name: unit for name in event.batch.names for unit in self._by_instrument.get(name, ())
        }  # a name at a time: a batch names few instruments, a process may have many units
        if self.definition.timer_us:
            found |= {unit.name: unit for unit in self.units.values() if unit.clock_source == event.source}
        return found.values()

    def _index(self) -> None:
        self._by_instrument = {}
        for unit in self.units.values():
            for instrument in unit.instruments:
                self._by_instrument.setdefault(instrument, []).append(unit)
