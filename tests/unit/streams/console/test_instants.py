"""Times as people write them in a range of candles."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from streams.console.candles import instant
from streams.console.errors import ApiError

IST = ZoneInfo("Asia/Kolkata")
TEN_US = 1_795_149_000_000_000  # 2026-11-20 10:00 IST


@pytest.mark.parametrize(
    "text",
    ["2026-11-20T10:00", "2026-11-20 10:00", "2026-11-20T10:00:00+05:30", "2026-11-20T10:00:00 05:30",
     "2026-11-20T04:30:00Z", "2026-11-20T04:30:00+00:00", str(TEN_US), " 2026-11-20T10:00 "],
)  # fmt: skip
def test_one_instant_in_many_words(text: str) -> None:
    assert instant("from", text, IST, end=False) == TEN_US


def test_a_date_is_its_whole_day() -> None:
    start, end = instant("from", "2026-11-20", IST, end=False), instant("to", "2026-11-20", IST, end=True)
    assert (start, end) == (TEN_US - 36_000_000_000, TEN_US + 50_400_000_000 - 1)


def test_nothing_is_no_limit() -> None:
    assert instant("from", "  ", IST, end=False) is None


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2026-13-40", "10:15", "20", "-1", "99999999999999999999", "2026-11-20T25:00", "1969-01-01",
     "9999-12-31", "0001-01-01", "9999-12-31T23:59:59+05:30", "2026-11-20T10:00+99:00", "NaN", "٢٠٢٦-١١-٢٠", "\x00",
     "99999999999999999"],
)  # fmt: skip
def test_anything_else_is_a_sentence(text: str) -> None:
    with pytest.raises(ApiError, match=r"from: .* is no time"):
        instant("from", text, IST, end=False)
