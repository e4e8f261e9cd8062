"""Positions are a function of the set of fills, whatever the order and repetition in which they are heard of."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.charges import charges
from schemas.order_state import OrderState, take, take_all
from schemas.orders import OrderEvent
from streams.positions import fold
from streams.positions.fold import (
    ADJUSTMENT,
    Holding,
    Holdings,
    Key,
    day_start,
    holding_of,
    key_of,
    parts_of,
    to_position,
)
from tests.unit.streams.positions.orders import DAY_US, KEY, OPEN_US, event, filled, retold, stories


@pytest.fixture(scope="module", autouse=True)
def _marks_are_near() -> Iterator[None]:
    """The stories are short: they shall meet marks too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold, "EVERY", 2)
        yield


def told_to(holdings: Holdings, events: list[OrderEvent]) -> dict[str, OrderState]:
    """Takes the events one by one, as the book does."""
    orders: dict[str, OrderState] = {}
    for each in events:
        before = orders.get(each.order)
        orders[each.order] = take(before, each)
        holdings.take(before, orders[each.order])
    return orders


def all_of(holdings: Holdings) -> dict[Key, Holding]:
    """What is held and was ever filled, by key."""
    return {holding.key: holding for holding in holdings if holding.orders}


def holdings_of(orders: dict[str, OrderState]) -> dict[Key, Holding]:
    """The same from scratch."""
    keys = {key_of(state) for state in orders.values() if state.filled}
    return {key: holding_of(key, orders.values()) for key in keys}


def test_average_cost_by_hand() -> None:
    bought = [filled("a", "buy", 100, 10.0), filled("b", "buy", 100, 12.0, OPEN_US + 1)]
    sold = [filled("c", "sell", 50, 15.0, OPEN_US + 2), filled("d", "sell", 250, 9.0, OPEN_US + 3)]
    long = holding_of(KEY, take_all(bought).values())
    assert (long.quantity, long.average_price, long.realised) == (200, 11.0, 0.0)
    after = holding_of(KEY, take_all([*bought, sold[0]]).values())
    assert (after.quantity, after.average_price, after.realised) == (150, 11.0, 200.0)
    short = holding_of(KEY, take_all([*bought, *sold]).values())  # 150 at a loss of 2, then 100 short at 9
    assert (short.quantity, short.average_price, short.realised) == (-100, 9.0, -100.0)
    assert (short.bought, short.sold, short.orders, short.at_us) == (200, 300, 4, OPEN_US + 3)
    assert short.open_value(8.0) == 100.0
    flat = holding_of(KEY, take_all([*bought, *sold, filled("e", "buy", 100, 9.5, OPEN_US + 4)]).values())
    assert (flat.quantity, flat.average_price, flat.realised) == (0, 0.0, -150.0)


def test_charges_are_by_order_and_not_by_fill() -> None:
    parts = [event("a", quantity=2000, filled=n * 500, average_price=100.0, at_us=OPEN_US + n) for n in (1, 2, 3, 4)]
    holding = holding_of(KEY, take_all(parts).values())
    whole = holding_of(KEY, take_all([filled("b", "buy", 2000, 100.0)]).values())
    assert holding.charges == pytest.approx(whole.charges)
    on = parts_of(take_all(parts)["a"])
    assert sum(part.charges for part in on) == pytest.approx(holding.charges)
    assert on[1].charges < on[0].charges  # the brokerage's cap was reached


@given(st.data())
def test_any_order_and_repetition_of_events_gives_the_same(data: st.DataObject) -> None:
    told = data.draw(stories())
    expected = holdings_of(take_all(told))
    holdings = Holdings()
    orders = told_to(holdings, data.draw(retold(told)))
    assert orders == take_all(told)
    assert all_of(holdings) == expected  # to the last bit


@given(stories())
def test_what_changed_is_told(told: list[OrderEvent]) -> None:
    holdings, orders, seen = Holdings(), {}, {}
    for each in told:
        before = orders.get(each.order)
        orders[each.order] = take(before, each)
        changed = holdings.take(before, orders[each.order])
        if changed:
            seen[changed.key] = changed
            assert holdings.get(changed.key) == changed
        assert [holding.key for holding in holdings.take_changed()] == ([changed.key] if changed else [])
        assert holdings.take(orders[each.order], orders[each.order]) is None
    assert seen == all_of(holdings)


@given(stories())
def test_the_parts_add_up_to_the_whole(told: list[OrderEvent]) -> None:
    orders = take_all(told)
    holdings = Holdings()
    told_to(holdings, told)
    bought, sold, paid = defaultdict(int), defaultdict(int), defaultdict(float)
    for state in orders.values():
        (bought if state.side == "buy" else sold)[key_of(state)] += state.filled
        paid[key_of(state)] += state.filled * state.average_price * (1 if state.side == "sell" else -1)
    for key, holding in all_of(holdings).items():
        assert (holding.bought, holding.sold) == (bought[key], sold[key])
        assert holding.quantity == bought[key] - sold[key]
        for price in (1.0, 100.0, 731.25):  # cash flow and what is held is worth, whatever the price
            profit = holding.realised + holding.open_value(price)
            assert profit == pytest.approx(paid[key] + holding.quantity * price, abs=1e-6)
        assert holding.sold_value - holding.bought_value == pytest.approx(paid[key])
    assert sum(h.quantity for h in holdings) == sum(bought.values()) - sum(sold.values())


@given(stories(most=5))
def test_the_same_as_with_exact_numbers(told: list[OrderEvent]) -> None:
    """An oracle that keeps the average as a fraction and knows nothing of the fold's arithmetic."""
    orders = take_all(told)
    for key, holding in holdings_of(orders).items():
        states = [state for state in orders.values() if key_of(state) == key]
        held, cost, realised = 0, Fraction(0), Fraction(0)  # cost: of what is held, negative when short
        for part in sorted(part for state in states for part in parts_of(state)):
            price = Fraction(part.value) / abs(part.quantity)
            for _ in range(abs(part.quantity)):  # share by share
                step = 1 if part.quantity > 0 else -1
                if held * step < 0:
                    average = cost / held
                    realised += (price - average) * -step
                    cost += average * step
                else:
                    cost += price * step
                held += step
        assert holding.quantity == held
        assert holding.realised == pytest.approx(float(realised), abs=1e-6)
        assert holding.quantity * holding.average_price == pytest.approx(float(cost), abs=1e-6)


@given(st.data())
def test_settling_keeps_quantities_money_and_charges(data: st.DataObject) -> None:
    told = data.draw(retold(data.draw(stories(days=3))))
    expected = holdings_of(take_all(told))
    holdings, orders = Holdings(), {}
    for each in told:
        before = orders.get(each.order)
        orders[each.order] = take(before, each)
        holdings.take(before, orders[each.order])
        if data.draw(st.integers(0, 3)) == 0:
            holdings.settle(OPEN_US + data.draw(st.integers(0, 3)) * DAY_US)
    found = all_of(holdings)
    assert found.keys() == expected.keys()
    for key, holding in found.items():
        other = expected[key]
        assert holding.quantity == other.quantity
        assert (holding.bought, holding.sold, holding.orders) == (other.bought, other.sold, other.orders)
        worth = holding.realised + holding.open_value(100.0)
        assert worth == pytest.approx(other.realised + other.open_value(100.0), abs=1e-6)


@given(stories(days=3, in_order=True))
def test_settled_in_time_nothing_changes_at_all(told: list[OrderEvent]) -> None:
    told = sorted(told, key=lambda each: each.at_us)
    expected = holdings_of(take_all(told))
    holdings, orders = Holdings(), {}
    for each in told:
        before = orders.get(each.order)
        orders[each.order] = take(before, each)
        holdings.take(before, orders[each.order])
        holdings.settle(day_start(each.at_us))
    assert all_of(holdings) == expected


@given(st.data())
def test_restored_it_is_the_same_and_goes_on_the_same(data: st.DataObject) -> None:
    told = data.draw(stories(days=3))
    until = data.draw(st.integers(0, len(told)))
    first = Holdings()
    orders = told_to(first, told[:until])
    first.settle(OPEN_US + DAY_US)
    forgotten = [s for s in orders.values() if s.progress and not s.is_live and s.progress[-1].at_us < OPEN_US + DAY_US]
    settled = [s for s in forgotten if all(step.at_us < OPEN_US + DAY_US for step in s.progress)]
    gone = {state.order for state in settled if data.draw(st.booleans())}
    for state in settled:
        if state.order in gone:
            first.forget(state)
    kept = {order: state for order, state in orders.items() if order not in gone}
    bases = first.take_bases()
    second = Holdings.restore(data.draw(st.permutations(bases)), data.draw(st.permutations(list(kept.values()))))
    assert all_of(second) == all_of(first)
    assert second.take_bases() == []
    assert second.take_changed() == []
    for each in [each for each in told[until:] if each.order not in gone]:
        before = kept.get(each.order)
        kept[each.order] = take(before, each)
        assert first.take(before, kept[each.order]) == second.take(before, kept[each.order])
    assert all_of(second) == all_of(first)
    first.settle(OPEN_US + 2 * DAY_US)
    second.settle(OPEN_US + 2 * DAY_US)
    assert {b.holding.key: b for b in first.take_bases()} == {b.holding.key: b for b in second.take_bases()}


def test_the_day_begins_with_what_was_carried() -> None:
    holdings = Holdings()
    tuesday = day_start(OPEN_US + DAY_US)
    assert tuesday % DAY_US == DAY_US - 5.5 * 3_600_000_000  # India's midnight
    told_to(holdings, [filled("a", "buy", 100, 10.0), filled("b", "sell", 40, 13.0, OPEN_US + DAY_US)])
    day = holdings.day_part(KEY, tuesday)
    assert (day.realised, day.carried, day.carried_price) == (120.0, 100, 10.0)
    profit_at_14 = day.realised + holdings.get(KEY).open_value(14.0) - day.carried * (11.0 - day.carried_price)
    assert profit_at_14 == 120.0 + 60 * 4 - 100  # opened at 11: 40 sold at 13, 60 now at 14
    assert day.charges == pytest.approx(charges("NSE:INFY", "MIS", "sell", 40, 13.0, date(2026, 1, 20)).total)
    # a fill of Monday that is heard of late is Monday's
    orders = told_to(holdings, [filled("c", "buy", 10, 21.0, OPEN_US + 5)])
    assert orders
    assert holdings.day_part(KEY, tuesday).carried == 110
    assert holdings.day_part(KEY, tuesday).carried_price == 11.0
    assert holdings.day_part(("paper", "nobody", "NSE:INFY", "MIS"), tuesday).carried == 0


@given(stories(days=3))
def test_a_day_is_what_lies_between_its_begin_and_its_end(told: list[OrderEvent]) -> None:
    holdings = Holdings()
    orders = told_to(holdings, told)
    for number in range(3):
        start = day_start(OPEN_US + number * DAY_US)
        for key in all_of(holdings):
            earlier = [p for s in orders.values() if key_of(s) == key for p in parts_of(s) if p.at_us < start]
            assert holdings.day_start(key, start).quantity == sum(part.quantity for part in earlier)
            assert holdings.day_start(key, start).charges == pytest.approx(sum(part.charges for part in earlier))


def test_what_is_forgotten_stays_counted() -> None:
    holdings = Holdings()
    orders = told_to(holdings, [filled("a", "buy", 100, 10.0), filled("b", "sell", 40, 13.0, OPEN_US + DAY_US)])
    before = holdings.get(KEY)
    holdings.forget(orders["a"])  # although it was not settled yet
    holdings.forget(orders["a"])
    assert holdings.get(KEY) == before
    assert Holdings.restore(holdings.take_bases(), [orders["b"]]).get(KEY) == before


def test_an_order_that_turns_out_to_be_anothers_moves() -> None:
    holdings = Holdings()
    told_to(holdings, [filled("a", "buy", 10, 5.0, run=""), filled("a", "buy", 10, 5.0, run="alpha")])
    assert holdings.get(("paper", "", "NSE:INFY", "MIS")).quantity == 0
    assert holdings.get(KEY).quantity == 10
    assert {holding.key for holding in holdings.take_changed()} == {KEY, ("paper", "", "NSE:INFY", "MIS")}


def test_nothing_is_charged_for_a_booking() -> None:
    state = take_all([filled(f"{ADJUSTMENT}1", "buy", 10, 5.0)])[f"{ADJUSTMENT}1"]
    assert holding_of(KEY, [state]).charges == 0.0


def test_indexes_and_record() -> None:
    holdings = Holdings()
    others = filled("b", "sell", 3, 5.0, run="beta"), filled("c", "buy", 1, 5.0, account="live")
    told = [filled("a", "buy", 10, 5.0), *others]
    told_to(holdings, told)
    assert [holding.quantity for holding in holdings.of_run("paper", "alpha")] == [10]
    assert sorted(holding.quantity for holding in holdings.of_instrument("paper", "NSE:INFY")) == [-3, 10]
    assert len(holdings) == 3
    record = to_position(holdings.get(KEY))
    assert (record.account, record.run, record.instrument, record.product, record.quantity) == (*KEY, 10)


def test_fills_that_are_heard_of_late_cost_what_comes_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [
        take(None, filled(f"o{n}", ("buy", "sell")[n % 2], 1, 100.0 + n % 7, OPEN_US + n * 1000)) for n in range(4000)
    ]
    late = sorted(orders, key=lambda state: int(state.order[1:]) + random.Random(state.order).uniform(0, 20))
    added, adds = fold.add, [0]

    def counted(holding: Holding, part: fold.Part) -> Holding:
        adds[0] += 1
        return added(holding, part)

    monkeypatch.setattr(fold, "add", counted)
    holdings = Holdings()
    for state in late:
        holdings.take(None, state)
    shuffled = random.Random(1).sample(orders, len(orders))
    again = Holdings.restore((), shuffled)
    assert adds[0] < 30 * len(orders)
    assert holdings.get(KEY) == again.get(KEY) == holding_of(KEY, orders)
