"""What is listed: enough, unique, stable from day to day, contracts that have not expired."""

from datetime import date, timedelta

import numpy as np
import pytest

from producers.simulator.catalogue import EXTRA_FROM, catalogue
from producers.simulator.derivatives import CALL, FUTURE, PUT, Month, months_listed, value

DAY = date(2026, 11, 20)


@pytest.mark.parametrize("size", [100, 3200, 9500])
def test_as_many_as_asked_for_and_all_different(size: int) -> None:
    listed = catalogue(1, DAY, size)
    assert len(listed) == len(listed.row_of) == len(listed.row_named) == size
    assert max(listed.row_of) < EXTRA_FROM << 8


def test_three_thousand_of_nse_by_default_and_the_known_ones_by_their_own_tokens() -> None:
    listed = catalogue(1, DAY, 3200)
    assert sum(entry.exchange == "NSE" for entry in listed.instruments) >= 3000
    tokens = {"NSE:INFY": 408065, "NSE:NIFTY 50": 256265, "NSE:NIFTY BANK": 260105, "NSE:RELIANCE": 738561}
    assert {name: listed.instruments[listed.row_named[name]].token for name in tokens} == tokens
    assert {entry.token & 255 for entry in listed.instruments} == {1, 2, 9}


def test_contracts_live_until_they_expire_under_one_token() -> None:
    days = [DAY + timedelta(days=n) for n in range(0, 120, 7)]
    tokens: dict[str, int] = {}
    for day in days:
        for entry in catalogue(1, day, 3200).instruments:
            assert tokens.setdefault(entry.instrument, entry.token) == entry.token
            assert not entry.expiry or date.fromisoformat(entry.expiry) >= day


@pytest.mark.parametrize(
    ("year", "month", "expiry"),
    [(2025, 8, date(2025, 8, 28)), (2025, 9, date(2025, 9, 30)), (2024, 8, date(2024, 8, 29))],
)
def test_expiries(year: int, month: int, expiry: date) -> None:
    assert Month(year, month).expiry == expiry


def test_the_nearest_month_rolls_after_its_expiry() -> None:
    expiry = Month(2026, 11).expiry
    assert next(months_listed(expiry)).code == "26NOV"
    assert next(months_listed(expiry + timedelta(days=1))).code == "26DEC"


def test_calls_less_puts_are_the_future_less_the_strike() -> None:
    spot, strike, years = (np.array([x]) for x in (25_000.0, 24_800.0, 0.1))
    future, call, put = (value(np.array([k]), spot, strike, years)[0] for k in (FUTURE, CALL, PUT))
    assert call - put == pytest.approx((future - 24_800.0) * np.exp(-0.065 * 0.1), abs=1e-6)
