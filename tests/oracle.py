"""The candles of a recorded tape as pandas groups them: the truth that everything else is compared with."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

COLUMNS = ["ms", "price", "quantity", "exchange", "condition", "suspicious"]


def trades(path: Path, day: str, zone: str = "America/New_York") -> pd.DataFrame:
    """Every trade: ``start_us`` of its minute, price, quantity."""
    frame = pd.read_csv(path, names=COLUMNS, header=None, dtype={"condition": str})
    midnight = pd.Timestamp(day, tz=ZoneInfo(zone)).tz_convert("UTC").value // 1000
    minute = frame["ms"] // 60_000 * 60_000_000
    return pd.DataFrame(
        {"start_us": midnight + minute, "price": frame["price"] / 10_000, "quantity": frame["quantity"]}
    )


def candles(path: Path, day: str) -> pd.DataFrame:
    """Open, high, low, close, volume by ``start_us``."""
    grouped = trades(path, day).groupby("start_us")
    made = grouped["price"].agg(open="first", high="max", low="min", close="last")
    made["volume"] = grouped["quantity"].sum()
    return made
