"""Limits that break, hold again, and what follows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.order_state import order_event
from schemas.orders import EXTERNAL
from schemas.risk import Breach, RiskState
from streams.risk.book import Book
from streams.risk.breaches import Act, Flatten, SetState, StopRuns, Warn, actions
from streams.risk.watch import Watch, mark
from tests.unit.streams.risk.build import NOW, Bazaar, Desk, S, intent, limit

DAY_US = 86_400 * S


class Guarded:
    """A desk that is looked at."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.watch = Watch(self.desk.book, self.desk.market)

    def at(self, price: float, instrument: str = "NSE:INFY") -> list[Breach]:
        """What a look at another price shows, a second later."""
        self.desk.market.set(instrument, price)
        self.desk.now_us += S
        return self.watch.mark(self.desk.now_us, {}).breaches


def told(breaches: list[Breach]) -> list[tuple[str, str, str]]:
    """Scope, limit and state of each."""
    return [(breach.scope, breach.limit, breach.state) for breach in breaches]


def test_it_breaks_once_and_holds_again_by_some_distance() -> None:
    guarded = Guarded()
    guarded.desk.limits({("algo:*", "money-at-risk"): 1050.0}, action="warn")
    guarded.desk.hold(10)
    assert guarded.at(105.0) == []  # at its value
    (broken,) = guarded.at(105.05)
    assert (broken.scope, broken.limit, broken.value, broken.used) == (
        "algo:crossover",
        "money-at-risk",
        1050.0,
        1050.5,
    )
    assert broken.reason == "algo crossover: money at risk is ₹1,050.50, ₹1,050 is allowed; a warning."
    assert guarded.desk.book.breaches == {("algo:crossover", "money-at-risk"): broken}
    assert guarded.at(120.0) == guarded.at(104.0) == []
    (over,) = guarded.at(99.0)
    assert (over.id, over.state, over.used) == (broken.id, "over", 990.0)
    assert over.reason == "algo crossover: money-at-risk is ₹990 of ₹1,050: the limit holds again."
    assert guarded.desk.book.breaches == {}
    (again,) = guarded.at(106.0)
    assert again.id != broken.id


def test_losses_break_when_they_are_reached() -> None:
    guarded = Guarded()
    guarded.desk.limits({("algo:crossover", "drawdown"): 100.0, ("platform", "daily-loss"): 50.0}, action="stop")
    guarded.desk.limits({("account:paper", "drawdown-all-time"): 120.0}, action="stop")
    guarded.desk.hold(10)
    cost = round(guarded.desk.book.holdings.get(("paper", "crossover", "NSE:INFY", "MIS")).charges, 2)  # type: ignore[union-attr]
    assert guarded.at(110.0) == []
    peak = 100.0 - cost
    assert guarded.at(100.01) == []
    (drawdown,) = guarded.at(100.0)
    assert (drawdown.scope, drawdown.limit, drawdown.used) == ("algo:crossover", "drawdown", 100.0)
    assert told(guarded.at(97.0)) == [("account:paper", "drawdown-all-time", "broken")]
    (loss,) = guarded.at(95.0)
    assert (loss.scope, loss.limit, round(loss.used, 2)) == ("platform", "daily-loss", 50.0 + cost)
    guarded.desk.now_us += DAY_US  # what is of the day holds again on the next
    assert sorted(told(guarded.at(95.0))) == [
        ("algo:crossover", "drawdown", "over"),
        ("platform", "daily-loss", "over"),
    ]
    assert guarded.desk.book.days["account:paper"].all_time_peak == pytest.approx(peak)


def test_percents_are_of_the_accounts_capital_and_need_one() -> None:
    guarded = Guarded()
    guarded.desk.hold(10, run="")  # persons are held to what is set for each algo too
    guarded.desk.book.take(limit("algo:*", "daily-loss", 1.0, unit="percent", action="stop"))
    assert guarded.at(50.0) == []
    guarded.desk.limits({("account:paper", "capital"): 40_000.0})
    (broken,) = guarded.at(50.0)
    assert (broken.scope, broken.value, broken.unit) == ("algo:-", 1.0, "percent")
    assert broken.used == pytest.approx(1.25, abs=0.01)
    assert "orders by hand: loss of the day is 1.25% of capital, 1% of capital is allowed" in broken.reason


def test_another_value_counts_at_once() -> None:
    guarded = Guarded()
    guarded.desk.limits({("algo:crossover", "money-at-risk"): 900.0})
    guarded.desk.hold(5)
    guarded.desk.market.set("NSE:INFY", 200.0)
    assert told(guarded.at(200.0)) == [("algo:crossover", "money-at-risk", "broken")]
    guarded.desk.limits({("algo:crossover", "money-at-risk"): 1010.0})
    assert told(guarded.at(200.0)) == [("algo:crossover", "money-at-risk", "over")]
    guarded.desk.limits({("algo:crossover", "money-at-risk"): 800.0})
    assert told(guarded.at(200.0)) == [("algo:crossover", "money-at-risk", "broken")]
    guarded.desk.book.take(limit("algo:crossover", "money-at-risk", 0.0, removed=True))
    (over,) = guarded.at(200.0)
    assert over.state == "over"
    assert over.reason == "algo crossover: there is no limit money-at-risk any more."


def test_who_lets_it_trade_again_breaks_it_again() -> None:
    guarded = Guarded()
    desk = guarded.desk
    desk.book.take(RiskState("algo:crossover", "ACTIVE", "me", NOW - S))  # long before
    desk.limits({("algo:crossover", "drawdown"): 50.0}, action="stop")
    desk.hold(10)
    (first,) = guarded.at(90.0)
    assert guarded.at(90.0) == []
    desk.book.take(RiskState("algo:crossover", "REDUCING", "risk", desk.now_us))
    assert guarded.at(91.0) == []
    desk.now_us += S
    desk.book.take(RiskState("algo:crossover", "ACTIVE", "me", desk.now_us))
    (second,) = guarded.at(91.0)
    assert second.id != first.id
    assert guarded.at(91.0) == []
    desk.limits({("algo:crossover", "drawdown"): 500.0}, action="stop")  # this is what is to be done first
    assert told(guarded.at(91.0)) == [("algo:crossover", "drawdown", "over")]


def test_old_prices_are_named() -> None:
    guarded = Guarded()
    guarded.desk.limits({("algo:crossover", "drawdown"): 50.0}, action="stop")
    guarded.desk.hold(10)
    guarded.desk.hold(10, instrument="NSE:TCS", run="other")
    guarded.at(100.0)
    for name in ("NSE:INFY", "NSE:TCS"):
        guarded.desk.market.set(name, 90.0, fresh=False)
    guarded.desk.now_us += S
    (broken,) = guarded.watch.mark(guarded.desk.now_us, {}).breaches
    assert broken.reason.endswith("nothing new may be opened (at old prices of NSE:INFY).")


def test_a_breach_stands_over_a_restart() -> None:
    guarded = Guarded()
    guarded.desk.limits({("algo:crossover/instrument:*", "daily-loss"): 50.0}, action="stop")
    guarded.desk.hold(10)
    assert told(guarded.at(90.0)) == [("algo:crossover/instrument:NSE:INFY", "daily-loss", "broken")]
    tables: dict[str, dict[str, bytes]] = {}
    for table, key, entry in guarded.desk.book.take_changes():
        if entry is not None:
            tables.setdefault(table, {})[key] = entry
    assert mark(Book.restore(tables), guarded.desk.market, guarded.desk.now_us, {}).breaches == []


VALUES = {
    "money-at-risk": 900.0, "notional": 900.0, "position": 9.0, "open-positions": 1.0, "orders-per-day": 1.0,
    "drawdown": 10.0, "daily-loss": 10.0, "drawdown-all-time": 10.0,
}  # fmt: skip
SCOPES = (
    "platform", "account:*", "account:paper", "algo:*", "algo:a", "instrument:*", "instrument:NSE:INFY",
    "algo:*/instrument:*", "algo:*/instrument:NSE:INFY", "algo:a/instrument:*", "algo:a/instrument:NSE:INFY",
)  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", VALUES)
def test_every_limit_breaks_at_every_scope(scope: str, name: str) -> None:
    guarded = Guarded()
    guarded.desk.hold(10, run="a")
    guarded.desk.hold(2, run="a", instrument="NSE:TCS")
    guarded.at(98.0)
    guarded.desk.limits({(scope, name): VALUES[name]}, action="warn")
    found = {breach.scope for breach in guarded.at(98.0)}
    named = scope.replace("account:*", "account:paper").replace("algo:*", "algo:a")
    if name in ("open-positions", "orders-per-day") and "instrument" in scope:
        assert found == set()  # these are not set for instruments
    else:
        assert found == {named.replace("instrument:*", "instrument:NSE:INFY")}


@settings(max_examples=100)
@given(
    st.sampled_from(["money-at-risk", "drawdown", "position"]),
    st.sampled_from(SCOPES),
    st.lists(st.sampled_from([80.0, 90.0, 95.0, 99.0, 100.0, 110.0]), min_size=1, max_size=12),
    st.integers(1, 4),
)
def test_breaches_come_in_pairs_and_say_the_truth(name: str, scope: str, prices: list[float], every: int) -> None:
    guarded = Guarded()
    value = {"money-at-risk": 950.0, "drawdown": 45.0, "position": 9.0}[name]
    guarded.desk.limits({(scope, name): value}, action="warn")
    guarded.desk.hold(10, run="a")
    guarded.desk.hold(-3, run="b", instrument="NSE:TCS")
    standing: dict[str, str] = {}
    for n, price in enumerate(prices):
        guarded.desk.market.set("NSE:TCS", 200.0 - price)
        if n % every:
            guarded.desk.market.set("NSE:INFY", price)
            continue
        for breach in guarded.at(price):
            if breach.state == "broken":
                assert breach.scope not in standing
                assert breach.used >= value
                standing[breach.scope] = breach.id
            else:
                assert standing.pop(breach.scope) == breach.id
                assert breach.used < value
    assert {scope for scope, _ in guarded.desk.book.breaches} == standing.keys()


# ---- what follows


def breach(scope: str, action: str) -> Breach:
    """A limit broke."""
    return Breach("b1", scope, "drawdown", 1.0, 2.0, "rupees", action, NOW, "why")  # type: ignore[arg-type]


def busy() -> Desk:
    """Two algos, a person and something that was bought by hand at the broker; in two accounts."""
    desk = Desk()
    desk.hold(10, run="a")
    desk.hold(10, run="b", account="live", trading="live", instrument="NSE:TCS")
    desk.ask(intent("p1", run="", kind="limit", instrument="NSE:TCS"))
    desk.hold(5, run="flat")
    desk.hold(-5, run="flat")
    by_hand = order_event(
        account="paper", order="ext-1", status="complete", instrument="NSE:INFY", side="buy", product="MIS",
        quantity=10, filled=10, average_price=100.0, at_us=NOW, run=EXTERNAL,
    )  # fmt: skip
    desk.book.take(by_hand)
    return desk


REDUCE_A, STOP_A = SetState("algo:a", "REDUCING", "why"), StopRuns(("a",), "why")


@pytest.mark.parametrize(
    ("scope", "action", "acts"),
    [
        ("algo:a", "warn", [Warn("why")]),
        ("platform", "block", [Warn("why")]),
        ("algo:a", "stop", [REDUCE_A, STOP_A]),
        ("algo:flat", "stop", [SetState("algo:flat", "REDUCING", "why"), StopRuns(("flat",), "why")]),
        ("algo:-", "stop", [SetState("algo:-", "REDUCING", "why")]),
        ("algo:a", "flatten", [REDUCE_A, STOP_A, Flatten("algo:a", "REDUCING", "why")]),
        ("algo:a", "halt", [SetState("algo:a", "HALTED", "why"), STOP_A]),
        ("platform", "stop", [SetState("platform", "REDUCING", "why"), StopRuns(("a", "b"), "why")]),
        (
            "account:paper",
            "flatten",
            [SetState("account:paper", "REDUCING", "why"), STOP_A, Flatten("account:paper", "REDUCING", "why")],
        ),
        ("account:live", "halt", [SetState("account:live", "HALTED", "why"), StopRuns(("b",), "why")]),
        (
            "instrument:NSE:TCS",
            "flatten",
            [
                SetState("algo:-", "REDUCING", "why"),
                SetState("algo:b", "REDUCING", "why"),
                StopRuns(("b",), "why"),
                Flatten("instrument:NSE:TCS", "REDUCING", "why"),
            ],
        ),
        ("algo:a/instrument:NSE:INFY", "stop", [REDUCE_A, STOP_A]),
        (f"algo:{EXTERNAL}", "flatten", [
            SetState(f"algo:{EXTERNAL}", "REDUCING", "why"), Flatten(f"algo:{EXTERNAL}", "REDUCING", "why"),
        ]),
    ],
)  # fmt: skip
def test_what_follows(scope: str, action: str, acts: list[Act]) -> None:
    assert actions(busy().book, breach(scope, action)) == acts


def test_a_stricter_state_stays() -> None:
    desk = busy()
    desk.book.take(RiskState("algo:a", "HALTED", "me", NOW))
    assert actions(desk.book, breach("algo:a", "stop")) == [STOP_A]
    assert actions(desk.book, breach("algo:a", "flatten")) == [STOP_A, Flatten("algo:a", "HALTED", "why")]
    desk.book.take(RiskState("algo:a", "REDUCING", "me", NOW))
    assert actions(desk.book, breach("algo:a", "stop")) == [STOP_A]
    assert actions(desk.book, breach("algo:a", "halt")) == [SetState("algo:a", "HALTED", "why"), STOP_A]


def test_nothing_happens_where_there_is_nothing() -> None:
    book, market = Book(), Bazaar()
    book.take(limit("algo:*", "drawdown", 1.0, action="halt"))
    book.take(limit("instrument:*", "money-at-risk", 0.0))
    assert mark(book, market, NOW, {}).breaches == []
