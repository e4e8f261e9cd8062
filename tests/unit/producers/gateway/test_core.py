"""What the gateway decides, case by case; ``test_never_twice`` has all of them at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from infra.brake import Hold
from producers.gateway.broker import BrokerOrder
from producers.gateway.core import AGAIN_S, Core, Outcome
from producers.gateway.errand import Errand, Now
from producers.gateway.rates import windows
from producers.gateway.search import LOOKS, SEEK_S
from schemas.order_state import OrderState, order_event
from schemas.orders import OrderEvent, OrderIntent, OrderSend, Position
from schemas.risk import RiskState
from tests.unit.producers.gateway.model import OPENING_US, MarketBroker, intent, verdict

HALTED = {"platform": Hold("HALTED", "me", 0, "enough")}
REDUCING = {"algo:crossover": Hold("REDUCING", "risk", 0, "")}


class Desk:
    """A core, a broker, and a time that passes when told."""

    def __init__(self, per_second: int = 8) -> None:
        self.core, self.broker, self.s = Core("live", windows(per_second)), MarketBroker(), 1000.0
        self.events: list[OrderEvent] = []
        self.holds: dict[str, Hold] = {}
        self.core.begin(self.now)

    @property
    def now(self) -> Now:
        return Now(self.s, OPENING_US + int(self.s * 1e6))

    def want(self, name: str, action: Any = "place", order: str = "", **more: Any) -> OrderIntent:
        wish = intent(name, self.now, action, order, **more)
        self.core.take(verdict(wish), self.now)
        return wish

    def plan(self, *, may_write: bool = True) -> list[Errand]:
        plan = self.core.plan(self.now, self.holds, may_write=may_write)
        self.events += plan.events
        return [*plan.write, *plan.again]

    def go(self, errand: Errand) -> bool:
        goes, events = self.core.may_go(errand, self.now, self.holds)
        self.events += events
        return goes

    def answer(self, errand: Errand, kind: Any, broker_order: str = "") -> None:
        self.events += self.core.answered(errand, Outcome(kind, broker_order, f"{kind}!"), self.now)

    def send_all(self) -> list[str]:
        """What is due, sent and done."""
        sent = []
        for errand in self.plan():
            if self.go(errand):
                sent.append(errand.intent.id)
                self.answer(errand, "done", self.broker.take(errand.intent, self.now))
        return sent

    def hear(self, seen: BrokerOrder, **more: Any) -> None:
        self.events += self.core.search.news(dataclasses.replace(seen, source="frame", **more), self.now)

    def look(self) -> None:
        look = self.core.search.look(self.now)
        self.events += self.core.search.looked(look, list(self.broker.book.values()), self.now)

    def wait(self, seconds: float) -> None:
        self.s += seconds

    def state(self, order: str) -> OrderState:
        return self.core.book.orders[order]

    def answers(self, name: str) -> list[tuple[str, bool, str]]:
        return [(event.status, event.failed, event.reason) for event in self.events if event.intent == name]


def test_an_approved_order_is_written_sent_and_accepted() -> None:
    desk = Desk()
    desk.want("a1")
    (errand,) = desk.plan()
    assert desk.plan() == []
    assert desk.go(errand)
    desk.answer(errand, "done", desk.broker.take(errand.intent, desk.now))
    (event,) = desk.events
    assert (event.status, event.broker_order, event.intent, event.run) == ("accepted", "B1", "a1", "crossover")
    desk.look()
    assert desk.state("a1").status == "open"


def test_a_refused_verdict_and_another_accounts_are_nothing() -> None:
    desk = Desk()
    desk.core.take(verdict(intent("a1", desk.now), approved=False), desk.now)
    desk.want("a2", account="paper")
    assert desk.plan() == []


def test_cancels_go_first_and_places_wait_for_their_second() -> None:
    desk = Desk()
    for n in range(10):
        desk.want(f"a{n}")
    assert len(desk.send_all()) == 6
    desk.want("c1", "cancel", "a0")
    desk.want("c2", "cancel", "a1")
    desk.want("c3", "cancel", "a2")
    assert desk.send_all() == ["c1", "c2"]
    desk.wait(1.0)
    assert desk.send_all() == ["c3", "a6", "a7", "a8", "a9"]


def test_what_is_too_late_is_told_with_its_reason() -> None:
    desk = Desk(per_second=1)
    desk.want("a1", valid_s=2.0)
    desk.want("a2", valid_s=2.0)
    desk.want("c1", "cancel", "nobody", valid_s=2.0)
    assert desk.send_all() == ["a1"]
    desk.wait(3.0)
    assert desk.send_all() == []
    assert desk.answers("a2") == [("not-sent", False, "it could not be sent within 2 s")]
    assert desk.answers("c1") == [
        ("not-sent", True, "it could not be sent within 2 s: its order had no id at the broker yet")
    ]


def test_a_deadline_that_passed_while_kafka_was_away_stops_what_is_written_already() -> None:
    desk = Desk()
    desk.want("a1", valid_s=5.0)
    (errand,) = desk.plan()
    desk.wait(6.0)
    assert not desk.go(errand)
    assert desk.state("a1").status == "not-sent"


def test_halted_only_cancels_leave_and_what_is_written_is_stopped_too() -> None:
    desk = Desk()
    desk.want("a1")
    assert desk.send_all() == ["a1"]
    desk.want("a2")
    (written,) = desk.plan()
    desk.want("a3")
    desk.want("m1", "modify", "a1", price=101.0)
    desk.want("c1", "cancel", "a1")
    desk.holds = HALTED
    assert not desk.go(written)
    assert desk.send_all() == ["c1"]
    for name in ("a2", "a3"):
        assert desk.answers(name) == [("not-sent", False, "halted by me: enough")]
    assert desk.answers("m1") == [("accepted", True, "halted by me: enough")]


def test_risks_own_halt_counts_as_the_brakes() -> None:
    desk = Desk()
    desk.core.take(RiskState("account:live", "HALTED", "risk", 0, "daily loss"), desk.now)
    desk.want("a1")
    assert desk.send_all() == []
    desk.core.take(RiskState("account:live", "ACTIVE", "me", 1), desk.now)
    desk.want("a2")
    assert desk.send_all() == ["a2"]


@pytest.mark.parametrize(
    ("side", "quantity", "leaves"), [("sell", 10, True), ("sell", 11, False), ("buy", 1, False), ("sell", 6, True)]
)
def test_reducing_lets_through_what_makes_a_position_smaller(side: Any, quantity: int, leaves: bool) -> None:
    desk = Desk()
    desk.core.take(Position("live", "crossover", "NSE:INFY", "MIS", 10, 100.0, 10, 0, 0.0, 0.0, 0, 1), desk.now)
    desk.holds = REDUCING
    desk.want("a1", side=side, quantity=quantity)
    assert (desk.send_all() == ["a1"]) == leaves
    desk.want("a2", side=side, quantity=quantity)  # what the first may still sell is not there any more
    assert desk.send_all() == []


def test_reducing_knows_fills_that_risk_has_not_counted_yet() -> None:
    desk = Desk()
    desk.want("a1", quantity=3)
    desk.send_all()
    desk.broker.fill("B1", 3, desk.now)
    desk.look()
    desk.holds = REDUCING
    desk.want("a2", side="sell", quantity=3)
    assert desk.send_all() == ["a2"]
    desk.want("m1", "modify", "a2", quantity=4, price=99.0)
    assert desk.send_all() == []
    desk.want("m2", "modify", "a2", quantity=2, price=0.0)
    assert desk.send_all() == ["m2"]


def test_a_cancel_takes_its_order_out_of_the_queue() -> None:
    desk = Desk()
    desk.want("a1")
    desk.want("c1", "cancel", "a1")
    assert desk.send_all() == []
    assert desk.answers("a1") == [("not-sent", False, "it was cancelled before it was sent")]
    assert desk.answers("c1") == [("not-sent", True, "it was cancelled before it was sent")]


def test_a_change_waits_for_the_orders_id_and_for_the_change_before_it() -> None:
    desk = Desk()
    desk.want("a1")
    (errand,) = desk.plan()
    desk.go(errand)
    desk.want("m1", "modify", "a1", price=101.0)
    desk.want("m2", "modify", "a1", price=99.0)
    assert desk.plan() == []
    desk.answer(errand, "done", desk.broker.take(errand.intent, desk.now))
    assert desk.send_all() == ["m1"]
    assert desk.send_all() == []
    desk.look()
    assert desk.answers("m1") == [("open", False, "")]
    assert desk.send_all() == ["m2"]
    desk.look()
    assert (desk.state("a1").price, desk.state("a1").terms[0]) == (99.0, 2)  # all in one second of the broker's clock


def test_stale_news_do_not_undo_a_change() -> None:
    desk = Desk()
    desk.want("a1")
    desk.send_all()
    desk.want("m1", "modify", "a1", price=101.0)
    desk.send_all()
    desk.look()
    told = len(desk.events)
    for seen in desk.broker.said:
        desk.hear(seen)
    assert desk.state("a1").price == 101.0
    assert len(desk.events) == told


def test_a_change_that_the_exchange_did_not_make_fails_in_the_end() -> None:
    desk = Desk()
    desk.want("a1")
    desk.send_all()
    desk.want("m1", "modify", "a1", price=101.0)
    (errand,) = desk.plan()
    desk.go(errand)
    desk.answer(errand, "done")  # taken up, and that was all
    for _ in range(LOOKS + int(SEEK_S)):
        desk.look()
        desk.wait(1.0)
    assert desk.answers("m1") == [("open", True, "the broker took it up, but its order does not show it")]
    assert desk.state("a1").price == 100.0


def test_a_change_that_settles_is_waited_for() -> None:
    desk = Desk()
    desk.want("a1")
    desk.send_all()
    desk.want("m1", "modify", "a1", price=101.0)
    desk.send_all()
    at_broker = desk.broker.book["B1"]
    desk.broker.book["B1"] = dataclasses.replace(at_broker, settling=True, status="accepted")
    for _ in range(20):
        desk.look()
        desk.wait(1.0)
    assert desk.answers("m1") == []
    desk.broker.book["B1"] = at_broker
    desk.look()
    assert desk.answers("m1") == [("open", False, "")]


def test_a_frame_that_overtakes_the_answer_is_not_lost() -> None:
    desk = Desk()
    desk.want("a1")
    (errand,) = desk.plan()
    desk.go(errand)
    name = desk.broker.take(errand.intent, desk.now)
    desk.broker.fill(name, 10, desk.now)
    desk.hear(desk.broker.book[name])
    assert desk.answers("a1") == [("complete", False, "")]
    desk.answer(errand, "done", name)
    assert desk.state("a1").filled == 10
    assert len(desk.events) == 1


def test_the_same_news_are_written_once() -> None:
    desk = Desk()
    desk.want("a1")
    desk.send_all()
    desk.broker.fill("B1", 4, desk.now)
    for _ in range(3):
        desk.look()
        desk.wait(5.0)
        desk.hear(desk.broker.book["B1"])
    assert [(event.status, event.filled) for event in desk.events] == [("accepted", 0), ("open", 4)]


@pytest.mark.parametrize("kind", ["not-sent", "no-token"])
def test_what_was_surely_not_taken_is_sent_again_without_being_written_again(kind: Any) -> None:
    desk = Desk()
    desk.want("a1")
    (errand,) = desk.plan()
    desk.go(errand)
    desk.answer(errand, kind)
    assert desk.plan() == []
    desk.wait(AGAIN_S)
    desk.core.no_token = ""  # the order book could be had again
    plan = desk.core.plan(desk.now, {}, may_write=False)
    assert ([], [errand]) == (plan.write, plan.again)
    assert desk.go(errand)


def test_without_a_token_nothing_leaves_and_the_deadline_tells_why() -> None:
    desk = Desk()
    desk.core.no_token = "log in"
    desk.want("a1", valid_s=5.0)
    assert desk.send_all() == []
    desk.wait(6.0)
    desk.plan()
    assert desk.answers("a1") == [("not-sent", False, "it could not be sent within 5 s: log in")]


@pytest.mark.parametrize(("kind", "status"), [("refused", "rejected"), ("unwritable", "not-sent")])
def test_a_no_is_final(kind: Any, status: str) -> None:
    desk = Desk()
    desk.want("a1")
    (errand,) = desk.plan()
    desk.go(errand)
    desk.answer(errand, kind)
    assert desk.answers("a1") == [(status, False, f"{kind}!")]
    desk.wait(100.0)
    assert desk.plan() == []


def test_no_answer_is_unknown_then_found_or_lost() -> None:
    desk = Desk()
    for name in ("a1", "a2"):
        desk.want(name)
    for errand in desk.plan():
        desk.go(errand)
        if errand.intent.id == "a1":
            desk.broker.take(errand.intent, desk.now)
        desk.answer(errand, "unknown")
    desk.look()
    assert [event.status for event in desk.events] == ["unknown", "unknown", "open"]
    for _ in range(LOOKS + int(SEEK_S)):
        assert desk.plan() == []
        desk.wait(1.0)
        desk.look()
    assert desk.state("a2").status == "lost"
    desk.broker.put("a2", desk.now)  # it was under way all that time: the broker's own word counts
    desk.look()
    assert desk.state("a2").status == "open"


def test_few_looks_or_little_time_do_not_make_it_lost() -> None:
    desk = Desk()
    desk.want("a1")
    (errand,) = desk.plan()
    desk.go(errand)
    desk.answer(errand, "unknown")
    for _ in range(LOOKS * 2):
        desk.look()
    desk.wait(SEEK_S / 2)
    desk.look()
    assert desk.state("a1").status == "unknown"


def test_what_is_in_order_sends_is_sought_and_the_rest_is_queued() -> None:
    before = Desk()
    core, now = Core("live", windows(8)), before.now
    for name in ("a1", "a2", "a3"):
        core.take(verdict(intent(name, now)), now)
    core.take(verdict(intent("a4", Now(0.0, now.us - 60_000_000))), now)
    for name in ("a1", "a2"):
        core.take(OrderSend(name, "live", name, "place", now.us, "g"), now)
    core.take(
        order_event(account="live", order="a2", status="open", instrument="NSE:INFY", side="buy", product="MIS",
                    quantity=10, filled=0, average_price=0.0, at_us=now.us), now,
    )  # fmt: skip
    assert [(event.order, event.status) for event in core.begin(now)] == [("a1", "unknown")]
    plan = core.plan(now, {})
    assert [errand.intent.id for errand in plan.write] == ["a3"]
    assert [(event.order, event.status) for event in plan.events] == [("a4", "not-sent")]


def test_orders_by_hand_are_external_and_only_the_order_book_makes_them() -> None:
    desk = Desk()
    desk.broker.put("", desk.now)
    desk.hear(desk.broker.book["B1"])
    assert desk.events == []
    assert desk.core.search.look_wanted
    desk.look()
    (event,) = desk.events
    assert (event.order, event.run, event.task) == ("ext-B1", "EXTERNAL", "")


def test_a_second_order_with_our_tag_counts_as_external() -> None:
    desk = Desk()
    desk.want("a1")
    desk.send_all()
    desk.broker.put("a1", desk.now)
    desk.look()
    assert desk.core.search.doubles == {"B2"}
    assert desk.state("ext-B2").run == "EXTERNAL"
    assert desk.state("a1").broker_order == "B1"


def test_an_order_of_an_earlier_day_that_is_not_shown_any_more_has_ended() -> None:
    desk = Desk()
    desk.want("a1")
    desk.send_all()
    desk.look()
    desk.broker.book.clear()
    for _ in range(LOOKS):
        desk.look()
    assert desk.state("a1").is_live  # the same day
    desk.wait(86_400.0)
    for _ in range(LOOKS):
        desk.look()
    assert desk.state("a1").status == "cancelled"


def test_a_cancel_that_comes_too_late_has_failed() -> None:
    desk = Desk()
    desk.want("a1")
    desk.send_all()
    desk.want("c1", "cancel", "a1")
    (errand,) = desk.plan()
    desk.go(errand)
    desk.broker.fill("B1", 10, desk.now)
    desk.answer(errand, "done")
    desk.look()
    assert desk.answers("c1") == [("complete", True, "its order is complete")]
    desk.want("c2", "cancel", "a1")
    assert desk.send_all() == []
    assert desk.answers("c2") == [("complete", True, "its order is complete already")]


def test_the_order_book_is_looked_into_as_often_as_there_is_reason() -> None:
    desk = Desk()
    search = desk.core.search
    desk.look()
    assert search.next_look_s(0.0) == 15.0
    desk.want("a1")
    (errand,) = desk.plan()
    assert search.next_look_s(0.0) == 3.0
    desk.go(errand)
    desk.answer(errand, "unknown")
    assert search.next_look_s(0.0) == 0.3
    desk.look()
    assert search.next_look_s(0.0) == 1.0


def test_what_ended_long_ago_is_forgotten_and_never_sent_again() -> None:
    desk = Desk()
    wish = desk.want("a1")
    desk.send_all()
    desk.broker.fill("B1", 10, desk.now)
    desk.look()
    desk.wait(3 * 86_400.0)
    desk.core.book.forget(desk.now.us)
    assert not desk.core.book.orders
    assert not desk.core.book.errands
    desk.core.take(verdict(wish), desk.now)
    assert desk.plan() == []
