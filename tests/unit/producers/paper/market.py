"""Quotes and orders as the tests of the paper exchange make them up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from producers.paper.fold import Cancel, Event, Market, Modify, Place, Time, fold
from producers.paper.order import PaperOrder, order_of
from producers.paper.quote import ENDLESS, Level, Quote
from schemas.orders import OrderIntent

OPEN_US = 1_768_794_300_000_000  # 2026-01-19 09:15 IST, a Monday
CLOSE_US = OPEN_US + 22_500_000_000  # 15:30
NOW_US = OPEN_US + 60_000_000
INFY = "NSE:INFY"


def quote(
    at_s: float,
    last: float = 100.0,
    *,
    bids: tuple[Level, ...] = ((99.95, 100), (99.9, 200)),
    asks: tuple[Level, ...] = ((100.05, 100), (100.1, 200)),
    volume: int = -1,
    shown: bool = True,
) -> Quote:
    """What is shown so many seconds after ``NOW_US``."""
    return Quote(NOW_US + int(at_s * 1_000_000), last, volume, bids, asks, shown)


def plain(at_s: float, last: float, volume: int = -1) -> Quote:
    """The same of an instrument without depth."""
    bid, ask = round(last - 0.05, 2), round(last + 0.05, 2)
    return quote(at_s, last, bids=((bid, ENDLESS),), asks=((ask, ENDLESS),), volume=volume, shown=False)


def intent(id_: str = "o1", **fields: Any) -> OrderIntent:
    """An intent; a market order for 100 if nothing else is said."""
    usual: dict[str, Any] = {
        "account": "paper", "run": "alpha", "task": "alpha@here", "instrument": INFY, "side": "buy", "quantity": 100,
        "kind": "market", "price": 0.0, "trigger": 0.0, "trading": "paper", "at_us": NOW_US, "product": "MIS",
    }  # fmt: skip
    return OrderIntent(id=id_, **(usual | fields))


def order(id_: str = "o1", at_s: float = 0.0, **fields: Any) -> PaperOrder:
    """An order that the exchange accepted so many seconds after ``NOW_US``; it is in the book 0.07 s later at most."""
    return order_of(intent(id_, **fields), NOW_US + int(at_s * 1_000_000), OPEN_US, CLOSE_US)


def run(events: list[Event], market: Market | None = None) -> tuple[Market, dict[str, PaperOrder]]:
    """The market after events, and every order as it was last told."""
    market, told = market or Market(INFY), dict[str, PaperOrder]()
    for event in events:
        market, changed = fold(market, event)
        told |= {each.id: each for each in changed}
    return market, told


prices = st.integers(1990, 2010).map(lambda n: n / 20)  # 99.50 to 100.50
quantities = st.integers(1, 300)


@st.composite
def quotes(draw: st.DrawFn, at_s: float, volume: int) -> Quote:
    """Any quote around 100: with depth, or without."""
    last = draw(prices)
    if draw(st.integers(0, 3)) == 0:
        return plain(at_s, last, draw(st.sampled_from([-1, volume])))
    middle = draw(st.integers(1990, 2010))
    bids = tuple(((middle - n) / 20, draw(quantities)) for n in range(1, draw(st.integers(1, 6))))
    asks = tuple(((middle + n) / 20, draw(quantities)) for n in range(1, draw(st.integers(1, 6))))
    return quote(at_s, last, bids=bids, asks=asks, volume=volume)


@st.composite
def stories(draw: st.DrawFn, most: int = 25) -> list[Event]:
    """What happens in a market, in the order of time."""
    told: list[Event] = []
    at_s, volume, placed = 0.0, 0, 0
    for _ in range(draw(st.integers(1, most))):
        at_s += draw(st.sampled_from([0.001, 0.03, 0.2, 1.0]))
        at_us = NOW_US + int(at_s * 1_000_000)
        match draw(st.sampled_from(["quote", "quote", "quote", "place", "place", "modify", "cancel", "time"])):
            case "quote":
                volume += draw(st.integers(0, 400))
                told.append(draw(quotes(at_s, volume)))
            case "place":
                kind = draw(st.sampled_from(["market", "limit", "limit", "stop", "stop-limit"]))
                placed += 1
                new = order(
                    f"o{placed}", at_s, kind=kind, side=draw(st.sampled_from(["buy", "sell"])),
                    quantity=draw(quantities), validity=draw(st.sampled_from(["DAY", "DAY", "DAY", "IOC"])),
                    price=draw(prices) if "limit" in kind else 0.0, trigger=draw(prices) if "stop" in kind else 0.0,
                )  # fmt: skip
                told.append(Place(new))
            case "modify" if placed:
                which = f"o{draw(st.integers(1, placed))}"
                quantity = draw(st.sampled_from([0, 1, 50, 400]))
                told.append(
                    Modify(f"m{len(told)}", which, quantity, draw(st.sampled_from([0.0, 99.9, 100.2])), 0.0, at_us)
                )
            case "cancel" if placed:
                told.append(Cancel(f"o{draw(st.integers(1, placed))}", at_us))
            case _:
                told.append(Time(at_us))
    return told


def moved(each: Quote, **fields: Any) -> Quote:
    """A quote with other fields."""
    return replace(each, **fields)
