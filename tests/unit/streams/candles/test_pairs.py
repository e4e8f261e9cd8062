"""The distinct (instrument, minute) pairs of a run of ticks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.candles import ticks
from streams.candles.ticks import distinct_pairs

rows = st.lists(st.tuples(st.integers(0, 800), st.integers(0, 1 << 31)), min_size=1, max_size=60)
near = st.lists(st.tuples(st.integers(0, 30), st.integers(28_948_545, 28_948_550)), min_size=1, max_size=60)


@given(rows | near)
@pytest.mark.parametrize("table", [0, ticks.TABLE])
def test_they_are_those_of_the_rows(table: int, rows: list[tuple[int, int]]) -> None:
    who, minute = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ticks, "TABLE", table)
        whos, minutes, which = distinct_pairs(who, minute)
    pairs = list(zip(whos.tolist(), minutes.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert [pairs[at] for at in which.tolist()] == rows
