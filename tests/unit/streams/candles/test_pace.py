"""How often candles are stored, and which records may be acknowledged when."""

from __future__ import annotations

import pytest

from streams.candles.flush import Flushed
from streams.candles.share import Share
from tests.unit.streams.candles.ticks import OPENING, T, batch_of


@pytest.mark.parametrize(
    ("flushed", "pause_s"),
    [
        (Flushed(rows=100, open_rows=100, seconds=0.1), 0.4),  # at least half a second from start to start
        (Flushed(rows=9000, open_rows=9000, seconds=2.0), 6.0),  # rewriting open candles takes a quarter of the time
        (Flushed(rows=9000, open_rows=900, seconds=2.0), 0.05),  # closed ones have to be written anyway
        (Flushed(seconds=0.2), 0.3),
    ],
)
def test_rewriting_open_candles_takes_at_most_a_quarter_of_the_time(flushed: Flushed, pause_s: float) -> None:
    assert flushed.pause_s == pytest.approx(pause_s)


def batch(volume: int) -> object:
    return batch_of([T("NSE:INFY", OPENING, volume, OPENING + volume, 100.0)])


def test_only_what_was_folded_before_is_acknowledged_and_in_order() -> None:
    share = Share(3)
    for offset in range(4):
        share.take(f"record {offset}", offset, batch(offset + 1))  # type: ignore[arg-type]
    share.fold()
    share.settle(3)
    share.take("record 4", 4, None)
    assert share.done() == ["record 0", "record 1", "record 2"]
    assert list(share.held) == ["record 3", "record 4"]


def test_a_partition_that_went_acknowledges_nothing() -> None:
    share = Share(3)
    share.take("record", 0, batch(1))  # type: ignore[arg-type]
    share.fold()
    share.settle(1)
    share.owned = False
    assert share.done() == []
