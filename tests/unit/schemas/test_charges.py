"""Charges: worked examples, and that parts add up whatever they are."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.charges import (
    SEGMENTS,
    TABLE,
    Charges,
    ChargesError,
    charges,
    order_charges,
    read_schedule,
    segment_of,
)
from schemas.orders import Product, Side

DAY = date(2026, 1, 19)
CRORE = 10_000_000
INSTRUMENTS = (
    ("NSE:INFY", "CNC"), ("NSE:INFY", "MIS"), ("BSE:INFY", "MIS"), ("NFO:NIFTY26JANFUT", "NRML"),
    ("NFO:NIFTY26JAN26000CE", "NRML"), ("BFO:SENSEX26JAN83000PE", "MIS"), ("CDS:USDINR26JANFUT", "NRML"),
    ("CDS:USDINR26JAN90CE", "NRML"), ("MCX:GOLDM26FEBFUT", "NRML"), ("MCX:CRUDEOIL26FEB6000PE", "NRML"),
)  # fmt: skip


def rounded(found: Charges) -> tuple[float, ...]:
    """Brokerage, tax, transaction, GST, SEBI, stamp, total, to paise."""
    parts = (found.brokerage, found.tax, found.transaction, found.gst, found.sebi, found.stamp, found.total)
    return tuple(round(part, 2) for part in parts)


@pytest.mark.parametrize(
    ("instrument", "product", "side", "quantity", "price", "expected"),
    [
        # delivery of ₹1,00,000: no brokerage; STT 0.1 %; 3.07; GST 18 % of 3.07 + 0.10; stamp 0.015 %
        ("NSE:INFY", "CNC", "buy", 100, 1000.0, (0, 100, 3.07, 0.57, 0.1, 15, 118.74)),
        ("NSE:INFY", "CNC", "sell", 100, 1000.0, (0, 100, 3.07, 0.57, 0.1, 0, 103.74)),
        # intraday of ₹1,00,000: 0.03 % would be 30: 20; STT 0.025 % of the sale
        ("NSE:INFY", "MIS", "buy", 100, 1000.0, (20, 0, 3.07, 4.17, 0.1, 3, 30.34)),
        ("NSE:INFY", "MIS", "sell", 100, 1000.0, (20, 25, 3.07, 4.17, 0.1, 0, 52.34)),
        ("BSE:INFY", "MIS", "sell", 10, 1000.0, (3, 2.5, 0.38, 0.61, 0.01, 0, 6.49)),
        # a future of ₹18,75,000
        ("NFO:NIFTY26JANFUT", "NRML", "sell", 75, 25000.0, (20, 375, 34.31, 10.11, 1.88, 0, 441.3)),
        # an option of ₹11,250 premium
        ("NFO:NIFTY26JAN26000CE", "NRML", "sell", 75, 150.0, (20, 11.25, 4, 4.32, 0.01, 0, 39.58)),
        ("BFO:SENSEX26JAN83000PE", "MIS", "buy", 20, 500.0, (20, 0, 3.25, 4.19, 0.01, 0.3, 27.75)),
        # 1000 dollars at ₹90
        ("CDS:USDINR26JANFUT", "NRML", "buy", 1000, 90.0, (20, 0, 0.32, 3.67, 0.09, 0.09, 24.17)),
        # 100 g of gold, ₹14,00,000; cardamom is agricultural: no CTT
        ("MCX:GOLDM26FEBFUT", "NRML", "sell", 100, 14000.0, (20, 140, 29.4, 9.14, 1.4, 0, 199.94)),
        ("MCX:CARDAMOM26FEBFUT", "NRML", "sell", 100, 14000.0, (20, 0, 29.4, 9.14, 1.4, 0, 59.94)),
    ],
)
def test_by_hand(
    instrument: str, product: Product, side: Side, quantity: int, price: float, expected: tuple[float, ...]
) -> None:
    assert rounded(charges(instrument, product, side, quantity, price, DAY)) == pytest.approx(expected, abs=0.011)


def test_a_crore_as_the_lists_say() -> None:
    assert charges("NSE:INFY", "CNC", "buy", 1, CRORE, DAY).stamp == pytest.approx(1500)
    assert charges("NSE:INFY", "MIS", "buy", 1, CRORE, DAY).stamp == pytest.approx(300)
    assert charges("NFO:NIFTY26JANFUT", "NRML", "buy", 1, CRORE, DAY).stamp == pytest.approx(200)
    assert charges("CDS:USDINR26JAN90CE", "NRML", "buy", 1, CRORE, DAY).stamp == pytest.approx(10)
    assert charges("NSE:INFY", "MIS", "sell", 1, CRORE, DAY).sebi == pytest.approx(10)


def test_what_counts_as_what() -> None:
    assert [segment_of(*each) for each in INSTRUMENTS] == [
        "equity-delivery", "equity-intraday", "equity-intraday", "futures", "options", "options",
        "currency-futures", "currency-options", "commodity-futures", "commodity-options",
    ]  # fmt: skip
    assert segment_of("NSE:PFOCUS", "MIS") == "equity-intraday"
    assert segment_of("NFO:RELIANCE26JANFUT", "NRML") == "futures"  # ends in the letters of a call before its FUT
    assert segment_of("MCX:ALUMINIUM26FEBFUT", "NRML") == "commodity-futures"


def test_rates_change_on_their_day() -> None:
    before = order_charges("NFO:NIFTY26MARFUT", "NRML", "sell", 100_000, date(2026, 3, 31))
    after = order_charges("NFO:NIFTY26APRFUT", "NRML", "sell", 100_000, date(2026, 4, 1))
    assert (before.tax, after.tax) == pytest.approx((20, 50))
    assert order_charges("NFO:NIFTY26APR26000CE", "NRML", "sell", 100_000, date(2026, 4, 1)).tax == pytest.approx(150)
    assert (before.brokerage, before.stamp) == (after.brokerage, after.stamp)
    assert order_charges("NSE:INFY", "MIS", "sell", 100_000, date(2030, 1, 1)).tax == pytest.approx(25)


@given(
    st.sampled_from(INSTRUMENTS),
    st.sampled_from(["buy", "sell"]),
    st.lists(st.tuples(st.integers(1, 10_000), st.floats(0.05, 50_000)), min_size=1, max_size=8),
)
def test_parts_add_up_and_more_never_costs_less(
    of: tuple[str, Product], side: Side, fills: list[tuple[int, float]]
) -> None:
    value, paid, before = 0.0, 0.0, Charges()
    for quantity, price in fills:
        value += quantity * price
        after = order_charges(*of, side, value, DAY)
        assert after.total >= before.total
        assert after.brokerage <= 20
        paid += after.total - before.total
        before = after
    assert paid == pytest.approx(order_charges(*of, side, value, DAY).total)
    once = sum(order_charges(*of, side, quantity * price, DAY).total for quantity, price in fills)
    assert once >= before.total - 1e-6  # each fill for itself would be dearer: the cap is the order's


def test_nothing_filled_costs_nothing() -> None:
    for of in INSTRUMENTS:
        assert order_charges(*of, "buy", 0.0, DAY) == Charges()


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("gst = 18", "gst = true", "its first lines: True is no rate"),
        ("sebi = 0.0001", "", "its first lines: 'sebi' is missing"),
        ("[segments.options]", "[segments.opsions]", "segment options: 'options' is missing"),
        ("tax_buy = 0.1", "tax_by = 0.1", "segment equity-delivery: there is no key tax_by"),
        ("from = 2026-04-01", 'from = "soon"', "that is no date"),
        ("cap = 20", "", "neither percent and cap nor flat"),
        ("stamp_buy = 0.015", "stamp_buy = -1", "-1 is no rate"),
        ("sebi = 0.0001", "sebi = ", "is no TOML"),
    ],
)
def test_a_mistake_in_the_table_is_told(wrong: str, right: str, said: str) -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert wrong in text
    with pytest.raises(ChargesError, match="charges") as caught:
        read_schedule(text.replace(wrong, right, 1))
    assert said in str(caught.value)
    assert set(read_schedule(text).rates) == set(SEGMENTS)
