"""Real trades the whole way: socket, worker, Kafka, Faust, Cassandra."""

from __future__ import annotations

import zipfile

import pandas as pd
import pytest

from tests.data import data_file
from tests.journeys import tape
from tests.journeys.conftest import Platform
from tests.wait import until


@pytest.mark.parametrize("symbol", ["spy", "bac", "ibm"])
def test_a_whole_day_of_trades_gives_exactly_the_candles_of_its_file(platform: Platform, symbol: str) -> None:
    instrument = f"NYSE:{symbol.upper()}"
    platform.run(*tape.arguments(symbol, instrument, "max"))

    def wrong() -> pd.DataFrame:
        return tape.differences(platform, symbol, instrument)[0]

    until(f"the stored candles of {instrument} equal the oracle", lambda: wrong().empty, timeout_s=60, every_s=2)
    ours = tape.stored(platform, instrument)
    assert not ours["gap"].any()
    bars = independent_bars(symbol)
    same = (ours["volume"].reindex(bars.index) == bars["volume"]).mean()
    assert same > 0.99


def independent_bars(symbol: str) -> pd.DataFrame:
    """One-minute bars of the same day made by someone else, by ``start_us``."""
    with zipfile.ZipFile(data_file(f"tape/{symbol}_20131007_minute_trade.zip")) as archive:
        name = archive.namelist()[0]
        bars = pd.read_csv(archive.open(name), names=["ms", "open", "high", "low", "close", "volume"], header=None)
    midnight = pd.Timestamp(tape.DAY, tz="America/New_York").tz_convert("UTC").value // 1000
    return bars.set_index(bars.pop("ms") * 1000 + midnight)
