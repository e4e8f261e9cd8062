"""Numbers as people in India write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rupees import grouped, read_number, rupees


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "₹0"), (-0.001, "₹0"), (5, "₹5"), (999, "₹999"), (1000, "₹1,000"), (99999.5, "₹99,999.50"),
        (100000, "₹1,00,000"), (1234567.25, "₹12,34,567.25"), (-150000, "-₹1,50,000"), (1e9, "₹1,00,00,00,000"),
        (-99.999, "-₹100"),
    ],
)  # fmt: skip
def test_rupees(value: float, text: str) -> None:
    assert rupees(value) == text


@given(st.integers(-(10**15), 10**15))
def test_what_is_written_can_be_read(paise: int) -> None:
    value = paise / 100
    assert read_number(grouped(value)) == value


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1_000", "₹", "1,2.3.4", "1e999", "--5", "5 rupees"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        read_number(text)


@pytest.mark.parametrize("text", ["1,50,000", "₹1,50,000", "Rs. 150000", "150,000.00", "1.5e5", " INR 150000 "])
def test_several_ways_to_write_one(text: str) -> None:
    assert read_number(text) == 150000
