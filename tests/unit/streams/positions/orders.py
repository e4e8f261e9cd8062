"""Orders and their events, as the tests of positions make them up."""

from __future__ import annotations

import dataclasses
from itertools import accumulate
from typing import Any

from hypothesis import strategies as st

from schemas.order_state import order_event
from schemas.orders import OrderEvent

OPEN_US = 1_768_794_300_000_000  # 2026-01-19 09:15 IST, a Monday
DAY_US = 86_400_000_000
KEY = ("paper", "alpha", "NSE:INFY", "MIS")


def event(order: str, **fields: Any) -> OrderEvent:
    """An event of an order; what is not given is as in a usual one."""
    usual: dict[str, Any] = {
        "account": "paper", "run": "alpha", "instrument": "NSE:INFY", "product": "MIS", "side": "buy",
        "status": "open", "quantity": 100, "filled": 0, "average_price": 0.0, "at_us": OPEN_US,
    }  # fmt: skip
    return order_event(order=order, **(usual | fields))


def filled(order: str, side: str, quantity: int, price: float, at_us: int = OPEN_US, **fields: Any) -> OrderEvent:
    """The event of an order that is filled at once."""
    return event(
        order, side=side, status="complete", quantity=quantity, filled=quantity, average_price=price, at_us=at_us,
        **fields,
    )  # fmt: skip


@st.composite
def stories(draw: st.DrawFn, most: int = 8, days: int = 1, in_order: bool = False) -> list[OrderEvent]:
    """What happens to some orders: each is filled in parts, at times that may be equal and need not be in order."""
    instants = st.builds(
        lambda day, second: OPEN_US + day * DAY_US + second * 1_000_000, st.integers(0, days - 1), st.integers(0, 20)
    )
    told: list[OrderEvent] = []
    for number in range(draw(st.integers(1, most))):
        parts = draw(st.lists(st.tuples(st.integers(1, 50), st.integers(90, 110)), max_size=4))
        usual = event(
            f"o{number}",
            side=draw(st.sampled_from(["buy", "sell"])),
            run=draw(st.sampled_from(["alpha", "beta", ""])),
            instrument=draw(st.sampled_from(["NSE:INFY", "NFO:NIFTY26JANFUT"])),
            product=draw(st.sampled_from(["MIS", "NRML"])),
            quantity=sum(quantity for quantity, _ in parts) or 10,
        )
        told.append(usual)
        quantities = accumulate(quantity for quantity, _ in parts)
        values = accumulate(quantity * price for quantity, price in parts)
        times = draw(st.lists(instants, min_size=len(parts), max_size=len(parts)))
        if in_order:
            times.sort()
        for quantity, value, at_us in zip(quantities, values, times, strict=True):
            average = value / quantity
            told.append(dataclasses.replace(usual, filled=quantity, average_price=average, at_us=at_us))
        if draw(st.booleans()):
            told.append(dataclasses.replace(told[-1], status="complete" if parts else "cancelled"))
    return told


@st.composite
def retold(draw: st.DrawFn, told: list[OrderEvent]) -> list[OrderEvent]:
    """The same events in any order, some of them twice."""
    again = draw(st.lists(st.sampled_from(told), max_size=5)) if told else []
    return draw(st.permutations([*told, *again]))
