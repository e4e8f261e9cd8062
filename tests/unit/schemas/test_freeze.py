"""The table of the largest orders: what is in it, and what is said of a mistake in it."""

from __future__ import annotations

import pytest

from schemas.freeze import TABLE, FreezeError, freeze_quantity, quantity_in, read_table
from schemas.market import Instrument


def instrument(exchange: str, name: str = "INFOSYS", lot: int = 1) -> Instrument:
    return Instrument(f"{exchange}:X", "kite", 1, exchange, "X", name, "EQ", exchange, 0.05, lot)


@pytest.mark.parametrize(
    ("exchange", "name", "lot", "most"),
    [
        ("NSE", "INFOSYS", 1, 100_000),
        ("NFO", "NIFTY", 75, 1800),
        ("NFO", "BANKNIFTY", 35, 595),  # whole lots
        ("NFO", "NIFTYNXT50", 700, 700),  # one lot at least
        ("NFO", "INFY", 400, 16_000),
        ("NYSE", "SPDR", 1, None),
    ],
)
def test_the_largest_order(exchange: str, name: str, lot: int, most: int | None) -> None:
    assert freeze_quantity(instrument(exchange, name, lot)) == most


def test_a_table_may_be_written_in_short() -> None:
    table = read_table("[NFO]\n[BSE]\nmost = 10")
    assert quantity_in(table, instrument("NFO")) is None
    assert quantity_in(table, instrument("BSE", lot=0)) == 10


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[NSE", "no TOML"),
        ("NSE = 3", "section"),
        ("[NFO]\nunits = 3", "section"),
        ("[NSE]\nmaximum = 3", "no key maximum"),
        ("[NSE]\nmost = 0", "most"),
        ("[NSE]\nlots = true", "lots"),
        ("[NFO.units]\nNIFTY = 1.5", "NIFTY"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(FreezeError, match=says) as error:
        read_table(text)
    assert TABLE.name in str(error.value)
