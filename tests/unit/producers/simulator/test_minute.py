"""The trades of a minute make exactly its bar, and any start leads to the same state."""

from dataclasses import fields
from datetime import date

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulator.catalogue import catalogue
from producers.simulator.minute import Carry, carry_at, opening, plan
from producers.simulator.path import STEPS, DayPath

DAYS = st.sampled_from([date(2024, 3, 2), date(2025, 10, 21), date(2026, 11, 20), date(2019, 7, 9)])
SIZE = 200


def path_of(seed: int, day: date, load: bool = False) -> DayPath:
    return DayPath(seed, catalogue(seed, day, SIZE, load).traits, day)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), DAYS, st.floats(0, 1), st.booleans())
def test_trades_make_exactly_the_bar(seed: int, day: date, part: float, load: bool) -> None:
    path = path_of(seed, day, load)
    number = min(path.minutes - 1, int(part * path.minutes))
    before = carry_at(path, number)
    minute, bars = plan(path, number, before), path.bars(number, number + 1)
    for n in range(SIZE):
        at = np.flatnonzero(minute.traded[:, n])
        assert bool(len(at)) == bool(bars.active[0, n])
        if not len(at):
            continue
        prices = minute.price[at, n]
        made = (prices[0], prices.max(), prices.min(), prices[-1])
        assert made == (bars.open[0, n], bars.high[0, n], bars.low[0, n], bars.close[0, n])
        assert minute.quantity[at, n].sum() == bars.volume[0, n]
        assert (minute.quantity[at, n] > 0).all() or bars.volume[0, n] == 0
        assert minute.volume[-1, n] - before.volume[n] == bars.volume[0, n]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), DAYS)
def test_the_day_only_grows(seed: int, day: date) -> None:
    path = path_of(seed, day)
    minute = plan(path, 5, carry_at(path, 5))
    assert (np.diff(minute.volume.astype(np.int64), axis=0) >= 0).all()
    assert (np.diff(minute.high, axis=0) >= 0).all()
    assert (np.diff(minute.low, axis=0) <= 0).all()
    assert (minute.low <= minute.price).all()
    assert (minute.price <= minute.high).all()
    assert minute.changed.any(axis=0).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), DAYS, st.integers(1, 59))
def test_a_fresh_start_finds_what_a_run_has_left(seed: int, day: date, stop: int) -> None:
    path = path_of(seed, day)
    run = opening(path)
    for number in range(stop):
        run = plan(path, number, run).carry()
    fresh = carry_at(path, stop)
    for field in fields(Carry):
        np.testing.assert_allclose(getattr(run, field.name), getattr(fresh, field.name), rtol=1e-12, err_msg=field.name)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), DAYS)
def test_everything_trades_at_the_opening_and_at_the_close(seed: int, day: date) -> None:
    path = path_of(seed, day)
    first = plan(path, 0, opening(path))
    last = plan(path, path.minutes - 1, carry_at(path, path.minutes - 1))
    assert first.traded[0].all()
    assert last.traded[STEPS - 1].all()
    assert (last.price[-1] == path.bounds[-1]).all()
