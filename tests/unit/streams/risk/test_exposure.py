"""Money at risk is never less than what any fills of the pending orders, all or in part, would leave at risk."""

from __future__ import annotations

from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from streams.risk.exposure import NOTHING, Exposure, Working, exposure

PRICE = 100.0


@st.composite
def workings(draw: st.DrawFn) -> Working:
    """An order of at most two shares: whatever can be pending."""
    side, quantity = draw(st.sampled_from(("buy", "sell"))), draw(st.integers(1, 2))
    buys = side == "buy"
    dearest = draw(st.sampled_from((0.0, 90.0, 104.0, 110.0))) if buys else 0.0
    slip = draw(st.sampled_from((0.0, 0.05))) if buys and not dearest else 0.0
    if not draw(st.booleans()):
        return Working(side, quantity, dearest, slip)
    stop = draw(st.sampled_from((80.0, 95.0, 99.0, 100.0, 102.0, 120.0)))
    return Working(side, quantity, dearest, slip, stop, draw(st.integers(0, quantity)), draw(st.booleans()))


def at_most(held: int, orders: list[Working], price: float, adverse: float) -> float:
    """What is at risk after the worst of all fills, unit by unit, each stop with the unit that makes it worst."""
    return max(
        after(held, list(zip(orders, filled, strict=True)), price, adverse / 100.0)
        for filled in product(*(range(order.quantity + 1) for order in orders))
    )


def after(held: int, orders: list[tuple[Working, int]], price: float, fraction: float) -> float:
    """What is at risk when so much of each order was filled: the rest of the stops cover, the other orders are gone."""
    quantity = held + sum(filled if order.side == "buy" else -filled for order, filled in orders)
    if quantity == 0:
        return 0.0
    long = quantity > 0
    paid = [
        max(price * (1 + order.slip), order.ceiling) for order, n in orders if order.side == "buy" for _ in range(n)
    ]
    units = sorted(paid, reverse=True)[:quantity] if long else []
    units += [price] * (abs(quantity) - len(units))
    stops = [
        order.stop
        for order, filled in orders
        if order.side == ("sell" if long else "buy") and not (order.limited and _beyond(order, price))
        for _ in range(order.cover - filled)
    ]
    stops = sorted(stops, reverse=not long)[: len(units)]  # the farthest
    return max(
        sum(max(0.0, (unit - stop) * (1 if long else -1)) for unit, stop in zip(sorted(chosen), ends, strict=True))
        + fraction * (sum(units) - sum(chosen))
        for chosen in set(combinations(units, len(stops)))
        for ends in (sorted(stops, reverse=True), sorted(stops))
    )


def _beyond(order: Working, price: float) -> bool:
    return price < order.stop if order.side == "sell" else price > order.stop


@given(st.integers(-3, 3), st.lists(workings(), max_size=4), st.sampled_from((2.0, 30.0, 100.0, 150.0)))
def test_it_is_never_less_than_what_any_fills_would_leave(held: int, orders: list[Working], adverse: float) -> None:
    found = exposure(held, orders, PRICE, adverse)
    worst = at_most(held, orders, PRICE, adverse)
    assert found.money_at_risk >= worst - 1e-6
    if all(order.ceiling <= PRICE and not order.slip for order in orders):
        assert abs(found.money_at_risk - worst) < 1e-6, "and no more than that, when nothing may be bought dearer"


@given(st.integers(-3, 3), st.lists(workings(), max_size=4))
def test_quantities_and_values_are_those_of_the_larger_extreme(held: int, orders: list[Working]) -> None:
    found = exposure(held, orders, PRICE)
    reached = [
        held + sum(n if order.side == "buy" else -n for order, n in zip(orders, filled, strict=True))
        for filled in product(*(range(order.quantity + 1) for order in orders))
    ]
    assert found.position == max(map(abs, reached))
    assert found.notional >= found.position * PRICE
    assert found.pending_buy + found.pending_sell == sum(order.quantity for order in orders)
    assert found.covered <= abs(held)


@given(st.integers(-3, 3), st.lists(workings(), max_size=3), workings())
def test_one_more_order_that_covers_nothing_never_lowers_it(held: int, orders: list[Working], more: Working) -> None:
    bare = Working(more.side, more.quantity, more.ceiling, more.slip)
    before, now = exposure(held, orders, PRICE), exposure(held, [*orders, bare], PRICE)
    assert now.money_at_risk >= before.money_at_risk - 1e-6
    assert now.notional >= before.notional - 1e-6
    assert now.position >= before.position


def test_nothing_held_and_nothing_pending_is_nothing() -> None:
    assert exposure(0, [], PRICE) == NOTHING == Exposure()
    assert not NOTHING.is_open
    assert exposure(1, [], PRICE).is_open
    assert exposure(0, [Working("sell", 1)], PRICE).is_open
