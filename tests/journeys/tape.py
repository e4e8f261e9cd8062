"""Tapes in journeys: play them, and compare what is stored with the oracle."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd

from tests import oracle
from tests.data import data_file
from tests.journeys.conftest import Platform

DAY = "2013-10-07"
FIELDS = ["open", "high", "low", "close", "volume"]


def arguments(symbol: str, instrument: str, speed: str) -> list[str]:
    """The command that plays a symbol's tape as an instrument."""
    file = data_file(f"tape/{symbol}_20131007_tick_trade.zip")
    return ["tape", "play", str(file), "--instrument", instrument, "--date", DAY, "--speed", speed]


def stored(platform: Platform, instrument: str) -> pd.DataFrame:
    """The stored minutes of the day by ``start_us``."""
    rows: list[dict[str, Any]] = platform.json(
        "candles", instrument, "--interval", "1m", "--from", DAY, "--to", "2013-10-08"
    )
    frame = pd.DataFrame(rows, columns=["time", *FIELDS, "gap", "complete"])
    frame.index = pd.DatetimeIndex(pd.to_datetime(frame.pop("time"), utc=True)).as_unit("us").astype("int64")
    return frame


def differences(platform: Platform, symbol: str, instrument: str) -> tuple[pd.DataFrame, set[int]]:
    """Minutes in which stored and oracle differ, and all minutes that are marked or lie between two marks."""
    truth = oracle.candles(data_file(f"tape/{symbol}_20131007_tick_trade.zip"), DAY)
    ours = stored(platform, instrument)
    both = truth.join(ours.add_suffix("_ours"), how="outer")
    differs = pd.concat([both[f] != both[f"{f}_ours"] for f in FIELDS], axis=1).any(axis=1)
    return both[differs], covered_by_marks(ours)


def covered_by_marks(ours: pd.DataFrame) -> set[int]:
    """A gap marks the last candle before and the first after it: the minutes between two such marks are unknown."""
    marks = sorted(ours.index[ours["gap"]])
    unknown = set(marks)
    for before, after in pairwise(marks):
        if not ((ours.index > before) & (ours.index < after)).any():
            unknown |= set(range(before, after, 60_000_000))
    return unknown
