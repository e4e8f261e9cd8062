"""The day's band and the reach of market orders."""

from __future__ import annotations

import pytest

from producers.simulator.orders.bands import band, protected
from tests.unit.producers.simulator.orders.stand import CALL, INFY, NIFTY


def test_bands() -> None:
    assert band(INFY, 10_004) == (9_005, 11_000)  # whole ticks, inwards
    assert band(INFY, 0) == band(NIFTY, 2_500_000) == (0, 0)
    assert band(CALL, 20_000) == (5, 270_000)  # as far as its underlying may go


@pytest.mark.parametrize(
    ("side", "last", "percent", "price"),
    [
        ("BUY", 10_000, -1, 10_200),
        ("SELL", 10_000, -1, 9_800),
        ("BUY", 50_000, -1, 50_500),
        ("SELL", 100_000, -1, 99_500),
        ("BUY", 10_005, 1.5, 10_155),  # never beyond the percentage
        ("SELL", 10_005, 1.5, 9_855),
        ("BUY", 10_000, 50, 11_000),  # nor the band
        ("SELL", 10_000, 100, 9_000),
    ],
)
def test_how_far_a_market_order_may_reach(side: str, last: int, percent: float, price: int) -> None:
    assert protected(INFY, side, last, percent, band(INFY, last if last != 10_005 else 10_000)) == price


def test_options_reach_further() -> None:
    assert protected(CALL, "BUY", 5_000, -1, (0, 0)) == 5_150
    assert protected(CALL, "SELL", 5, -1, (0, 0)) == 5
