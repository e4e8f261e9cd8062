"""What risk says: races, what reduces, changes at their worst, states, and what passes whatever else is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.order_state import order_event
from schemas.orders import EXTERNAL, OrderIntent, PositionDifference
from schemas.risk import Breach, RiskState
from streams.risk.day import Day, trading_day
from streams.risk.market import Quote
from tests.unit.streams.risk.build import FUTURE, INFY, NOW, TCS, Desk, S, intent, limit

ALGO = "algo:crossover"


def test_of_two_that_race_for_the_last_of_a_budget_one_ends_with_it() -> None:
    desk = Desk()
    desk.limits({("account:paper", "money-at-risk"): 1500.0})
    first, second = desk.ask(intent("a1", run="one")), desk.ask(intent("a2", run="two"))
    assert (first.approved, second.approved) == (True, False)
    assert desk.ask(intent("a3", run="two", quantity=5)).approved, "there is room for so much"
    desk.hear("a1", "rejected")
    assert desk.ask(intent("a4", run="two", quantity=10)).approved, "what was rejected gives its room back"


def test_what_was_left_open_is_filled_in() -> None:
    desk = Desk()
    assert desk.ask(intent("a1")).intent.product == "MIS"
    assert desk.ask(intent("a2", instrument=FUTURE.instrument, quantity=75)).intent.product == "NRML"
    placed = desk.ask(intent("a3", kind="stop-limit", side="sell", trigger=95.0, price=94.0)).intent
    changed = desk.ask(
        replace(placed, id="m1", action="modify", order="a3", quantity=0, price=0.0, trigger=96.0, product="")
    )
    assert (changed.intent.quantity, changed.intent.price, changed.intent.trigger) == (10, 94.0, 96.0)
    cancel = desk.ask(intent("c1", action="cancel", order="a3", instrument="", quantity=0, side="buy"))
    assert (cancel.intent.instrument, cancel.intent.side, cancel.intent.quantity) == (INFY.instrument, "sell", 10)


def test_the_verdict_tells_the_price_it_was_reckoned_with() -> None:
    desk = Desk()
    desk.market.set("NSE:INFY", 123.45)
    assert desk.ask(intent("a1")).price == 123.45
    assert desk.ask(intent("a2", quantity=-1)).price == 123.45


def test_cancels_of_live_orders_pass_whatever_else_is_wrong() -> None:
    desk = Desk()
    for id_ in ("a1", "a2", "a3"):
        assert desk.ask(intent(id_)).approved
    desk.limits({("platform", "orders-per-day"): 0, ("platform", "orders-per-second"): 0})
    desk.holds = {"platform": "HALTED"}
    desk.book.take(PositionDifference("d", "paper", INFY.instrument, "MIS", 10, 20, "found", NOW))
    desk.market.quotes.clear()
    desk.market.instruments.clear()
    desk.now_us += 12 * 3600 * S
    assert desk.ask(intent("c1", action="cancel", order="a1", valid_s=0.0)).approved
    assert desk.ask(intent("c2", action="cancel", order="a2", run="")).approved, "a person may cancel all"
    assert desk.ask(intent("c3", action="cancel", order="a2")).approved, "again: nothing was heard of the first"
    assert not desk.ask(intent("n1")).approved


class TestWhatReduces:
    def desk(self, held: int = 10) -> Desk:
        desk = Desk()
        desk.hold(held)
        desk.now_us += 2 * S
        return desk

    def test_it_passes_limits_that_are_broken(self) -> None:
        desk = self.desk()
        names = ("money-at-risk", "notional", "position", "open-positions", "quantity", "orders-per-day")
        desk.limits({(scope, name): 0 for scope in ("platform", "account:*", ALGO) for name in names})
        desk.limits({(ALGO, name): 100.0 for name in ("drawdown", "daily-loss", "drawdown-all-time")}, unit="percent")
        desk.book.put_breach(Breach("b", ALGO, "drawdown", 1.0, 2.0, "rupees", "stop", NOW, ""))
        assert not desk.ask(intent("a1", quantity=1)).approved
        assert desk.ask(intent("a2", side="sell", quantity=6)).approved
        assert desk.ask(intent("a3", side="sell", quantity=4)).approved
        refused = desk.ask(intent("a4", side="sell", quantity=1))
        assert not refused.approved, "all of it is on its way out already"

    def test_it_is_its_own_runs_position_in_the_product_that_counts(self) -> None:
        desk = self.desk()
        desk.holds = {"account:paper": "REDUCING"}
        for more in (
            {"run": "other"},
            {"run": ""},
            {"product": "CNC"},
            {"instrument": TCS.instrument},
            {"side": "buy"},
        ):
            assert desk.ask(intent(f"b{len(desk.log)}", **{"side": "sell", "quantity": 5, **more})).code == "REDUCING"
        assert desk.ask(intent("a1", side="sell", quantity=11)).code == "REDUCING", "it would end short"
        assert desk.ask(intent("a2", side="sell", quantity=10)).approved

    def test_a_short_position_is_reduced_by_buying(self) -> None:
        desk = self.desk(-10)
        desk.holds = {ALGO: "REDUCING"}
        assert desk.ask(intent("a1", side="sell", quantity=1)).code == "REDUCING"
        assert desk.ask(intent("a2", quantity=10)).approved
        assert desk.ask(intent("a3", quantity=1)).code == "REDUCING"

    def test_an_old_price_will_do_and_for_a_market_order_none(self) -> None:
        desk = self.desk()
        desk.limits({("platform", "price-band"): 5.0})
        desk.market.set("NSE:INFY", 100.0, fresh=False)
        assert desk.ask(intent("a1", quantity=1)).code == "STALE_PRICE"
        assert desk.ask(intent("a2", side="sell", quantity=1)).approved
        del desk.market.quotes["NSE:INFY"]
        assert desk.ask(intent("a3", quantity=1)).code == "NO_PRICE"
        assert desk.ask(intent("a4", side="sell", quantity=1)).approved
        assert desk.ask(intent("a5", side="sell", quantity=1, kind="limit")).code == "NO_PRICE", "the band needs one"
        assert desk.ask(intent("a6", side="sell", quantity=1, kind="stop", trigger=95.0)).code == "NO_PRICE"

    def test_the_paces_and_bands_hold_it_too(self) -> None:
        desk = self.desk()
        desk.limits({("platform", "orders-per-second"): 1, ("platform", "price-band"): 5.0})
        assert desk.ask(intent("a1", side="sell", quantity=1)).approved
        assert desk.ask(intent("a2", side="sell", quantity=1)).code == "LIMIT_ORDERS_PER_SECOND"
        desk.now_us += S
        refused = desk.ask(intent("a3", side="sell", quantity=1, kind="limit", price=90.0))
        assert refused.code == "LIMIT_PRICE_BAND"

    def test_a_stop_that_is_moved_away_does_not(self) -> None:
        desk = self.desk()
        assert desk.ask(intent("s1", side="sell", kind="stop", trigger=98.0)).approved
        desk.hear("s1", "trigger-pending")
        desk.holds = {ALGO: "REDUCING"}
        change = intent("m1", action="modify", order="s1", side="sell", kind="stop", quantity=0)
        assert desk.ask(replace(change, trigger=97.0)).code == "REDUCING"
        assert desk.ask(replace(change, id="m2", trigger=99.0)).approved

    def test_by_hand_at_the_broker(self) -> None:
        desk = Desk()
        desk.book.take(
            order_event(
                account="paper", order="ext-1", status="complete", instrument=INFY.instrument, side="buy",
                product="CNC", quantity=10, filled=10, average_price=100.0, at_us=NOW, run=EXTERNAL,
            )
        )  # fmt: skip
        sell = intent("a1", run=EXTERNAL, side="sell", product="CNC")
        assert desk.ask(replace(sell, quantity=11)).code == "BAD_RUN"
        assert desk.ask(replace(sell, id="a2")).approved


class TestDifferences:
    def test_the_account_takes_nothing_new_until_it_is_accepted(self) -> None:
        desk = Desk()
        desk.hold(10)
        desk.hold(10, instrument=TCS.instrument)
        found = PositionDifference("d", "paper", TCS.instrument, "MIS", 10, 7, "found", NOW)
        desk.book.take(found)
        assert desk.ask(intent("a1")).code == "DIFFERENCE"
        assert desk.ask(intent("a2", side="sell", quantity=5)).approved, "what is held of INFY is agreed on"
        assert desk.ask(intent("a3", side="sell", quantity=5, instrument=TCS.instrument)).code == "DIFFERENCE"
        assert desk.ask(intent("a4", account="live", trading="live")).approved
        desk.book.take(replace(found, state="accepted"))
        assert desk.ask(intent("a5")).approved


class TestStates:
    def test_the_strictest_of_brake_and_states_counts(self) -> None:
        desk = Desk()
        desk.hold(10)
        desk.book.take(RiskState(ALGO, "REDUCING", "asha", NOW))
        assert desk.ask(intent("a1")).code == "REDUCING"
        desk.holds = {"account:paper": "HALTED"}
        assert desk.ask(intent("a2", side="sell")).code == "HALTED"
        assert desk.ask(intent("a3", run="other")).code == "HALTED"
        assert desk.ask(intent("a4", account="live", trading="live", run="other")).approved
        desk.holds = {}
        desk.book.take(RiskState(ALGO, "ACTIVE", "asha", NOW))
        assert desk.ask(intent("a5")).approved

    def test_a_modify_by_a_person_is_of_the_algo(self) -> None:
        desk = Desk()
        assert desk.ask(intent("o1", kind="limit", price=99.0)).approved
        desk.holds = {ALGO: "HALTED"}
        change = intent("m1", action="modify", order="o1", kind="limit", price=98.0, quantity=0, run="")
        assert desk.ask(change).code == "HALTED"


class TestModify:
    def desk(self) -> Desk:
        desk = Desk()
        assert desk.ask(intent("o1", kind="limit", price=100.0)).approved
        desk.hear("o1", "open")
        return desk

    def change(self, id_: str, **fields: Any) -> OrderIntent:
        same: dict[str, Any] = {"price": 0.0, "quantity": 0}
        return intent(id_, action="modify", order="o1", kind="limit", **{**same, **fields})

    def test_the_larger_counts_until_it_is_answered(self) -> None:
        desk = self.desk()
        desk.limits({(ALGO, "position"): 20})
        assert desk.ask(self.change("m1", quantity=21)).code == "LIMIT_POSITION"
        assert desk.ask(self.change("m2", quantity=15)).approved
        assert desk.ask(intent("a1", quantity=6)).code == "LIMIT_POSITION"
        assert desk.ask(intent("a2", quantity=5)).approved
        desk.hear("o1", "open", intent="m2", failed=True)
        assert desk.ask(intent("a3", quantity=5)).approved, "it was not done"

    def test_the_old_counts_until_it_is_answered(self) -> None:
        desk = self.desk()
        desk.limits({(ALGO, "position"): 20})
        assert desk.ask(self.change("m1", quantity=2)).approved
        assert desk.ask(intent("a1", quantity=11)).code == "LIMIT_POSITION"
        desk.hear("o1", "unknown", intent="m1")
        assert desk.ask(intent("a2", quantity=11)).code == "LIMIT_POSITION", "not to know is no answer"
        desk.hear("o1", "open", intent="m1", quantity=2, revision=1)
        assert desk.ask(intent("a3", quantity=18)).approved

    def test_a_modify_of_a_part_that_is_filled(self) -> None:
        desk = self.desk()
        desk.fill("o1", 4)
        desk.limits({(ALGO, "position"): 10})
        assert desk.ask(self.change("m1", quantity=11)).code == "LIMIT_POSITION"
        assert desk.ask(self.change("m2", quantity=5)).approved

    def test_of_a_single_order_only_what_grows_is_refused(self) -> None:
        desk = self.desk()
        desk.limits({(ALGO, "quantity"): 5})
        assert desk.ask(self.change("m1", quantity=11)).code == "LIMIT_QUANTITY"
        assert desk.ask(self.change("m2", quantity=9)).approved

    def test_a_stop_that_went_off_may_have_its_limit_changed(self) -> None:
        desk = Desk()
        assert desk.ask(intent("o1", kind="stop-limit", trigger=101.0, price=102.0)).approved
        desk.hear("o1", "open")
        desk.market.set("NSE:INFY", 103.0)
        change = intent("m1", action="modify", order="o1", kind="stop-limit", price=104.0, quantity=0)
        assert desk.ask(change).approved


class TestStops:
    def test_they_cover_from_when_the_broker_has_them(self) -> None:
        desk = Desk()
        desk.limits({(ALGO, "money-at-risk"): 1500.0})
        desk.hold(10)
        stop = intent("s1", side="sell", kind="stop", trigger=95.0)
        assert desk.ask(stop).approved
        assert desk.ask(intent("a1", quantity=6)).code == "LIMIT_MONEY_AT_RISK"
        desk.hear("s1", "trigger-pending")
        assert desk.ask(intent("a2", quantity=10)).approved, "10 × 5 and 10 × 100"
        desk.hear("s1", "open")
        assert desk.ask(intent("a3", quantity=1)).code == "LIMIT_MONEY_AT_RISK", "it went off"


class TestLosses:
    def test_the_last_numbers_of_the_day_count_before_a_breach_is_told(self) -> None:
        desk = Desk()
        desk.limits({("account:paper", "capital"): 100000.0})
        desk.book.take(limit(ALGO, "daily-loss", 1.0, unit="percent", action="warn"))
        day = Day(ALGO, trading_day(NOW), realised=-900.0, open=-150.0, charges=50.0)
        desk.book.put_day(day)
        assert desk.ask(intent("a1")).approved, "a warning refuses nothing"
        desk.book.take(limit(ALGO, "daily-loss", 1.0, unit="percent", action="stop"))
        refused = desk.ask(intent("a2"))
        assert refused.numbers == {"value": 1000.0, "used": 1100.0, "wanted": 1100.0}
        desk.book.put_day(replace(day, day="2026-05-29"))
        assert desk.ask(intent("a3")).approved, "that was another day"

    def test_a_percentage_needs_capital(self) -> None:
        desk = Desk()
        desk.book.take(limit("platform", "drawdown", 2.0, unit="percent", action="stop"))
        assert desk.ask(intent("a1")).code == "NO_CAPITAL"
        desk.limits({("platform", "capital"): 100000.0})
        assert desk.ask(intent("a2")).approved


class TestScopes:
    def test_the_limit_with_the_name_takes_the_place_of_that_for_each(self) -> None:
        desk = Desk()
        desk.limits({("algo:*", "quantity"): 5, ("algo:crossover", "quantity"): 20})
        assert desk.ask(intent("a1")).approved
        assert desk.ask(intent("a2", run="other")).code == "LIMIT_QUANTITY"
        desk.limits({("algo:crossover/instrument:*", "quantity"): 4})
        assert desk.ask(intent("a3")).limit == "algo:crossover/instrument:NSE:INFY quantity"
        desk.limits({("algo:crossover/instrument:NSE:INFY", "quantity"): 10})
        assert desk.ask(intent("a4")).approved
        desk.book.take(limit("algo:crossover/instrument:NSE:INFY", "quantity", 10, removed=True))
        assert not desk.ask(intent("a5")).approved

    def test_for_each_is_for_each_by_itself(self) -> None:
        desk = Desk()
        desk.limits({("algo:*", "money-at-risk"): 1000.0, ("algo:*/instrument:*", "position"): 10})
        assert desk.ask(intent("a1", run="one")).approved
        assert desk.ask(intent("a2", run="two")).approved
        assert not desk.ask(intent("a3", run="two", quantity=1)).approved

    def test_what_is_placed_by_hand_counts_in_account_instrument_and_platform(self) -> None:
        desk = Desk()
        desk.book.take(
            order_event(
                account="paper", order="ext-1", status="open", instrument=INFY.instrument, side="buy", product="CNC",
                quantity=10, filled=4, average_price=100.0, at_us=NOW, run=EXTERNAL, kind="limit", price=100.0,
            )
        )  # fmt: skip
        for scope in ("platform", "account:paper", "instrument:NSE:INFY"):
            desk.limits({(scope, "money-at-risk"): 1500.0})
            refused = desk.ask(intent(f"a{len(desk.log)}"))
            assert (refused.limit, refused.numbers["used"]) == (f"{scope} money-at-risk", 1000.0)
            desk.book.take(limit(scope, "money-at-risk", 0, removed=True))
        assert desk.ask(intent("b1")).approved

    def test_instruments_are_counted_once_in_each_scope(self) -> None:
        desk = Desk()
        desk.limits({("account:paper", "open-positions"): 1})
        assert desk.ask(intent("a1", run="one")).approved
        assert desk.ask(intent("a2", run="two")).approved, "the same instrument"
        assert desk.ask(intent("a3", run="two", instrument=TCS.instrument)).code == "LIMIT_OPEN_POSITIONS"
        assert desk.ask(intent("a4", run="two", instrument=TCS.instrument, account="live", trading="live")).approved
        desk.hear("a1", "rejected")
        desk.hear("a2", "cancelled")
        assert desk.ask(intent("a5", run="two", instrument=TCS.instrument)).approved


class TestAdverseMove:
    def test_the_narrowest_scope_counts(self) -> None:
        desk = Desk()
        desk.limits({(ALGO, "adverse-move"): 10.0, (ALGO, "money-at-risk"): 350.0}, unit="percent")
        desk.book.take(limit(ALGO, "money-at-risk", 350.0))
        assert desk.ask(intent("a1")).approved, "100 at risk"
        assert desk.ask(intent("a2", instrument=TCS.instrument)).approved, "200"
        desk.limits({("algo:crossover/instrument:NSE:INFY", "adverse-move"): 30.0})
        refused = desk.ask(intent("a3", instrument=TCS.instrument))
        assert refused.numbers == {"value": 350.0, "used": 400.0, "wanted": 500.0}


class TestPrices:
    def test_of_others_the_last_that_were_looked_at_count(self) -> None:
        desk = Desk()
        desk.limits({("platform", "money-at-risk"): 2500.0})
        assert desk.ask(intent("a1", instrument=TCS.instrument)).approved
        desk.market.set(TCS.instrument, 160.0)
        assert desk.ask(intent("a2", quantity=1)).approved
        desk.book.sums.reprice(desk.market)
        refused = desk.ask(intent("a3"))
        assert refused.numbers == {"value": 2500.0, "used": 1700.0, "wanted": 2700.0}

    def test_of_what_was_placed_by_hand_without_any_price_nothing_can_be_said(self) -> None:
        desk = Desk()
        hand = order_event(
            account="paper", order="ext-1", status="open", instrument="NSE:SBIN", side="buy", product="CNC",
            quantity=10, filled=0, average_price=0.0, at_us=NOW, run=EXTERNAL,
        )  # fmt: skip
        desk.book.take(hand)
        desk.limits({("account:paper", "money-at-risk"): 5000.0})
        assert desk.ask(intent("a1")).code == "NO_PRICE"
        assert desk.ask(intent("a2", account="live", trading="live")).approved
        desk.market.quotes["NSE:SBIN"] = Quote(100.0, NOW)
        desk.book.sums.reprice(desk.market)
        assert desk.ask(intent("a3")).approved


@pytest.mark.parametrize("name", ["orders-per-second", "orders-per-day"])
def test_a_limit_on_orders_is_each_scopes_own(name: str) -> None:
    desk = Desk()
    desk.limits({("algo:*", name): 2})
    assert [desk.ask(intent(f"a{n}")).approved for n in range(3)] == [True, True, False]
    assert desk.ask(intent("b1", run="other")).approved
    assert desk.ask(intent("c1", action="cancel", order="a1")).approved
    desk.now_us += S
    later = desk.ask(intent("a9", at_us=desk.now_us))
    assert later.approved is (name == "orders-per-second")
    desk.now_us += 24 * 3600 * S
    assert desk.ask(intent("a10", at_us=desk.now_us)).approved
