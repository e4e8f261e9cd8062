"""Orders, risk and breaches through the engine: whose they are, what is called, restarts, what an author sees."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fleet import AlgoState, Signal
from schemas.orders import OrderIntent
from schemas.risk import Breach, RiskPoint, RiskState, TradingState
from streams.algo import Algo, Candle, OrderNews, Tick, param, replay, state
from streams.algo.definition import definition_of
from streams.algo.engine import Engine
from streams.algo.events import Broke, Event, Measured, Minute, Ruled
from streams.algo.examples.crossover import Crossover
from streams.algo.examples.spread import Spread
from streams.algo.saved import from_record
from streams.algo.unit import Unit
from tests.unit.streams.algo.events import SECOND, engine_of, feed, minute, through_the_log, ticks
from tests.unit.streams.algo.orders import judged, report, reported, verdict
from tests.unit.streams.candles.ticks import OPENING

A, B = "NSE:A", "NSE:B"
SOURCES = ("ticks/0", "order-verdicts/0", "order-events/0")


class Buyer(Algo):
    """Buys with each tick, and tells what becomes of it."""

    news: int = state(0)

    def on_tick(self, tick: Tick) -> None:
        self.buy(10, tick.instrument, price=tick.price)

    def on_order(self, order: OrderNews) -> None:
        self.news += 1
        if order.reason == "raise":
            self.buy(1)
            raise ArithmeticError
        self.signal("order", order.filled, status=order.status, id=order.id, position=self.position(),
                    news=self.news)  # fmt: skip


class Silent(Algo):
    """Wants to hear nothing of its orders."""

    def on_tick(self, tick: Tick) -> None:
        self.buy(10, tick.instrument)


def bought(made: type[Algo]) -> tuple[Engine, Unit, list[OrderIntent]]:
    """An engine with a unit that has asked for three orders."""
    engine = engine_of(made)
    unit = engine.add((A,), upto=dict.fromkeys(SOURCES, 0))
    unit.start(OPENING)
    made_ = feed(engine, [ticks("ticks/0", 0, [(A, 1.0), (A, 2.0), (A, 3.0)], OPENING)])
    return engine, unit, [record for record in made_ if isinstance(record, OrderIntent)]


def test_an_intent_has_its_account_terms_and_cause() -> None:
    engine = engine_of(Asks)
    unit = engine.add((A,), upto=dict.fromkeys(("ticks/3", "candles/0", "signals/2"), 0), clock_source="ticks/3")
    started = [record for record in unit.start(OPENING).records if isinstance(record, OrderIntent)]
    later = ticks("ticks/3", 9, [], OPENING + 60 * SECOND)
    events = [ticks("ticks/3", 7, [(A, 1.0)], OPENING), later, Minute("candles/0", 17, minute(A, 0, 1.0))]
    made = [record for record in feed(engine, events) if isinstance(record, OrderIntent)]
    stopped = [record for record in unit.stop(OPENING).records if isinstance(record, OrderIntent)]
    assert [r.cause for r in [*started, *made, *stopped]] == ["", "ticks/3/7", "ticks/3/9", "candles/0/17", ""]
    plain, timed = started[0], made[1]
    assert (plain.account, plain.action, plain.product, plain.validity, plain.protection, plain.valid_s) == (
        "paper", "place", "", "DAY", -1.0, 30.0,
    )  # fmt: skip
    assert (timed.product, timed.validity, timed.protection, timed.valid_s, timed.labels) == (
        "CNC", "IOC", 2.0, 5.0, {"tag": "x"},
    )  # fmt: skip
    assert all(len(r.id) == 20 for r in made)


class Asks(Algo):
    """Asks in every callback."""

    candles = "1m"
    timer = 10

    def on_start(self) -> None:
        self.buy(1)

    def on_tick(self, tick: Tick) -> None:
        self.buy(1)

    def on_candle(self, candle: Candle) -> None:
        self.buy(1)

    def on_timer(self) -> None:
        self.sell(1, product="CNC", validity="IOC", protection=2, valid_s=5, tag="x")

    def on_stop(self) -> None:
        self.exit()


def test_a_refusal_reverts_the_position_and_is_told() -> None:
    engine, unit, (first, second, _) = bought(Buyer)
    assert unit.desk.position("") == 30
    made = feed(engine, [judged(0, verdict(first)), judged(1, verdict(second, approved=True)),
                         reported(0, report(second, "open", 4, 2.0))])  # fmt: skip
    assert [(r.value, r.data["status"], r.data["position"]) for r in made if isinstance(r, Signal)] == [
        (0.0, "refused", "20"), (4.0, "open", "20"),
    ]  # fmt: skip
    assert (unit.desk.position(""), unit.desk.filled("")) == (20, 4)
    assert [order.status for order in unit.desk.orders()] == ["open", "requested"]
    refused = unit.desk.order(first.id)
    assert refused is not None
    assert (refused.status, refused.reason, refused.working) == ("refused", "Too many.", 0)


def test_positions_are_right_without_callbacks() -> None:
    engine, unit, (first, second, third) = bought(Silent)
    assert feed(engine, [judged(0, verdict(first)), reported(0, report(second, "complete", 10, 2.0)),
                         reported(1, report(third, "rejected"))]) == []  # fmt: skip
    assert (unit.desk.position(""), unit.desk.filled(""), unit.desk.orders()) == (10, 10, [])


def test_orders_of_other_runs_instruments_and_accounts_are_not_its_own() -> None:
    engine, unit, (first, *_) = bought(Buyer)
    others: list[dict[str, Any]] = [{"run": "other"}, {"instrument": B}, {"id": "elsewhere"}]
    for offset, other in enumerate(others):
        of = dataclasses.replace(first, **other)
        assert feed(engine, [judged(offset, verdict(of)), reported(offset, report(of, "rejected"))]) == []
    flat = dataclasses.replace(first, id="flat", account="live")
    assert feed(engine, [judged(8, verdict(flat, approved=True)), reported(8, report(flat, "complete", 10, 1.0))]) == []
    assert (unit.desk.position(""), unit.desk.filled(""), unit.desk.order("flat")) == (30, 0, None)


def test_what_a_callback_raises_does_not_undo_what_happened() -> None:
    engine, unit, (first, *_) = bought(Buyer)
    (outcome,) = engine.feed(judged(0, verdict(first, reason="raise")))
    assert outcome.records == []
    assert "on_order raised ArithmeticError" in outcome.notes[0].text
    assert "order/order-verdicts/0/0, whose effects are dropped" in outcome.notes[0].text
    assert unit.desk.position("") == 20
    assert unit.saved().state == {"news": 0}


class Changes(Algo):
    """Modifies and cancels."""

    what: str = param("")

    def on_tick(self, tick: Tick) -> None:
        order = self.buy(10, price=100.0)
        do: dict[str, Any] = {
            "modify": lambda: self.modify(order, quantity=20, price=101.5),
            "cancel": lambda: self.cancel(order, "why not"),
            "nothing": lambda: self.modify(order),
            "trigger": lambda: self.modify(order, trigger=99),
            "negative": lambda: self.modify(order, quantity=-1),
            "unknown": lambda: (self.cancel("no-such"), self.modify("", 5)),
            "product": lambda: self.buy(1, product="MTF"),  # type: ignore[arg-type]
            "validity": lambda: self.buy(1, validity="GTC"),  # type: ignore[arg-type]
            "protection": lambda: self.buy(1, protection=-2),
            "valid": lambda: self.buy(1, valid_s=0),
        }
        answer = do[self.what]()
        self.log("answer", is_=answer, position=self.position(), orders=len(self.orders()))


def changed(what: str) -> list[OrderIntent]:
    batch = ticks("", 0, [(A, 100.0)], OPENING).batch
    return [r for r in replay(Changes, [batch], instruments=[A], what=what) if isinstance(r, OrderIntent)]


def test_a_modify_and_a_cancel_name_their_order() -> None:
    placed, modify = changed("modify")
    assert (modify.action, modify.order, modify.quantity, modify.price, modify.trigger, modify.kind, modify.side) == (
        "modify", placed.id, 20, 101.5, 0.0, "limit", "buy",
    )  # fmt: skip
    placed, cancel = changed("cancel")
    assert (cancel.action, cancel.order, cancel.instrument, cancel.reason, cancel.account, cancel.cause) == (
        "cancel", placed.id, A, "why not", "paper", "ticks/0/0",
    )  # fmt: skip
    assert len({placed.id, modify.id, cancel.id}) == 2  # of two runs of the same: the same ids
    assert len(changed("unknown")) == 1


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("nothing", "nothing of the order was to be modified"),
        ("trigger", "a limit order has no trigger that could be modified"),
        ("negative", "a quantity is a positive integer, or 0 to leave it as it is, not -1"),
        ("product", "a product is CNC, MIS or NRML, or empty for risk to choose, not 'MTF'"),
        ("validity", "a validity is DAY or IOC, not 'GTC'"),
        ("protection", "a protection is above 0 to 100 %, or -1 for the broker's own, not -2"),
        ("valid", "valid_s is a number of seconds above 0, not 0"),
    ],
)
def test_what_cannot_be_asked_of_an_order_is_said(what: str, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        changed(what)


# restarts ------------------------------------------------------------------------------------------------------


def log_of(rng: random.Random, orders: list[OrderIntent]) -> list[Event]:
    """What is said of these orders, in the order of each topic."""
    events: list[Event] = []
    reports = 0
    for offset, of in enumerate(rng.sample(orders, len(orders))):
        approved = rng.random() < 0.7
        events.append(judged(offset, verdict(of, approved=approved)))
        for status in ("accepted", "open", rng.choice(["complete", "cancelled", "rejected"])) if approved else ():
            filled = rng.randint(1, 10) if status != "accepted" else 0
            events.append(reported(reports, report(of, status, filled, 1.0)))
            reports += 1
    return events


@given(st.randoms(use_true_random=False), st.integers(0, 12), st.booleans())
def test_a_restart_anywhere_leaves_the_same_position_and_tells_no_news_twice(
    rng: random.Random, cut: int, recent: bool
) -> None:
    engine, unit, orders = bought(Buyer)
    log = log_of(rng, orders)
    told = feed(engine, log[:cut])
    saved = through_the_log(engine.saved(unit))
    second = engine_of(Buyer)
    again = second.add((A,), saved, saved.upto)
    for event in log[: rng.randint(0, len(log))]:  # what was said until it is back
        second.recall(event, () if recent else (A,))  # type: ignore[arg-type]
    told += again.start(OPENING).records
    told += feed(second, log)
    whole, other, _ = bought(Buyer)
    want = feed(whole, log)
    assert again.desk.position("") == other.desk.position("")
    assert again.desk.filled("") == other.desk.filled("")
    ids = [record.id for record in told]
    assert len(set(ids)) == len(ids)
    if recent:
        assert {record.id for record in told} == {record.id for record in want}


def test_the_position_is_known_before_on_start() -> None:
    engine, unit, orders = bought(Starts)
    saved = through_the_log(engine.saved(unit))
    second = engine_of(Starts)
    again = second.add((A,), saved, saved.upto)
    second.recall(reported(0, report(orders[0], "rejected")))
    started = again.start(OPENING + SECOND)
    assert [(r.name, r.value) for r in started.records if isinstance(r, Signal)] == [("start", 20.0), ("news", 20.0)]
    assert second.feed(reported(0, report(orders[0], "rejected"))) == []


class Starts(Algo):
    """Tells the position that it begins with."""

    def on_start(self) -> None:
        self.signal("start", self.position())

    def on_tick(self, tick: Tick) -> None:
        self.buy(10)

    def on_order(self, order: OrderNews) -> None:
        self.signal("news", self.position())


def test_states_of_before_there_were_orders_still_load() -> None:
    old = '{"state": {"news": 4}, "position": {"NSE:A": 7}, "outbox": [], "since": {"candles/0": 3}, "shape": "", '
    old += '"clock_us": 5, "heard": ["x"]}'
    saved = from_record(AlgoState("run", A, old, 9, {"ticks/0": 2}))
    assert (saved.state, saved.since, saved.upto) == ({"news": 4}, {"candles/0": 3}, {"ticks/0": 2})
    assert saved.ledger.position("paper", A) == 0  # it was asked for, and nobody was there to fill it
    with pytest.raises(ValueError, match="the state of NSE:A cannot be read"):
        from_record(AlgoState("run", A, '{"ledger": {"orders": [[1]]}}', 9))


# risk ----------------------------------------------------------------------------------------------------------


def point(scope: str, at_us: int = OPENING) -> RiskPoint:
    return RiskPoint(scope, at_us, "2023-11-15", "ACTIVE", 500.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def breach(scope: str) -> Breach:
    return Breach("b", scope, "drawdown", 500.0, 512.0, "rupees", "stop", OPENING, "Too deep.")


class Careful(Algo):
    """Listens to risk."""

    def on_risk(self, point: RiskPoint) -> None:
        self.signal("risk", point.money_at_risk, state=self.risk_state)

    def on_breach(self, breach: Breach) -> None:
        self.signal("breach", breach.used, scope=breach.scope)
        self.exit()


def test_inputs_tell_what_it_listens_to() -> None:
    assert definition_of(Careful).inputs == ["risk", "breaches"]
    assert definition_of(Buyer).inputs == ["ticks", "orders"]


def test_the_runs_own_risk_and_breaches_that_concern_it_are_told() -> None:
    engine = engine_of(Careful)
    for name in (A, B):
        engine.add((name,)).start(OPENING)
    points = [point(scope) for scope in ("algo:run", "algo:runner", "platform", "account:paper")]
    made = feed(engine, [Measured("risk-points/0", number, one) for number, one in enumerate(points)])
    assert [(r.name, r.value, r.instrument) for r in made if isinstance(r, Signal)] == [
        ("risk", 500.0, A), ("risk", 500.0, B),
    ]  # fmt: skip
    scopes = ["algo:run", "algo:other", f"instrument:{A}", f"algo:run/instrument:{B}", "account:live", "account:paper",
              "platform", "instrument:NSE:C"]  # fmt: skip
    made = feed(engine, [Broke("breaches/0", n, breach(scope)) for n, scope in enumerate(scopes)])
    assert [(r.data["scope"], r.instrument) for r in made if isinstance(r, Signal)] == [
        ("algo:run", A), ("algo:run", B), (f"instrument:{A}", A), (f"algo:run/instrument:{B}", B),
        ("account:paper", A), ("account:paper", B), ("platform", A), ("platform", B),
    ]  # fmt: skip


def test_the_strictest_state_holds() -> None:
    engine = engine_of(Careful)
    unit = engine.add((A,))
    states: list[tuple[str, TradingState, TradingState]] = [
        ("algo:other", "HALTED", "ACTIVE"), ("account:paper", "REDUCING", "REDUCING"), ("algo:run", "HALTED", "HALTED"),
        ("platform", "REDUCING", "HALTED"), ("algo:run", "ACTIVE", "REDUCING"), ("account:paper", "ACTIVE", "REDUCING"),
        ("platform", "ACTIVE", "ACTIVE"), ("account:live", "HALTED", "ACTIVE"),
    ]  # fmt: skip
    for number, (scope, ruled, holds) in enumerate(states):
        assert engine.feed(Ruled("risk-states/0", number, RiskState(scope, ruled, "asha", OPENING))) == []
        assert unit.desk.risk_state == holds, scope
    assert engine.add((B,)).desk.risk_state == "ACTIVE"


# the examples --------------------------------------------------------------------------------------------------


def test_the_crossover_asks_again_for_what_was_refused_and_says_once_why() -> None:
    closes = [10, 10, 10, 10, 11, 12, 13, 14]
    candles = [minute(A, number, close) for number, close in enumerate(closes)]
    asked = {"instruments": [A], "fast": 2, "slow": 4, "quantity": 3}
    orders: list[OrderIntent] = []
    for times in range(3):  # each order is known once it was made: its refusal is put in behind its candle
        happened: list[Any] = []
        for candle in candles:
            happened += [candle, *(verdict(o) for o in orders if o.at_us == candle.start_us + 60 * SECOND)]
        made = replay(Crossover, happened, **asked)  # type: ignore[arg-type]
        orders = [r for r in made if isinstance(r, OrderIntent)]
        assert [(o.side, o.quantity) for o in orders] == [("buy", 3)] * (times + 1)
    assert [r.value for r in made if isinstance(r, Signal)] == [1.0]


def test_the_spread_goes_out_of_the_other_leg_when_one_is_refused() -> None:
    batches = []
    for number in range(60):
        strays = 5.0 if number >= 30 else 0.1 * (number % 3)
        batches.append(ticks("", 0, [(A, 100.0 + strays), (B, 100.0)], OPENING + number * SECOND).batch)
    asked: dict[str, Any] = {"instruments": [A, B], "span": 20, "enter": 3.0, "leave": 0.1}
    first, second = [r for r in replay(Spread, batches, **asked) if isinstance(r, OrderIntent)][:2]
    happened = [*batches[:31], verdict(first), report(second, "complete", 1, 100.0), *batches[31:]]
    orders = [r for r in replay(Spread, happened, **asked) if isinstance(r, OrderIntent)]
    assert [(o.instrument, o.side, o.quantity) for o in orders] == [(A, "sell", 1), (B, "buy", 1), (B, "sell", 1)]
