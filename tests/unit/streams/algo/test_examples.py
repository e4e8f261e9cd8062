"""The examples on lists of events, as an author would test an algo."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.fleet import AlgoRequest, Signal
from schemas.orders import OrderIntent
from streams.algo import Algo, Candle, Tick, TickBatch, Window, algo, param, replay
from streams.algo.examples.crossover import Crossover
from streams.algo.examples.spread import Spread
from tests.unit.streams.algo.events import SECOND, minute, ticks
from tests.unit.streams.candles.ticks import OPENING

INFY, TCS = "NSE:INFY", "NSE:TCS"


def test_the_crossover_follows_the_trend_and_tells_it_once() -> None:
    closes = [10, 10, 10, 10, 11, 12, 13, 12, 11, 10, 9, 8, 7]
    happened = [minute(INFY, number, close) for number, close in enumerate(closes)]
    made = replay(Crossover, happened, instruments=[INFY], fast="2", slow="4", quantity="3")
    assert [(s.value, s.at_us) for s in made if isinstance(s, Signal)] == [
        (1.0, OPENING + 5 * 60 * SECOND), (-1.0, OPENING + 9 * 60 * SECOND),
    ]  # fmt: skip
    assert [(o.side, o.quantity) for o in made if isinstance(o, OrderIntent)] == [("buy", 3), ("sell", 3)]


def test_the_crossover_knows_the_trend_from_history_at_once() -> None:
    history = [minute(INFY, number, float(number)) for number in range(10)]
    made = replay(Crossover, [], history=history, instruments=[INFY])
    assert [(type(r).__name__, r.instrument) for r in made if not isinstance(r, AlgoRequest)] == [
        ("Signal", INFY), ("OrderIntent", INFY),
    ]  # fmt: skip


def test_parameters_that_do_not_go_together_are_refused_at_the_start() -> None:
    with pytest.raises(AssertionError, match=r"fast \(9\) must be less than slow \(8\)"):
        replay(Crossover, [], instruments=[INFY], fast=9)


def test_the_spread_sells_the_dear_leg_and_buys_the_cheap_one_and_goes_back() -> None:
    happened = []
    for number in range(40):
        strays = 5.0 if number == 30 else 0.1 * (number % 3)
        happened.append(ticks("", 0, [(INFY, 100.0 + strays), (TCS, 100.0)], OPENING + number * SECOND).batch)
    made = replay(Spread, happened, instruments=[INFY, TCS], span=20, enter=3.0)
    orders = [(o.instrument, o.side) for o in made if isinstance(o, OrderIntent)]
    assert orders == [(INFY, "sell"), (TCS, "buy"), (INFY, "buy"), (TCS, "sell")]
    assert [s.value for s in made if isinstance(s, Signal)] == [-1.0, 0.0]
    assert {s.instrument for s in made if isinstance(s, Signal)} == {f"{INFY}+{TCS}"}


@algo(candles="1m", history="slow")
def mean(window: Window, fast: int = param(2, low=1), slow: int = param(4, low=2)) -> int | dict[str, float] | None:
    """Long above the mean."""
    if window.close[-1] == 0:
        return {"zero": 0.0}
    return int(window.last(fast).close.mean() > window.close.mean())


def test_a_function_is_called_once_its_window_is_full_and_what_it_returns_is_done() -> None:
    happened = [minute(INFY, number, close) for number, close in enumerate([1, 2, 3, 4, 5, 0])]
    made = replay(mean, happened, instruments=[INFY])
    assert [(type(r).__name__, r.at_us) for r in made] == [
        ("OrderIntent", OPENING + 4 * 60 * SECOND), ("Signal", OPENING + 6 * 60 * SECOND),
    ]  # fmt: skip


class Orders(Algo):
    """Every way to ask for an order."""

    what: str = param("")

    def on_ticks(self, batch: TickBatch) -> None:
        assert batch.last_price.tolist() == [100.0, 101.0]
        do: dict[str, Callable[[], object]] = {
            "limit": lambda: self.buy(2, price=99.5, reason="cheap", tag="x"),
            "stop": lambda: self.sell(2, trigger=90),
            "both": lambda: self.sell(2, price=89, trigger=90),
            "none": self.exit,
            "part": lambda: (self.buy(5), self.exit(2), self.exit(9), self.target(-1)),
            "zero": lambda: self.buy(0),
            "negative": lambda: self.sell(-1),
            "half": lambda: self.buy(1.5),  # type: ignore[arg-type]
            "price": lambda: self.buy(1, price=float("nan")),
            "other": lambda: self.buy(1, "NSE:ELSE"),
            "nan": lambda: self.signal("x", float("nan")),
            "command": lambda: self.command("start", "other", "why"),
            "window": self.window,
        }
        do[self.what]()


def ordered(what: str) -> list[tuple[object, ...]]:
    batch = ticks("", 0, [(INFY, 100.0), (INFY, 101.0), (TCS, 5.0)], OPENING).batch
    made = replay(Orders, [batch], instruments=[INFY], what=what)
    return [(o.side, o.quantity, o.kind, o.price, o.trigger) for o in made if isinstance(o, OrderIntent)]


def test_orders_have_the_kind_that_their_prices_say() -> None:
    assert ordered("limit") == [("buy", 2, "limit", 99.5, 0.0)]
    assert ordered("stop") == [("sell", 2, "stop", 0.0, 90.0)]
    assert ordered("both") == [("sell", 2, "stop-limit", 89.0, 90.0)]
    assert ordered("none") == []
    market = ("market", 0.0, 0.0)
    assert ordered("part") == [("buy", 5, *market), ("sell", 2, *market), ("sell", 3, *market), ("sell", 1, *market)]


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("zero", "a quantity is a positive integer, not 0"),
        ("negative", "a quantity is a positive integer, not -1"),
        ("half", "'float' object cannot be interpreted as an integer"),
        ("price", "a price is a number of at least 0, not nan"),
        ("other", "NSE:ELSE was named; this has NSE:INFY"),
        ("nan", "a signal has a name and a finite value, not 'x', nan"),
        ("command", "run run may not start other runs; start it with leave to command"),
        ("window", "candles of any interval are not declared: candles = '1m'"),
    ],
)
def test_what_cannot_be_asked_for_is_said(what: str, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        ordered(what)


class Looks(Algo):
    """Reads every field of a tick."""

    def on_tick(self, tick: Tick) -> None:
        self.signal("tick", tick.price, depth=[tick.bids, tick.asks], volume=tick.volume, oi=tick.oi, at=tick.at_us)

    def on_candle(self, candle: Candle) -> None:
        raise AssertionError

    candles = "1m"


def test_a_tick_has_its_fields() -> None:
    (made,) = replay(Looks, [ticks("", 0, [(INFY, 9.0)], OPENING).batch], instruments=[INFY])
    assert isinstance(made, Signal)
    assert made.data == {"depth": "[[], []]", "volume": "-1", "oi": "-1", "at": str(OPENING)}
