"""The fold against the oracle: any order, repetition and split of a list of ticks gives the same candles."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.market import Candle, TickKind
from schemas.ticks import empty_batch
from streams.candles.fold import absorb, fold, merge, settle, take
from streams.candles.state import PartitionState
from tests.unit.streams.candles.ticks import MINUTE, OPENING, T, batch_of, oracle

NAMES = ("NSE:INFY", "NSE:TCS", "NFO:NIFTY25DECFUT")
OHLCV = tuple[float, float, float, float, int, int]


@st.composite
def trades(draw: st.DrawFn) -> list[T]:
    """Trades of a few instruments over some minutes: volumes grow with time, several within a second."""
    ticks = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
        steps = draw(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 50), st.integers(1, 9)), max_size=25))
        time, volume = OPENING, draw(st.integers(0, 1000))
        for number, (later, quantity, price) in enumerate(steps):
            time += later * 1_000_000
            volume += quantity
            ticks.append(T(name, time, volume, time + number, price / 4 + 100, quantity * 10, quantity))
    return ticks


def looks(candle: Candle) -> OHLCV:
    return (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.oi)


def folded(batches: list[list[T]], stored: list[Candle] | None = None) -> dict[tuple[str, int], Candle]:
    """What a table holds to which every touched candle is written, as the archive does."""
    state = PartitionState()
    table: dict[tuple[str, int], Candle] = {(c.instrument, c.start_us): c for c in stored or []}
    if stored:
        for candle in stored:
            absorb(state, state.instrument_day(candle.instrument, DAY), [candle], 0)
    for ticks in batches:
        for candle in fold(state, batch_of(ticks))[1].touched:
            table[candle.instrument, candle.start_us] = candle
    return table


DAY = date(2023, 11, 15)


def same(table: dict[tuple[str, int], Candle], ticks: list[T]) -> bool:
    return {key: looks(candle) for key, candle in table.items()} == oracle(ticks)


@given(trades(), st.randoms(use_true_random=False), st.integers(1, 20))
def test_any_order_repetition_and_split_gives_the_same_candles(ticks: list[T], rng: random.Random, size: int) -> None:
    mixed = ticks + rng.choices(ticks, k=len(ticks) // 2) if ticks else []
    rng.shuffle(mixed)
    batches = [mixed[at : at + size] for at in range(0, len(mixed), size)]
    assert same(folded(batches), ticks)
    assert same(folded([ticks]), ticks)


@given(trades(), st.randoms(use_true_random=False), st.data())
def test_a_crash_and_a_replay_merge_with_what_is_stored(
    ticks: list[T], rng: random.Random, data: st.DataObject
) -> None:
    stored_to = data.draw(st.integers(0, len(ticks)))
    read_from = data.draw(st.integers(0, stored_to))
    stored = list(folded([ticks[:stored_to]]).values()) if ticks else []
    rng.shuffle(stored)
    assert same(folded([ticks[read_from:]], stored), ticks)


@given(trades(), st.randoms(use_true_random=False))
def test_candles_merge_like_a_semilattice(ticks: list[T], rng: random.Random) -> None:
    parts: list[list[T]] = [[], [], []]
    for tick in ticks:
        rng.choice(parts).append(tick)
    tables = [folded([part]) for part in parts]
    for key, whole in folded([ticks]).items():
        versions = [table[key] for table in tables if key in table]
        rng.shuffle(versions)
        merged = versions[0]
        for version in versions[1:]:
            assert bare(merge(merged, version)) == bare(merge(version, merged))
            merged = merge(merged, version)
        assert bare(merge(merged, merged)) == bare(merged)
        assert bare(merged) == bare(whole)


def bare(candle: Candle) -> Candle:
    """Without what follows from the other candles of the day."""
    return replace(candle, volume=0, complete=False, gap=False)


def test_a_merged_candle_keeps_every_mark() -> None:
    a = Candle("NSE:INFY", "1m", OPENING, 1.0, 2.0, 0.5, 1.5, 0, -1, complete=True, revision=3)
    b = replace(a, complete=False, revision=1, gap=True)
    for merged in (merge(a, b), merge(b, a)):
        assert (merged.complete, merged.gap, merged.revision) == (True, True, 3)


@given(trades(), st.integers(1, 7))
def test_many_batches_at_once_are_the_same_as_one_after_the_other(ticks: list[T], size: int) -> None:
    state = PartitionState()
    batches = [batch_of(ticks[at : at + size]) for at in range(0, len(ticks), size)]
    if batches:
        take(state, batches)
    table = {(c.instrument, c.start_us): c for c in settle(state).touched}
    assert same(table, ticks)


def infy(second: float, volume: int, price: float = 100.0, **more: object) -> T:
    time = OPENING + int(second * 1_000_000)
    return replace(T("NSE:INFY", time, volume, time + 1000, price), **more)  # type: ignore[arg-type]


def test_a_late_tick_changes_the_volume_of_the_candle_after_it() -> None:
    state = PartitionState()
    fold(state, batch_of([infy(10, 5, quantity=5), infy(70, 30, quantity=5)]))
    _, late = fold(state, batch_of([infy(50, 20, quantity=5)]))
    assert [(c.start_us - OPENING, c.volume) for c in late.touched] == [(0, 20), (MINUTE, 10)]


def test_a_new_day_starts_from_its_own_volume() -> None:
    state = PartitionState()
    fold(state, batch_of([infy(10, 5000, quantity=5)]))
    _, next_day = fold(state, batch_of([infy(86_400, 7, quantity=7), infy(86_401, 9, quantity=2)]))
    assert [c.volume for c in next_day.touched if c.start_us > OPENING + MINUTE] == [9]


def test_a_candle_is_complete_two_seconds_into_the_instruments_next_minute() -> None:
    state = PartitionState()
    assert not fold(state, batch_of([infy(59, 5), infy(62, 6)]))[1].completed
    _, done = fold(state, batch_of([infy(62.5, 7)]))
    assert [(c.start_us, c.complete, c.revision) for c in done.completed] == [(OPENING, True, 0)]


def test_depth_at_a_later_exchange_time_completes_the_candle_of_the_last_trade() -> None:
    state = PartitionState()
    fold(state, batch_of([infy(30, 5)]))
    quiet = infy(30, 5, receive=OPENING + 63_000_000, exchange=OPENING + 63_000_000)
    _, done = fold(state, batch_of([quiet]))
    assert [c.start_us for c in done.completed] == [OPENING]


def test_silence_completes_a_candle_by_the_partitions_clock() -> None:
    state = PartitionState()
    fold(state, batch_of([infy(58, 5)]))
    assert not fold(state, empty_batch("kite", "w", OPENING + 61_000_000))[1].completed
    _, done = fold(state, empty_batch("kite", "w", OPENING + 64_000_000))
    assert [c.start_us for c in done.completed] == [OPENING]


def test_a_change_after_completeness_is_a_revision_and_a_repetition_is_none() -> None:
    state = PartitionState()
    ticks = [infy(30, 5), infy(63, 6)]
    fold(state, batch_of(ticks))
    assert not fold(state, batch_of(ticks))[1].completed
    _, again = fold(state, batch_of([infy(31, 5, 120.0)]))
    assert [(c.revision, c.high) for c in again.completed] == [(1, 120.0)]
    _, third = fold(state, batch_of([infy(32, 5, 130.0)]))
    assert [(c.revision, c.high) for c in third.completed] == [(2, 130.0)]


def test_a_completed_candle_that_was_stored_is_told_again_only_when_it_changed() -> None:
    before = PartitionState()
    stored = fold(before, batch_of([infy(30, 5), infy(63, 6)]))[1].touched
    state = PartitionState(archived=True)
    take(state, [batch_of([infy(30, 5), infy(63, 6)])])
    assert not settle(state).touched  # what is stored must be read first
    (of,) = state.unread.values()
    absorb(state, of, stored, 0)
    assert not settle(state).completed
    _, changed = fold(state, batch_of([infy(31, 5, 120.0)]))
    assert [(c.revision, c.high) for c in changed.completed] == [(1, 120.0)]


def test_a_repeated_trade_with_other_depth_touches_nothing() -> None:
    state = PartitionState()
    fold(state, batch_of([infy(30, 5)]))
    _, nothing = fold(state, batch_of([infy(30, 5, receive=OPENING + 40_000_000)]))
    assert nothing.touched == []


def test_an_interruption_marks_the_last_candle_and_the_one_that_follows() -> None:
    state = PartitionState()
    fold(state, batch_of([infy(10, 1), infy(70, 2)]))
    resumed = infy(250, 9, resumed=OPENING + 80_000_000)
    fold(state, batch_of([resumed]))
    _, filled = fold(state, batch_of([infy(200, 5), infy(310, 10)]))
    gaps = {
        (of.gap[slot], int(of.start[slot] - OPENING) // MINUTE) for of in [state] for slot in state.slot_of.values()
    }
    assert {minute for gap, minute in gaps if gap} == {1, 3, 4}
    assert any(c.gap for c in filled.touched)


def test_an_index_and_ltp_have_prices_and_no_volume() -> None:
    time = OPENING + 5_000_000
    ltp = T("NSE:TCS", time, -1, time, 10.0, kind=TickKind.LTP)
    index = T("NSE:NIFTY 50", time, -1, time + 500, 25_000.0, kind=TickKind.INDEX_FULL)
    _, got = fold(PartitionState(), batch_of([ltp, replace(ltp, receive=time + 9, time=time + 9, price=11.0), index]))
    assert [(c.instrument, c.open, c.close, c.volume, c.volume_from, c.volume_to, c.oi) for c in got.touched] == [
        ("NSE:TCS", 10.0, 11.0, 0, -1, -1, -1),
        ("NSE:NIFTY 50", 25_000.0, 25_000.0, 0, -1, -1, -1),
    ]


def test_a_quote_has_the_time_of_its_receipt() -> None:
    quote = infy(65, 50, quantity=8, kind=TickKind.QUOTE)
    _, got = fold(PartitionState(), batch_of([quote]))
    assert [(c.start_us, c.volume) for c in got.touched] == [(OPENING + MINUTE, 8)]


@pytest.mark.parametrize("price", [0.0, float("nan"), float("inf"), -1.0])
def test_ticks_without_a_price_are_counted_and_left_out(price: float) -> None:
    state = PartitionState()
    _, got = fold(state, batch_of([infy(1, 1, price), infy(2, 2)]))
    assert [c.volume for c in got.touched] == [1]
    assert state.ignored == 1


def test_impossible_times_are_counted_and_an_untraded_instrument_has_no_candle() -> None:
    state = PartitionState()
    future = infy(3, 3, exchange=OPENING + 10**14)
    untraded = infy(4, 0)
    _, got = fold(state, batch_of([future, untraded]))
    assert got.touched == []
    assert state.ignored == 1


def test_memory_is_bounded_and_a_very_late_tick_reads_its_candle_back() -> None:
    state = PartitionState(archived=True)
    table: dict[int, Candle] = {}
    late = infy(61, 15, 90.0, quantity=0)
    for tick in [*(infy(60 * n, 10 * n + 10, 100 + n, quantity=10) for n in range(300)), late]:
        take(state, [batch_of([tick])])
        for of in list(state.unread.values()):
            known = [c for start, c in sorted(table.items()) if start < of.wanted_from][-1:]
            stored = known + [c for start, c in table.items() if start >= of.wanted_from]
            absorb(state, of, stored, known[0].start_us if known else 0)
        table |= {c.start_us: c for c in settle(state).touched}
        if tick is not late:
            assert len(state.slot_of) <= 8
    assert len(table) == 300
    assert {c.volume for c in table.values()} == {10}
    assert table[OPENING + MINUTE].low == 90.0
    assert table[OPENING + MINUTE].revision == 1


def test_numpy_never_warns_about_the_fold() -> None:
    with np.errstate(all="raise"):
        fold(PartitionState(), batch_of([infy(1, 1), infy(2, 2, float("nan"))]))


def test_a_day_that_began_before_its_first_tick_is_marked_until_the_earlier_trades_come() -> None:
    state = PartitionState()
    _, began = fold(state, batch_of([infy(10, 500, quantity=5), infy(70, 510, quantity=10)]))
    assert [c.gap for c in began.touched] == [True, False]
    _, earlier = fold(state, batch_of([infy(-60, 495, quantity=495)]))
    assert sorted((c.start_us - OPENING, c.gap, c.volume) for c in earlier.touched) == [
        (-MINUTE, False, 495),
        (0, False, 5),
    ]


def test_a_gap_marks_the_candle_before_it_even_when_only_the_archive_knows_it() -> None:
    before = PartitionState()
    (stored,) = fold(before, batch_of([infy(10, 5, quantity=5)]))[1].touched
    state = PartitionState(archived=True)
    take(state, [batch_of([infy(130, 30, quantity=5, resumed=OPENING + 11_000_000)])])
    (of,) = state.unread.values()
    absorb(state, of, [stored], 0)
    marked = settle(state).touched
    assert sorted((c.start_us - OPENING, c.gap) for c in marked) == [(0, True), (2 * MINUTE, True)]
