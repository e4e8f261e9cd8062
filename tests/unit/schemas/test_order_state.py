"""An order's state: a join of what is said of it."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.order_state import RANK, OrderState, first_state, join, order_event, take, take_all
from schemas.orders import OrderEvent

AT = 1_763_617_500_000_000


def said(status: str = "open", filled: int = 0, average: float = 0.0, **more: Any) -> OrderEvent:
    """What somebody says of one order of 100 shares."""
    given: dict[str, Any] = {
        "account": "paper", "order": "o1", "instrument": "NSE:INFY", "side": "buy", "product": "MIS",
        "quantity": 100, "at_us": AT, "broker_us": 0, "run": "r", "task": "r@n", "kind": "limit", "price": 10.0,
    }  # fmt: skip
    return order_event(**(given | {"status": status, "filled": filled, "average_price": average} | more))


@st.composite
def events(draw: st.DrawFn) -> OrderEvent:
    """Anything that may be said of it, contradictions too."""
    filled = draw(st.integers(0, 100))
    return said(
        draw(st.sampled_from(sorted(RANK))), filled, draw(st.sampled_from([9.5, 10.0, 10.05])) if filled else 0.0,
        quantity=draw(st.sampled_from([100, 150])), price=draw(st.sampled_from([10.0, 11.0])),
        revision=draw(st.integers(0, 2)), broker_us=AT + draw(st.integers(0, 3)) * 1_000_000,
        at_us=AT + draw(st.integers(0, 5)), broker_order=draw(st.sampled_from(["", "77"])),
        reason=draw(st.sampled_from(["", "because"])), failed=draw(st.booleans()),
    )  # fmt: skip


@given(st.lists(events(), min_size=1, max_size=12), st.data())
def test_any_order_and_repetition_give_the_same_state(said_: list[OrderEvent], data: st.DataObject) -> None:
    again = data.draw(st.permutations([*said_, *data.draw(st.lists(st.sampled_from(said_), max_size=5))]))
    assert take_all(again) == take_all(said_)


@given(events(), events(), events())
def test_the_join_is_a_join(a: OrderEvent, b: OrderEvent, c: OrderEvent) -> None:
    x, y, z = map(first_state, (a, b, c))
    assert join(x, y) == join(y, x)
    assert join(join(x, y), z) == join(x, join(y, z))
    assert join(x, x) == x


@given(st.lists(events(), min_size=1, max_size=8))
def test_fills_are_parts_of_what_was_filled_in_all(said_: list[OrderEvent]) -> None:
    state = reduce(take, said_, None)  # type: ignore[arg-type]
    assert isinstance(state, OrderState)
    fills = state.fills()
    assert sum(fill.quantity for fill in fills) == state.filled
    assert sum(fill.quantity * fill.price for fill in fills) == pytest.approx(state.filled * state.average_price)
    assert all(fill.quantity > 0 for fill in fills)


def test_two_steps_of_filling_have_their_own_prices() -> None:
    state = take_all([said("open", 40, 10.0), said("complete", 100, 10.6)])["o1"]
    assert [(fill.quantity, round(fill.price, 6)) for fill in state.fills()] == [(40, 10.0), (60, 11.0)]
    assert (state.status, state.working) == ("complete", 0)


def test_the_broker_overrules_what_we_thought_lost() -> None:
    assert take(take(None, said("lost")), said("open", 5, 10.0)).working == 95


def test_what_is_new_is_told_by_another_object() -> None:
    state = take(None, said("open"))
    assert take(state, said("open")) is state
    assert take(state, said("accepted", source="poll")) is state
    assert take(state, said("open", 1, 10.0)) is not state


def test_a_change_that_was_not_done_leaves_the_reason_of_the_order_alone() -> None:
    failed = replace(said("open"), failed=True, reason="cannot be changed now", intent="m1")
    assert take(take(None, said("open")), failed).reason == ""


def test_later_terms_count() -> None:
    first, later = said(quantity=100), said(quantity=60, revision=1, price=11.0)
    state = take_all([later, first])["o1"]
    assert (state.quantity, state.price, state.working) == (60, 11.0, 60)


def test_the_same_news_from_two_sources_has_one_id() -> None:
    assert said(source="frame").id == said(source="poll", at_us=AT + 7).id
    assert said("open").id != said("open", 1, 10.0).id
