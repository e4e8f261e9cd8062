"""One instance of an algo and all that belongs to it: where it is in the log, its windows, its state, its outputs.

Pure: no clock and no I/O. A callback is a transaction: when it raises, its outputs and its changes of the state are
dropped. Ids of outputs come from the run, the unit, the event and a counter, so an event that is worked through again
gives the same ids.
"""

from __future__ import annotations

import json
import math
import operator
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from schemas.calendar import INTERVALS, MINUTE_US
from schemas.fleet import AlgoRequest, Signal
from schemas.orders import OrderIntent, OrderKind, Side
from streams.algo.base import Algo
from streams.algo.definition import Definition
from streams.algo.events import End, Event, Heard, Minute, Note, Outcome, Run, Ticks, stable_id
from streams.algo.kept import state_text
from streams.algo.pulse import Pulse
from streams.algo.saved import Saved
from streams.algo.ticks import Tick
from streams.algo.window import Series, Window

HEARD = 64  # signals whose ids are remembered: a sender that was killed says its last ones again
MOST = 1000  # outputs of one callback
SHOWN = 4000  # characters of a traceback
_KINDS: dict[tuple[bool, bool], OrderKind] = {
    (False, False): "market", (True, False): "limit", (False, True): "stop", (True, True): "stop-limit",
}  # fmt: skip


class Unit:
    """An instance of an algo for its instruments. ``upto`` has of each source the offset where its events begin."""

    def __init__(
        self, definition: Definition, run: Run, instruments: tuple[str, ...], values: Mapping[str, Any],
        saved: Saved | None, upto: Mapping[str, int], clock_source: str, pulse: Pulse,
    ) -> None:  # fmt: skip
        self.definition, self.run, self.instruments = definition, run, instruments
        self.name = unit_name(instruments)
        self.upto = dict(upto)
        self.clock_source = clock_source
        self.history = definition.history_of(values)
        self.shape = f"{','.join(definition.intervals)} {self.history}"
        self.started = False
        self.ended: End | None = None
        self.now_us = 0
        saved = saved or Saved()
        self._clock_us, self._positions, self._heard = saved.clock_us, dict(saved.position), deque(saved.heard, HEARD)
        self.since = dict(saved.since)
        self._sources: dict[str, str] = {}  # where each instrument's candles lie
        self._series = {
            (name, interval): Series(name, interval, self.history)
            for name in instruments for interval in sorted(definition.intervals, key=_width)
        }  # fmt: skip
        self._pulse, self._event, self._count, self._errors = pulse, "", 0, 0
        self._made = Outcome(self.name)
        self.algo = self._instance(values, saved)
        self._kept = state_text(self.algo.state)

    def _instance(self, values: Mapping[str, Any], saved: Saved) -> Algo:
        made = self.definition.made
        instance = made.__new__(made)
        instance._desk = self
        instance.instruments = self.instruments
        instance.state = {name: kept.fresh() for name, kept in made.kept.items()} | saved.state
        for name, value in values.items():
            setattr(instance, name, value)
        made.__init__(instance)
        return instance

    # events ----------------------------------------------------------------------------------------------------

    def start(self, at_us: int) -> Outcome:
        """Begins: the windows are filled, events that are fed from now on count."""
        self.started = True
        self._call(self.algo.on_start, "on_start", f"start/{at_us}", at_us)
        return self._taken()

    def stop(self, at_us: int) -> Outcome:
        """Tells the algo that it is being stopped."""
        self._call(self.algo.on_stop, "on_stop", f"stop/{at_us}", at_us)
        return self._taken()

    def recall(self, event: Minute) -> None:
        """Takes a candle between ``since`` and ``upto`` into the windows; nothing is called."""
        upto = self.upto.get(event.source, 0)
        if self.since.get(event.source, upto) <= event.offset < upto and event.candle.instrument in self.instruments:
            self._minute(event)

    def look_back(self, since: Mapping[str, int]) -> None:
        """From where on :meth:`recall` takes candles, when nothing was kept that says so."""
        self.since = dict(since)

    def feed(self, event: Event) -> Outcome:
        """Works through an event, once: what comes again, or lies before ``upto``, changes nothing."""
        if event.offset >= self.upto.get(event.source, 0) and not self.ended:
            self.upto[event.source] = event.offset + 1
            if isinstance(event, Ticks):
                self._ticks(event)
            elif isinstance(event, Minute):
                for candle in self._minute(event):
                    what = f"candle/{candle.interval}/{candle.instrument}/{candle.start_us}"
                    self._call(self.algo.on_candle, "on_candle", what, event.candle.start_us + MINUTE_US, candle)
            else:
                self._signal(event)
        return self._taken()

    def _ticks(self, event: Ticks) -> None:
        batch, where = event.batch, f"{event.source}/{event.offset}"
        codes = [code for code, name in enumerate(batch.names) if name in self.instruments]
        rows = np.flatnonzero(np.isin(batch.instrument, codes)) if codes else np.empty(0, np.int64)
        if self.definition.on_ticks and len(rows):
            at_us = int(batch.receive_us[rows[-1]])
            self._call(self.algo.on_ticks, "on_ticks", where, at_us, batch.take(rows))
        elif self.definition.on_tick:
            for row in rows.tolist():
                tick = Tick(batch, row)
                self._call(self.algo.on_tick, "on_tick", f"{where}/{row}", tick.at_us, tick)
        if self.definition.timer_us and event.source == self.clock_source:
            self._ring(batch.sent_us)

    def _ring(self, sent_us: int) -> None:
        """One ring for all multiples of the timer that have passed since the last batch; none for the first batch."""
        due = sent_us // self.definition.timer_us * self.definition.timer_us
        if self._clock_us and due > self._clock_us:
            self._call(self.algo.on_timer, "on_timer", f"timer/{due}", due)
        self._clock_us = max(self._clock_us, sent_us)

    def _minute(self, event: Minute) -> list[Any]:
        minute, done = event.candle, []
        if minute.interval != "1m" or not minute.complete:
            return []
        self._sources[minute.instrument] = event.source
        for (name, _), series in self._series.items():
            if name == minute.instrument:
                done += series.take(minute, event.offset)
        return done

    def _signal(self, event: Heard) -> None:
        signal = event.signal
        everywhere = self.definition.signals.get(signal.name)
        if everywhere is None or signal.run == self.run.run or signal.id in self._heard:
            return
        if everywhere or signal.instrument in ("", self.name, *self.instruments):
            self._heard.append(signal.id)
            self._call(self.algo.on_signal, "on_signal", f"signal/{signal.id}", signal.at_us, signal)

    def _call(self, callback: Callable[..., None], what: str, event: str, at_us: int, *given: Any) -> None:
        if self.ended:
            return
        self.now_us, self._event, self._count = at_us, event, 0
        made, positions = len(self._made.records), self._positions
        self._pulse.begin(f"{what} of {self.name} at {event}")
        try:
            callback(*given)
            self._kept = state_text(self.algo.state)
            self._errors = 0
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an algo raises is its own error
            del self._made.records[made:]
            self._positions = positions
            self.algo.state = json.loads(self._kept)
            self._failed(what, error)
        finally:
            self._pulse.end()

    def _failed(self, what: str, error: BaseException) -> None:
        if what == "on_start" and isinstance(error, ValueError):  # a mistake of who set the parameters
            self.ended = End(2, f"{self.name} could not start: {error}")
            return
        self._errors += 1
        limit = self.definition.made.max_errors
        short = f"{type(error).__name__}: {error}"
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        lines = "".join(traceback.format_exception(type(error), error, trace))[-SHOWN:].rstrip()
        text = f"{what} raised {short}\nevent {self._event}, whose effects are dropped; error {self._errors} in a row"
        self._note("error", f"{text}, {limit} end the algo\n{lines}")
        if what == "on_start":
            self.ended = End(3, f"{self.name} could not start: {short}")
        elif self._errors >= limit:
            self.ended = End(3, f"{what} of {self.name} raised {self._errors} times in a row, last {short}")

    def _note(self, level: Literal["info", "error"], text: str) -> None:
        self._made.notes.append(Note(level, self.now_us, self.name, text))

    def _taken(self) -> Outcome:
        made, self._made = self._made, Outcome(self.name)
        return made

    def saved(self, outbox: Outcome | None = None) -> Saved:
        """What is to be kept, with the records that come of the last event."""
        since = dict(self.since)
        fresh = [(self._sources[name], at.since) for (name, _), at in self._series.items() if at.since is not None]
        for source in {source for source, _ in fresh}:
            since[source] = min(offset for place, offset in fresh if place == source)
        return Saved(
            json.loads(self._kept), dict(self._positions), list(outbox.records) if outbox else [], since,
            self.shape, self._clock_us, list(self._heard), dict(self.upto), self.now_us,
        )  # fmt: skip

    # what the algo asks for (Desk) -----------------------------------------------------------------------------

    def order(
        self, side: Side, quantity: int, instrument: str, price: float, trigger: float, reason: str,
        labels: dict[str, str],
    ) -> str:  # fmt: skip
        """An order intent; its id."""
        name = self._mine(instrument)
        if isinstance(quantity, bool) or operator.index(quantity) <= 0:
            raise ValueError(f"a quantity is a positive integer, not {quantity!r}; {side} says the direction")
        if not all(math.isfinite(value) and value >= 0 for value in (price, trigger)):
            raise ValueError(f"a price is a number of at least 0, not {price!r}, {trigger!r}")
        quantity = operator.index(quantity)
        intent = OrderIntent(
            id=self._id(), account=self.run.trading, run=self.run.run, task=self.run.task, instrument=name, side=side,
            quantity=quantity, kind=_KINDS[bool(price), bool(trigger)], price=float(price), trigger=float(trigger),
            trading=self.run.trading, at_us=self.now_us, reason=reason, labels=_texts(labels),
        )  # fmt: skip
        has = self._positions.get(name, 0)
        self._positions = {**self._positions, name: has + (quantity if side == "buy" else -quantity)}
        self._made.records.append(intent)
        return intent.id

    def position(self, instrument: str) -> int:
        """Bought less sold, as asked for."""
        return self._positions.get(self._mine(instrument), 0)

    def signal(self, name: str, value: float, instrument: str, data: Mapping[str, object]) -> str:
        """A signal; its id."""
        if not name or not math.isfinite(value):
            raise ValueError(f"a signal has a name and a finite value, not {name!r}, {value!r}")
        run, about = self.run, instrument or self.name
        made = Signal(self._id(), name, run.run, run.task, about, float(value), self.now_us, _texts(data))
        self._made.records.append(made)
        return made.id

    def command(self, verb: Literal["start", "stop"], run: str, reason: str) -> str:
        """A request to the fleet; its id."""
        if not self.run.may_command:
            raise PermissionError(f"run {self.run.run} may not {verb} other runs; start it with leave to command")
        if verb not in ("start", "stop"):
            raise ValueError(f"a run can be asked to start or stop, not to {verb}")
        made = AlgoRequest(self._id(), self.run.task, verb, run, self.now_us, reason)
        self._made.records.append(made)
        return made.id

    def log(self, text: str, values: Mapping[str, object]) -> None:
        """A line."""
        self._note("info", " ".join([text, *(f"{name}={value}" for name, value in values.items())]))

    def end(self, reason: str) -> None:
        """The end, in good order."""
        self.ended = End(0, reason)

    def window(self, interval: str, instrument: str) -> Window:
        """The candles that are complete."""
        wanted = interval or next(iter(self.definition.intervals), "")
        found = self._series.get((self._mine(instrument), wanted))
        if found is None:
            raise ValueError(f"candles of {wanted or 'any interval'} are not declared: candles = {wanted or '1m'!r}")
        return found.window()

    def _mine(self, instrument: str) -> str:
        name = instrument or self.instruments[0]
        if name not in self.instruments or (not instrument and len(self.instruments) > 1):
            raise ValueError(f"{instrument or 'no instrument'} was named; this has {', '.join(self.instruments)}")
        return name

    def _id(self) -> str:
        self._count += 1
        if self._count > MOST:
            raise RuntimeError(f"one callback asked for more than {MOST} orders and signals")
        return stable_id(self.run.run, self.name, self._event, self._count)


def unit_name(instruments: tuple[str, ...]) -> str:
    """The name of the instance that has these instruments."""
    return "+".join(instruments)


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _width(interval: str) -> int:
    return INTERVALS[interval] or 1440
