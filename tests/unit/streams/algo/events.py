"""Events for the tests of the engine, and an algo that listens to everything."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.fleet import Signal
from schemas.market import Candle
from streams.algo import Algo, Tick, param, state
from streams.algo.definition import definition_of
from streams.algo.engine import Engine
from streams.algo.events import Event, Heard, Outcome, Record, Run, Ticks
from streams.algo.params import read_settings
from streams.algo.saved import Saved, from_record
from tests.unit.streams.candles.ticks import MINUTE, OPENING, T, batch_of

SECOND = 1_000_000


def minute(instrument: str, number: int, close: float, *, revision: int = 0, complete: bool = True) -> Candle:
    """The candle of a minute after the opening; its prices are around its close."""
    start = OPENING + number * MINUTE
    at = start + 30 * SECOND
    return Candle(
        instrument, "1m", start, close, close + 1, close - 1, close, 10, -1, (at, 0, at), (at, 1, at),
        complete=complete, revision=revision,
    )  # fmt: skip


def ticks(source: str, offset: int, prices: Sequence[tuple[str, float]], sent_us: int) -> Ticks:
    """A record of ticks that were received just before it was sent."""
    rows = [T(name, sent_us // SECOND * SECOND, -1, sent_us, price) for name, price in prices]
    return Ticks(source, offset, batch_of(rows, sent_us))


def heard(source: str, offset: int, name: str, value: float, instrument: str = "", run: str = "other") -> Heard:
    """A signal of another run."""
    at_us = OPENING + offset * SECOND
    return Heard(source, offset, Signal(f"{run}-{offset}", name, run, f"{run}@x", instrument, value, at_us))


class Everything(Algo):
    """Says what it gets, with a count of it that is kept, and raises on prices that are negative."""

    candles = ("1m", "5m")
    history = 4
    signals = ("mood", "alarm:*")
    timer = 20

    every: int = param(2, low=1)
    count: int = state(0)
    prices: list[float] = state([])

    def say(self, what: str, value: float) -> None:
        self.count += 1
        self.prices = [*self.prices, value][-3:]
        held = "/".join(f"{c.start_us}:{c.close}" for i in ("1m", "5m") for c in self.window(i).candles)
        self.signal(what, value, count=self.count, prices=self.prices, windows=held)

    def on_tick(self, tick: Tick) -> None:
        self.count += 1
        if tick.price < 0:
            self.buy(1, reason="never seen")
            raise ValueError("a price below zero")
        if self.count % self.every == 0:
            self.say("tick", tick.price)
            self.target(self.count % 3, reason="for the position")

    def on_candle(self, candle: Candle) -> None:
        self.say(f"candle-{candle.interval}", candle.close)

    def on_signal(self, signal: Signal) -> None:
        self.say("heard", signal.value)

    def on_timer(self) -> None:
        self.say("timer", self.now_us)


def engine_of(made: type[Algo], **settings: str) -> Engine:
    """An engine without units."""
    definition = definition_of(made)
    return Engine(definition, Run("run", "run@node"), read_settings(definition.parameters, settings))


def records(outcomes: Sequence[Outcome]) -> list[Record]:
    """All that is to be written."""
    return [record for outcome in outcomes for record in outcome.records]


def through_the_log(saved: Saved) -> Saved:
    """What comes back of a unit after it was written and read."""
    return from_record(saved.to_record("run", "unit"))


def feed(engine: Engine, events: Sequence[Event]) -> list[Record]:
    """All that comes of events."""
    return [record for event in events for record in records(engine.feed(event))]
