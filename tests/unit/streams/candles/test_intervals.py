"""Longer intervals against pandas, on real bars of NSE, and their edges."""

from __future__ import annotations

import zipfile
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendar import INTERVALS
from schemas.market import Candle
from streams.candles.intervals import fold_intervals
from tests.data import data_file

ZONE = ZoneInfo("Asia/Kolkata")
MINUTE = 60_000_000
LONGER = [interval for interval in INTERVALS if interval != "1m"]


def at(clock: str, day: str = "2023-11-15") -> int:
    return int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZONE).timestamp()) * 1_000_000


def minute(start_us: int, price: float = 100.0, **more: object) -> Candle:
    return Candle("NSE:INFY", "1m", start_us, price, price + 1, price - 1, price, 10, -1, complete=True, **more)  # type: ignore[arg-type]


def yesbank(day: str) -> pd.DataFrame:
    with zipfile.ZipFile(data_file(f"nse/yesbank_{day}_minute_trade.zip")) as archive:
        lines = archive.open(archive.namelist()[0])
        return pd.read_csv(lines, header=None, names=["time", "open", "high", "low", "close", "volume"])


@pytest.mark.parametrize("interval", LONGER)
@pytest.mark.parametrize("day", ["20190709", "20190710"])
def test_intervals_of_real_bars_are_the_grouping_by_minutes_since_the_opening(day: str, interval: str) -> None:
    bars = yesbank(day)
    midnight = at("00:00", f"{day[:4]}-{day[4:6]}-{day[6:]}")
    minutes = [
        Candle("NSE:YESBANK", "1m", midnight + int(b.time) * 1000, b.open, b.high, b.low, b.close, int(b.volume), -1)
        for b in bars.itertuples()
    ]
    width = INTERVALS[interval] or 1440
    since = (bars["time"] // 60_000 - (9 * 60 + 15)) // width
    truth = bars.groupby(since).agg(
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
    )
    ours = fold_intervals(reversed(minutes), interval)
    opening = midnight + (9 * 60 + 15) * MINUTE
    assert [(c.start_us, c.open, c.high, c.low, c.close, c.volume) for c in ours] == [
        (opening + int(row[0]) * width * MINUTE, *row[1:]) for row in truth.itertuples()
    ]


def test_sixty_minutes_start_at_a_quarter_past_and_the_last_is_cut_by_the_close() -> None:
    found = fold_intervals([minute(at("09:15")), minute(at("10:14")), minute(at("10:15")), minute(at("15:29"))], "60m")
    assert [c.start_us for c in found] == [at("09:15"), at("10:15"), at("15:15")]
    assert [c.complete for c in found] == [True, True, True]


def test_an_interval_is_complete_only_when_its_end_is_known_to_have_passed() -> None:
    minutes = [minute(at("09:15")), minute(at("09:17"))]
    assert [c.complete for c in fold_intervals(minutes, "5m")] == [False]
    assert [c.complete for c in fold_intervals(minutes, "5m", known_until_us=at("09:20"))] == [True]
    assert [c.complete for c in fold_intervals([*minutes, minute(at("09:21"))], "5m")] == [True, False]


def test_marks_are_those_of_any_minute() -> None:
    (candle,) = fold_intervals([minute(at("09:15"), gap=True), minute(at("09:16"), revision=2)], "3m")
    assert (candle.gap, candle.revision, candle.volume) == (True, 2, 20)


@given(st.sets(st.integers(0, 374), min_size=1), st.sampled_from(LONGER))
def test_folding_in_two_steps_is_folding_in_one(which: set[int], interval: str) -> None:
    minutes = [minute(at("09:15") + n * MINUTE, 100 + n % 7) for n in which]
    direct = fold_intervals(minutes, interval)
    assert sum(c.volume for c in direct) == 10 * len(which)
    assert [c.start_us for c in direct] == sorted({c.start_us for c in direct})
    assert fold_intervals(direct, "1d")[0].high == fold_intervals(minutes, "1d")[0].high


def test_an_unknown_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="no interval '7m'"):
        fold_intervals([minute(at("09:15"))], "7m")
