"""A day of real trades, folded, is the pandas grouping of the file; its volumes are those of independent bars."""

from __future__ import annotations

import zipfile
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from schemas.market import TickKind
from schemas.ticks import COLUMNS, DEPTH, TickBatch
from streams.candles.fold import fold
from streams.candles.state import PartitionState
from tests.data import data_file

MIDNIGHT = int(datetime(2013, 10, 7, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 1_000_000


def table(name: str, columns: list[str]) -> pd.DataFrame:
    """A file of the tape; times in microseconds, prices as the exchange's decimal."""
    with zipfile.ZipFile(data_file(f"tape/{name}.zip")) as archive, archive.open(archive.namelist()[0]) as lines:
        frame = pd.read_csv(lines, header=None, usecols=range(len(columns)), names=columns)
    frame["time"] = MIDNIGHT + frame["time"].astype("int64") * 1000
    prices = [column for column in columns if column not in ("time", "volume", "size")]
    frame[prices] = frame[prices] / 10_000
    return frame


def batches(ticks: pd.DataFrame, size: int) -> list[TickBatch]:
    """The trades as a feed would write them: full ticks with the exchange's time, ``size`` in a batch."""
    made = []
    for start in range(0, len(ticks), size):
        part = ticks.iloc[start : start + size]
        columns = {name: np.zeros(len(part), dtype) for name, dtype in COLUMNS.items()}
        columns |= {name: np.empty((0, 10), dtype) for name, dtype in DEPTH.items()}
        time = part["time"].to_numpy("<i8")
        columns["kind"][:] = TickKind.FULL
        columns |= {"receive_us": time, "exchange_us": time, "last_trade_us": time, "oi": columns["oi"] - 1}
        columns |= {"last_price": part["price"].to_numpy("<f8"), "last_quantity": part["size"].to_numpy("<u4")}
        columns["volume"] = part["volume"].to_numpy("<i8")
        made.append(TickBatch("tape", "tape-1", 0, ("NYSE:X",), **columns))
    return made


@pytest.mark.parametrize(("symbol", "size"), [("spy", 500), ("bac", 500), ("ibm", 500), ("ibm", 7)])
def test_the_fold_of_the_tape_is_the_grouping_of_the_file(symbol: str, size: int) -> None:
    ticks = table(f"{symbol}_20131007_tick_trade", ["time", "price", "size"])
    ticks["volume"] = ticks["size"].cumsum()
    state, stored = PartitionState(), {}
    for batch in batches(ticks, size):
        stored |= {c.start_us: c for c in fold(state, batch)[1].touched}
    minutes = ticks.groupby(ticks["time"] // 60_000_000 * 60_000_000)
    truth = minutes["price"].agg(["first", "max", "min", "last"]).join(minutes["size"].sum())
    ours = {start: (c.open, c.high, c.low, c.close, c.volume) for start, c in stored.items()}
    assert ours == {int(row[0]): tuple(row[1:]) for row in truth.itertuples()}
    bars = table(f"{symbol}_20131007_minute_trade", ["time", "open", "high", "low", "close", "volume"])
    same = [ours.get(int(bar.time), (0,))[-1] == bar.volume for bar in bars.itertuples()]
    assert np.mean(same) > 0.99
