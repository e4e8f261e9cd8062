"""One instance of an algo and all that belongs to it: where it is in the log, its windows, its state, its outputs.

Pure: no clock and no I/O. A callback is a transaction: when it raises, its outputs and its changes of the state are
dropped. What is said of its orders is taken in before and apart from that.
"""

from __future__ import annotations

import json
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from schemas.calendar import INTERVALS, MINUTE_US
from schemas.risk import TradingState
from streams.algo.base import Algo
from streams.algo.definition import Definition
from streams.algo.desk import UnitDesk
from streams.algo.events import (
    Broke,
    End,
    Event,
    Heard,
    Judged,
    Measured,
    Minute,
    Outcome,
    Reported,
    Run,
    Ticks,
)
from streams.algo.kept import state_text
from streams.algo.orders import OrderNews
from streams.algo.pulse import Pulse
from streams.algo.saved import Saved
from streams.algo.ticks import Tick
from streams.algo.window import Series

HEARD = 64  # signals whose ids are remembered: a sender that was killed says its last ones again
SHOWN = 4000  # characters of a traceback


class Unit:
    """An instance of an algo for its instruments. ``upto`` has of each source the offset where its events begin.

    ``rulings`` has the state of each scope of risk; the engine keeps it.
    """

    def __init__(
        self, definition: Definition, run: Run, instruments: tuple[str, ...], values: Mapping[str, Any],
        saved: Saved | None, upto: Mapping[str, int], clock_source: str, pulse: Pulse,
        rulings: Mapping[str, TradingState],
    ) -> None:  # fmt: skip
        self.definition, self.run, self.instruments = definition, run, instruments
        self.name = unit_name(instruments)
        self.upto = dict(upto)
        self.clock_source = clock_source
        self.history = definition.history_of(values)
        self.shape = f"{','.join(definition.intervals)} {self.history}"
        self.started = False
        saved = saved or Saved()
        self._clock_us, self._heard = saved.clock_us, deque(saved.heard, HEARD)
        self._missed: list[tuple[OrderNews, str]] = []  # news from before its start, and where they lie
        self._scopes = scopes_of(run, instruments)
        self.since = dict(saved.since)
        self._sources: dict[str, str] = {}  # where each instrument's candles lie
        self._series = {
            (name, interval): Series(name, interval, self.history)
            for name in instruments for interval in sorted(definition.intervals, key=_width)
        }  # fmt: skip
        self.desk = UnitDesk(
            run, self.name, instruments, self.history, definition.intervals, self._series, rulings, saved.ledger
        )
        self._pulse, self._errors = pulse, 0
        self.algo = self._instance(values, saved)
        self._kept = state_text(self.algo.state)

    def _instance(self, values: Mapping[str, Any], saved: Saved) -> Algo:
        made = self.definition.made
        instance = made.__new__(made)
        instance._desk = self.desk
        instance.instruments = self.instruments
        instance.state = {name: kept.fresh() for name, kept in made.kept.items()} | saved.state
        for name, value in values.items():
            setattr(instance, name, value)
        made.__init__(instance)
        return instance

    @property
    def ended(self) -> End | None:
        """Why it has ended, once it has."""
        return self.desk.ended

    # events ----------------------------------------------------------------------------------------------------

    def start(self, at_us: int) -> Outcome:
        """Begins: the windows are filled, events that are fed from now on count. Then the algo is told what it missed
        of its orders."""
        self.started, self.desk.cause = True, ""
        self._call(self.algo.on_start, "on_start", f"start/{at_us}", at_us)
        missed, self._missed = self._missed, []
        for news, where in missed:
            self._tell(news, where)
        return self.desk.taken()

    def stop(self, at_us: int) -> Outcome:
        """Tells the algo that it is being stopped."""
        self.desk.cause = ""
        self._call(self.algo.on_stop, "on_stop", f"stop/{at_us}", at_us)
        return self.desk.taken()

    def recall(self, event: Minute) -> None:
        """Takes a candle between ``since`` and ``upto`` into the windows; nothing is called."""
        upto = self.upto.get(event.source, 0)
        if self.since.get(event.source, upto) <= event.offset < upto and event.candle.instrument in self.instruments:
            self._minute(event)

    def catch_up(self, event: Judged | Reported, *, tell: bool) -> None:
        """Takes in what was said of its orders before its start; ``tell``: ``on_order`` is called for it afterwards."""
        if event.offset >= self.upto.get(event.source, 0):
            self.upto[event.source] = event.offset + 1
            news = self._noted(event)
            if news is not None and tell:
                self._missed.append((news, _place(event)))

    def look_back(self, since: Mapping[str, int]) -> None:
        """From where on :meth:`recall` takes candles, when nothing was kept that says so."""
        self.since = dict(since)

    def feed(self, event: Event) -> Outcome:
        """Works through an event, once: what comes again, or lies before ``upto``, changes nothing."""
        if event.offset >= self.upto.get(event.source, 0) and not self.ended:
            self.upto[event.source] = event.offset + 1
            self.desk.cause = _place(event)
            self._happened(event)
        return self.desk.taken()

    def _happened(self, event: Event) -> None:
        if isinstance(event, Ticks):
            self._ticks(event)
        elif isinstance(event, Minute):
            for candle in self._minute(event):
                what = f"candle/{candle.interval}/{candle.instrument}/{candle.start_us}"
                self._call(self.algo.on_candle, "on_candle", what, event.candle.start_us + MINUTE_US, candle)
        elif isinstance(event, Heard):
            self._signal(event)
        elif isinstance(event, Judged | Reported):
            news = self._noted(event)
            if news is not None:
                self._tell(news, _place(event))
        elif isinstance(event, Measured):
            if self.definition.on_risk and event.point.scope == f"algo:{self.run.run}":
                self._call(self.algo.on_risk, "on_risk", f"risk/{_place(event)}", event.point.at_us, event.point)
        elif isinstance(event, Broke) and self.definition.on_breach and event.breach.scope in self._scopes:
            self._call(self.algo.on_breach, "on_breach", f"breach/{_place(event)}", event.breach.at_us, event.breach)

    def _noted(self, event: Judged | Reported) -> OrderNews | None:
        """Takes in what was said of an order, if it is its own; what is new by it."""
        about = event.verdict.intent if isinstance(event, Judged) else event.report
        if about.run != self.run.run or about.instrument not in self.instruments:
            return None
        if isinstance(event, Judged):
            self.desk.ledger, news = self.desk.ledger.judged(event.offset, event.verdict)
        else:
            self.desk.ledger, news = self.desk.ledger.reported(event.report)
        return news if about.account == self.run.trading else None

    def _tell(self, news: OrderNews, where: str) -> None:
        if self.definition.on_order:
            self.desk.cause = where
            self._call(self.algo.on_order, "on_order", f"order/{where}", news.at_us, news)

    def _ticks(self, event: Ticks) -> None:
        batch, where = event.batch, _place(event)
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
        self.desk.begin(event, at_us)
        made, ledger = len(self.desk.made.records), self.desk.ledger
        self._pulse.begin(f"{what} of {self.name} at {event}")
        try:
            callback(*given)
            self._kept = state_text(self.algo.state)
            self._errors = 0
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an algo raises is its own error
            del self.desk.made.records[made:]
            self.desk.ledger = ledger
            self.algo.state = json.loads(self._kept)
            self._failed(what, error)
        finally:
            self._pulse.end()

    def _failed(self, what: str, error: BaseException) -> None:
        if what == "on_start" and isinstance(error, ValueError):  # a mistake of who set the parameters
            self.desk.ended = End(2, f"{self.name} could not start: {error}")
            return
        self._errors += 1
        limit = self.definition.made.max_errors
        short = f"{type(error).__name__}: {error}"
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        lines = "".join(traceback.format_exception(type(error), error, trace))[-SHOWN:].rstrip()
        text = f"{what} raised {short}\nevent {self.desk.event}, whose effects are dropped"
        self.desk.note("error", f"{text}; error {self._errors} in a row, {limit} end the algo\n{lines}")
        if what == "on_start":
            self.desk.ended = End(3, f"{self.name} could not start: {short}")
        elif self._errors >= limit:
            self.desk.ended = End(3, f"{what} of {self.name} raised {self._errors} times in a row, last {short}")

    def saved(self, outbox: Outcome | None = None) -> Saved:
        """What is to be kept, with the records that come of the last event."""
        since = dict(self.since)
        fresh = [(self._sources[name], at.since) for (name, _), at in self._series.items() if at.since is not None]
        for source in {source for source, _ in fresh}:
            since[source] = min(offset for place, offset in fresh if place == source)
        return Saved(
            json.loads(self._kept), self.desk.ledger, list(outbox.records) if outbox else [], since,
            self.shape, self._clock_us, list(self._heard), dict(self.upto), self.desk.now_us,
        )  # fmt: skip


def unit_name(instruments: tuple[str, ...]) -> str:
    """The name of the instance that has these instruments."""
    return "+".join(instruments)


def scopes_of(run: Run, instruments: Iterable[str]) -> frozenset[str]:
    """The scopes whose breaches concern a run and these instruments of it (``schemas.risk``)."""
    algo, places = f"algo:{run.run}", [f"instrument:{name}" for name in instruments]
    return frozenset(["platform", f"account:{run.trading}", algo, *places, *(f"{algo}/{place}" for place in places)])


def _place(event: Event) -> str:
    return f"{event.source}/{event.offset}"


def _width(interval: str) -> int:
    return INTERVALS[interval] or 1440
