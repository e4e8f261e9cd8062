"""Flattening: whatever the broker does nothing is closed twice, and once it fills everything is flat."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.order_state import order_event
from schemas.orders import EXTERNAL, OrderIntent
from schemas.risk import RiskState
from streams.positions.fold import Key
from streams.risk.book import Book
from streams.risk.entries import pack, unpack
from streams.risk.jobs import AT_ONCE_OF_KEY, LABEL, ROUND_US, Job, done, state_after, step
from streams.risk.scopes import described
from tests.unit.streams.risk.build import FUTURE, NOW, Desk, S, intent

TICK_US = 500_000
LOT, FREEZE = 75, 1800  # of NIFTY futures
BUYING = {"kind": "limit", "price": 90.0}


def flattening(desk: Desk, scope: str = "algo:crossover", **fields: object) -> Job:
    """Begins to flatten."""
    desk.book.take(RiskState(scope, "REDUCING", "me", desk.now_us))
    job = replace(Job("job1", scope, "me", desk.now_us), **fields)  # type: ignore[arg-type]
    desk.book.put_job(job.id, job)
    return job


def steps(desk: Desk) -> list[OrderIntent]:
    """What the jobs ask for now, judged at once."""
    wanted = step(desk.book, desk.market, desk.now_us)
    for one in wanted:
        assert desk.ask(one).approved, desk.log[-1]
    return wanted


def test_orders_are_cancelled_then_what_is_held_is_closed() -> None:
    desk = Desk()
    desk.hold(30)
    desk.hold(-20, instrument="NSE:TCS")
    desk.ask(intent("buying", **BUYING))
    desk.hear("buying", "open")
    job = flattening(desk)
    cancel, close = steps(desk)
    assert (cancel.action, cancel.order, cancel.labels) == ("cancel", "buying", {LABEL: "job1"})
    assert (close.action, close.side, close.quantity, close.kind) == ("place", "buy", 20, "market")
    assert (close.instrument, close.product, close.protection, close.run) == ("NSE:TCS", "MIS", -1, "crossover")
    assert desk.book.jobs["job1"].detail == "1 orders to be cancelled, 1 positions to be closed"
    desk.now_us += TICK_US
    assert steps(desk) == []  # once a round
    desk.fill(close.id, 20)
    desk.hear("buying", "cancelled")
    (last,) = steps(desk)
    assert (last.instrument, last.side, last.quantity) == ("NSE:INFY", "sell", 30)
    assert done(desk.book) == []
    desk.fill(last.id, 30)
    assert steps(desk) == []
    (found,) = done(desk.book)
    assert (found.id, found.is_done, found.then) == (job.id, True, "REDUCING")
    assert found.detail == f"{described(job.scope)} is flat"
    assert step(desk.book, desk.market, desk.now_us) == []


def test_slices_are_no_larger_than_the_exchange_takes() -> None:
    desk = Desk()
    for _ in range(8):
        desk.hold(20 * LOT, instrument=FUTURE.instrument)
    flattening(desk)
    slices = steps(desk)
    assert [one.quantity for one in slices] == [FREEZE] * AT_ONCE_OF_KEY
    for one in slices[:2]:
        desk.fill(one.id, FREEZE)
    more = steps(desk)
    assert [one.quantity for one in more] == [FREEZE, 8 * 20 * LOT - 6 * FREEZE]
    assert len({one.id for one in (*slices, *more)}) == 7
    for one in (*slices[2:], *more):
        desk.fill(one.id, one.quantity)
    steps(desk)
    assert done(desk.book)


def test_what_is_not_filled_in_a_round_is_cancelled_and_sliced_anew() -> None:
    desk = Desk()
    desk.hold(30)
    flattening(desk)
    (first,) = steps(desk)
    desk.fill(first.id, 12)
    desk.now_us += ROUND_US
    (cancel,) = steps(desk)
    assert (cancel.action, cancel.order) == ("cancel", first.id)
    desk.hear(first.id, "cancelled")
    (second,) = steps(desk)
    assert (second.quantity, second.id != first.id) == (18, True)


def test_what_the_broker_rejects_is_tried_again_in_the_next_round() -> None:
    desk = Desk()
    desk.hold(30)
    flattening(desk)
    (first,) = steps(desk)
    desk.hear(first.id, "rejected", reason="no margin")
    desk.now_us += TICK_US
    assert steps(desk) == []
    assert desk.book.jobs["job1"].detail == "1 positions to be closed, NSE:INFY rejected: no margin"
    desk.now_us = NOW + ROUND_US
    (second,) = steps(desk)
    assert second.quantity == 30
    assert second.id != first.id


def test_an_order_of_which_nothing_is_known_is_waited_for() -> None:
    desk = Desk()
    desk.hold(30)
    desk.ask(intent("lost1", side="sell", quantity=30))
    desk.hear("lost1", "unknown")
    flattening(desk)
    assert [one.action for one in steps(desk)] == ["cancel"]
    assert "nobody has said anything" in desk.book.jobs["job1"].detail
    desk.hear("lost1", "lost")
    assert [one.action for one in steps(desk)] == ["place"]


def test_a_closed_exchange_is_waited_for_and_cancels_go_on() -> None:
    desk = Desk()
    desk.hold(30)
    desk.ask(intent("buying", **BUYING))
    desk.now_us += 86_400 * S // 2  # in the evening
    flattening(desk)
    assert [one.action for one in steps(desk)] == ["cancel"]
    desk.hear("buying", "cancelled")
    for _ in range(3):
        desk.now_us += ROUND_US
        assert steps(desk) == []
    assert desk.book.jobs["job1"].detail == "1 positions to be closed, NSE closed now"
    desk.now_us = NOW + 86_400 * S
    assert [one.action for one in steps(desk)] == ["place"]


@pytest.mark.parametrize(
    ("scope", "closed"),
    [
        ("platform", {"a", "b", "", EXTERNAL}), ("account:paper", {"a", "", EXTERNAL}), ("account:live", {"b"}),
        ("algo:a", {"a"}), ("algo:-", {""}), ("instrument:NSE:TCS", {"b"}), ("algo:a/instrument:NSE:INFY", {"a"}),
        ("algo:a/instrument:NSE:TCS", set()),
    ],
)  # fmt: skip
def test_only_what_is_in_the_scope(scope: str, closed: set[str]) -> None:
    desk = Desk()
    desk.hold(10, run="a")
    desk.hold(10, run="b", account="live", trading="live", instrument="NSE:TCS")
    desk.hold(10, run="")
    by_hand = order_event(
        account="paper", order="ext-1", status="complete", instrument="NSE:INFY", side="buy", product="MIS",
        quantity=10, filled=10, average_price=100.0, at_us=desk.now_us, run=EXTERNAL, broker_order="1",
    )  # fmt: skip
    desk.book.take(by_hand)
    desk.book.put_job("j", Job("j", scope, "me", desk.now_us))
    assert {one.run for one in steps(desk)} == closed
    assert bool(done(desk.book)) is not bool(closed)


def test_two_jobs_do_not_get_in_each_others_way() -> None:
    desk = Desk()
    desk.hold(30)
    flattening(desk)
    desk.book.put_job("job0", Job("job0", "platform", "me", desk.now_us + 1))
    (first,) = steps(desk)
    assert first.labels == {LABEL: "job1"}
    desk.now_us += TICK_US
    assert steps(desk) == []
    assert desk.book.jobs["job0"].detail == "an older job does it"
    desk.fill(first.id, 30)
    steps(desk)
    assert [job.id for job in done(desk.book)] == ["job1", "job0"]


def test_the_state_afterwards() -> None:
    desk = Desk()
    job = flattening(desk, then="ACTIVE")
    assert state_after(desk.book, job) == "ACTIVE"
    assert state_after(desk.book, replace(job, then="HALTED")) == "HALTED"
    desk.book.take(RiskState(job.scope, "HALTED", "another", desk.now_us))
    assert state_after(desk.book, job) == "HALTED"
    assert state_after(desk.book, replace(job, scope="instrument:NSE:INFY")) is None


def test_a_job_goes_through_the_tables_unchanged() -> None:
    job = Job("j", "algo:x", "me", 5, "HALTED", "why", 4, 2, ("a", "b"), "waits", 0)
    assert unpack("jobs", pack(job)) == job


class Broker:
    """Answers as it likes; every choice is the drawn numbers'."""

    def __init__(self, desk: Desk, choose: Callable[[int], int]) -> None:
        self._desk, self._choose = desk, choose
        self._waiting: list[OrderIntent] = []  # in the log, not judged yet
        self._lost: set[str] = set()  # orders that never arrived, of which it is not known

    def tick(self, is_kind: bool) -> None:
        """A step of the jobs, its crash perhaps, judging late perhaps, and something of each live order."""
        desk, choose = self._desk, self._choose
        before = dict(desk.book.jobs)
        self._waiting += step(desk.book, desk.market, desk.now_us)
        if not is_kind and choose(6) == 0:  # died after it had asked, before the table had it
            for job in before.values():
                desk.book.put_job(job.id, job)
            self._waiting += step(desk.book, desk.market, desk.now_us)
        if is_kind or choose(3):
            for wanted in self._waiting:
                if wanted.id not in desk.book.judged:
                    desk.ask(wanted)
                    if wanted.action == "cancel" and desk.book.judged[wanted.id].approved:
                        self._cancel(wanted, is_kind)
            self._waiting.clear()
        for order in desk.book.live_of():
            self._answer(order.id, is_kind)
        desk.now_us += TICK_US

    def _cancel(self, wanted: OrderIntent, is_kind: bool) -> None:
        if self._desk.book.orders[wanted.order].state.is_live:
            if is_kind or self._choose(2):
                self._desk.hear(wanted.order, "cancelled", intent=wanted.id)
            else:
                status = self._desk.book.orders[wanted.order].state.status
                self._desk.hear(wanted.order, status, intent=wanted.id, failed=True)

    def _answer(self, id_: str, is_kind: bool) -> None:
        desk, choice = self._desk, 9 if is_kind else self._choose(12)
        order = desk.book.orders[id_]
        status, working = order.state.status, order.state.working
        if id_ in self._lost:
            if is_kind or choice < 3:
                desk.hear(id_, "lost")
        elif choice == 0 and status == "requested":
            desk.hear(id_, ("rejected", "not-sent", "cancelled")[self._choose(3)])
        elif choice == 1 and status == "requested":
            desk.hear(id_, "unknown")
            if self._choose(2):
                self._lost.add(id_)
        elif choice in (2, 3):
            desk.hear(id_, "open")
        elif choice in (4, 5, 6):
            lot = LOT if order.state.instrument == FUTURE.instrument else 1
            desk.fill(id_, (1 + self._choose(working // lot)) * lot)
        elif choice >= 7 and (not is_kind or LABEL in (order.intent.labels if order.intent else {})):
            desk.fill(id_, working)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 40), st.sampled_from(["platform", "account:paper", "algo:a", "algo:b"]))
def test_nothing_is_closed_twice_and_in_the_end_all_is_flat(seed: int, wild: int, scope: str) -> None:
    draw = random.Random(seed)
    desk = Desk()
    for n in range(draw.randint(1, 6)):
        instrument = draw.choice(["NSE:INFY", "NSE:TCS", FUTURE.instrument])
        run, lots = draw.choice("ab"), draw.randint(1, 24) * (LOT if instrument == FUTURE.instrument else 1)
        key = ("paper", run, instrument, "NRML" if instrument == FUTURE.instrument else "MIS")
        side = "buy" if desk.book.held(key) > 0 or (not desk.book.held(key) and draw.random() < 0.5) else "sell"
        desk.hold(lots if side == "buy" else -lots, run=run, instrument=instrument)
        if draw.random() < 0.5:  # one that adds, and one that protects
            price = {"kind": "limit", "price": 100.0}
            desk.ask(intent(f"more{n}", run=run, instrument=instrument, side=side, quantity=lots, **price))
        if draw.random() < 0.5:
            other = {"side": "sell", "trigger": 95.0} if side == "buy" else {"side": "buy", "trigger": 105.0}
            desk.ask(intent(f"stop{n}", run=run, instrument=instrument, quantity=lots, kind="stop", **other))
    flattening(desk, scope)
    signs: dict[Key, bool] = {}
    broker = Broker(desk, draw.randrange)
    for tick in range(wild + 120):
        broker.tick(is_kind=tick >= wild)
        for key in desk.book.keys():  # noqa: SIM118 - no mapping
            if held := desk.book.held(key):
                assert signs.setdefault(key, held > 0) == (held > 0), f"{key} was closed twice"
        if done(desk.book):
            break
    assert done(desk.book), desk.book.jobs
    inside = [key for key in signs if scope in ("platform", "account:paper", f"algo:{key[1]}")]
    assert not any(desk.book.held(key) or desk.book.live(key) for key in inside)


def test_the_job_survives_a_restart() -> None:
    desk = Desk()
    desk.hold(30)
    flattening(desk)
    (first,) = steps(desk)
    tables: dict[str, dict[str, bytes]] = {}
    for table, key, entry in desk.book.take_changes():
        if entry is not None:
            tables.setdefault(table, {})[key] = entry
    desk.book = Book.restore(tables)
    desk.now_us += TICK_US
    assert steps(desk) == []
    desk.fill(first.id, 30)
    steps(desk)
    assert done(desk.book)
