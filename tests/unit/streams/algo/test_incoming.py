"""From messages to events: whatever concerns no unit of the run is passed over."""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka import Message

from schemas.codec import encode
from schemas.risk import Breach, RiskState
from schemas.topics import BREACHES, ORDER_EVENTS, ORDER_VERDICTS, RISK_STATES, Topic
from streams.algo import Algo, OrderNews, Tick
from streams.algo.definition import definition_of
from streams.algo.events import Broke, Event, Judged, Reported, Ruled, Run
from streams.algo.incoming import Incoming
from tests.unit.streams.algo.orders import A, intent, report, verdict
from tests.unit.streams.candles.ticks import OPENING


class Plain(Algo):
    """Needs nothing but ticks."""

    def on_tick(self, tick: Tick) -> None: ...


class Watchful(Plain):
    """Listens to risk too."""

    candles = "1m"
    signals = "mood"

    def on_order(self, order: OrderNews) -> None: ...
    def on_risk(self, point: object) -> None: ...
    def on_breach(self, breach: Breach) -> None: ...


def incoming(made: type[Algo] = Plain, run: str = "run", told: list[str] | None = None) -> Incoming:
    tell = [].append if told is None else told.append
    return Incoming(definition_of(made), Run(run, f"{run}@node"), [A], tell)


def event(of: Incoming, topic: Topic, record: Any, key: str = "paper") -> Event | None:
    value = record if isinstance(record, bytes) else encode(record)
    return of.event(Message(topic=topic.name, partition=0, offset=7, key=key.encode(), value=value))


def test_orders_are_followed_by_all_and_the_rest_by_who_wants_it() -> None:
    assert [topic.name for topic in incoming().topics] == ["order-verdicts", "order-events"]
    assert [topic.name for topic in incoming(Watchful).topics] == [
        "order-verdicts", "order-events", "candles", "signals", "risk-points", "breaches",
    ]  # fmt: skip


def test_an_order_of_another_run_is_not_decoded() -> None:
    told: list[str] = []
    mine = incoming(told=told)
    assert isinstance(event(mine, ORDER_VERDICTS, verdict(intent())), Judged)
    assert isinstance(event(mine, ORDER_EVENTS, report(intent(), "open")), Reported)
    for other in ("runner", "ru", "a run", ""):  # a part of a name, or a longer one, is another
        of = intent(run=other, task=f"{other}@node")
        assert event(mine, ORDER_EVENTS, report(of, "open")) is None
        assert event(mine, ORDER_VERDICTS, verdict(of)) is None
        assert event(mine, ORDER_EVENTS, encode(report(of, "open"))[:-9]) is None
    assert told == []
    assert event(mine, ORDER_EVENTS, encode(report(intent(), "open"))[:-9]) is None
    assert told[0].startswith("a record of order-events/0 at 7 was passed over: a broken OrderEvent")


def test_a_long_name_is_found_too() -> None:
    name = "r" * 100  # its length has two bytes
    found = event(incoming(run=name), ORDER_EVENTS, report(intent(run=name, task=""), "open"))
    assert isinstance(found, Reported)


def test_what_a_person_writes_as_json_is_found() -> None:
    wanted = report(intent(), "open")
    values = {name: getattr(wanted, name) for name in type(wanted).__slots__}
    found = event(incoming(), ORDER_EVENTS, json.dumps(values).encode())
    assert isinstance(found, Reported)
    assert found.report == wanted


def test_breaches_are_told_apart_by_their_keys_and_states_are_all_taken() -> None:
    breach = Breach("b", "x", "drawdown", 1, 2, "rupees", "warn", OPENING, "Why.")
    for key in ("platform", "account:paper", "algo:run", f"instrument:{A}", f"algo:run/instrument:{A}"):
        assert isinstance(event(incoming(Watchful), BREACHES, breach, key), Broke)
    for key in ("account:live", "algo:other", "instrument:NSE:B"):
        assert event(incoming(Watchful), BREACHES, b"whatever it is", key) is None
    ruled = event(incoming(), RISK_STATES, RiskState("algo:other", "HALTED", "asha", OPENING), "algo:other")
    assert isinstance(ruled, Ruled)
