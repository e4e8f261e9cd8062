"""Live orders of the same terms counted together: whatever is put in and taken out, they count as one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.orders import Side
from streams.risk.exposure import Working, exposure
from streams.risk.workings import Workings

PRICE = 100.0


@st.composite
def a_working(draw: st.DrawFn) -> Working:
    side: Side = "buy" if draw(st.booleans()) else "sell"
    ceiling = draw(st.sampled_from((0.0, 99.0, 101.5))) if side == "buy" else 0.0
    cover = draw(st.integers(0, 5))
    stop = draw(st.sampled_from((97.5, 99.0, 100.0, 103.0))) if cover else 0.0
    return Working(side, draw(st.integers(1, 9)), ceiling, 0.0, stop, cover, bool(stop) and draw(st.booleans()))


STEPS = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | a_working()), max_size=20)


@given(STEPS, st.sampled_from("abcde"), st.none() | a_working(), st.integers(-9, 9), st.sampled_from((3.0, 100.0)))
def test_together_they_are_at_risk_as_one_by_one(
    steps: list[tuple[str, Working | None]], changed: str, to: Working | None, held: int, adverse: float
) -> None:
    together, one_by_one = Workings(), dict[str, Working]()
    for id_, working in steps:
        together.put(id_, working)
        one_by_one.pop(id_, None)
        if working is not None:
            one_by_one[id_] = working
    told = together.told()
    assert bool(told) == bool(one_by_one)
    assert len({(w.side, w.ceiling, w.slip, w.stop, w.limited) for w in told}) == len(told) <= len(one_by_one)
    _same(exposure(held, told, PRICE, adverse), exposure(held, one_by_one.values(), PRICE, adverse))
    instead = {id_: w for id_, w in one_by_one.items() if id_ != changed} | ({changed: to} if to else {})
    _same(
        exposure(held, together.instead(changed, to), PRICE, adverse),
        exposure(held, instead.values(), PRICE, adverse),
    )


def _same(found: object, expected: object) -> None:
    fields = ("money_at_risk", "covered", "pending_buy", "pending_sell", "notional", "position")
    assert [getattr(found, f) for f in fields] == pytest.approx([getattr(expected, f) for f in fields])


def test_a_grid_has_as_many_as_it_has_prices() -> None:
    grid = Workings()
    for number in range(1000):
        grid.put(f"o{number}", Working("buy", 1, 90.0 + number % 10))
    assert sorted(w.ceiling for w in grid.told()) == [90.0 + n for n in range(10)]
    assert {w.quantity for w in grid.told()} == {100}
