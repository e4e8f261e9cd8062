"""The live table against the plain way: a dictionary, one tick at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode, encode
from schemas.market import TickKind
from schemas.ticks import TickBatch, empty_batch
from streams.prices.live import DAY_US, Last, Live, LiveTable
from tests.unit.streams.prices.batches import OPEN_US, Tick, batch_of

NAMES = ("NSE:INFY", "NSE:TCS", "NFO:NIFTY26NOVFUT")
SOME_TICKS = st.lists(
    st.builds(
        Tick,
        instrument=st.sampled_from(NAMES),
        receive_us=st.integers(0, 50).map(lambda n: OPEN_US + n),
        price=st.floats(0.05, 1e5),
        volume=st.integers(0, 10**9),
        close=st.floats(1, 1e5),
    ),
    max_size=60,
)


def table_of(*batches: TickBatch) -> LiveTable:
    made = LiveTable()
    for batch in batches:
        made.fold(batch)
    return made


def last(table: LiveTable) -> dict[str, tuple[float, int | None, int, int]]:
    return {name: (row.last_price, row.volume, row.receive_us, row.ticks) for name, row in table.of(NAMES).items()}


@given(SOME_TICKS, st.integers(1, 20))
def test_it_is_what_one_tick_at_a_time_gives(ticks: list[Tick], size: int) -> None:
    ticks = sorted(ticks, key=lambda tick: tick.receive_us)  # as they are received
    wanted: dict[str, tuple[float, int | None, int, int]] = {}
    for tick in ticks:
        seen = wanted[tick.instrument][3] if tick.instrument in wanted else 0
        wanted[tick.instrument] = (tick.price, tick.volume, tick.receive_us, seen + 1)
    parts = [ticks[at : at + size] for at in range(0, len(ticks), size)]
    assert last(table_of(*map(batch_of, parts))) == wanted


@given(SOME_TICKS)
def test_an_older_record_changes_no_price(ticks: list[Tick]) -> None:
    ticks = sorted(ticks, key=lambda tick: tick.receive_us)
    half = len(ticks) // 2
    table = table_of(batch_of(ticks[:half]), batch_of(ticks[half:]))
    before = {name: row[:3] for name, row in last(table).items()}
    older = [tick for tick in ticks[:half] if tick.receive_us < before[tick.instrument][2]]
    table.fold(batch_of(older, worker="local-2"))
    assert {name: row[:3] for name, row in last(table).items()} == before


def test_change_is_against_the_previous_close() -> None:
    (row,) = table_of(batch_of([Tick("NSE:INFY", OPEN_US, 102.0, close=100.0)])).of(["NSE:INFY"]).values()
    assert (row.change, row.worker, row.close) == (2.0, "local-1", 100.0)
    assert row.change_percent == pytest.approx(2.0)


def test_an_index_has_no_volume_and_a_price_alone_no_day() -> None:
    index = Tick("NSE:NIFTY 50", OPEN_US, 20_000.0, TickKind.INDEX_FULL, volume=-1)
    bare = Tick("NSE:INFY", OPEN_US, 1500.0, TickKind.LTP)
    rows = table_of(batch_of([index, bare])).of(["NSE:NIFTY 50", "NSE:INFY"])
    assert rows["NSE:NIFTY 50"].volume is None
    assert rows["NSE:NIFTY 50"].close == 100.0
    assert (rows["NSE:INFY"].close, rows["NSE:INFY"].volume, rows["NSE:INFY"].change) == (None, None, None)


@pytest.mark.parametrize(("later_us", "close"), [(1, 100.0), (DAY_US, None)])
def test_a_change_to_ltp_keeps_the_day_until_it_is_over(later_us: int, close: float | None) -> None:
    full = batch_of([Tick("NSE:INFY", OPEN_US, 101.0, volume=7)])
    bare = batch_of([Tick("NSE:INFY", OPEN_US + later_us, 102.0, TickKind.LTP)])
    row = table_of(full, bare).of(["NSE:INFY"])["NSE:INFY"]
    assert (row.last_price, row.close, row.volume) == (102.0, close, None if close is None else 7)


def test_a_sign_of_life_moves_the_partitions_clock_only() -> None:
    table = table_of(batch_of([Tick("NSE:INFY", OPEN_US, 101.0)]))
    table.fold(empty_batch("kite", "local-1", OPEN_US + 5), partition=0)
    assert (table.clocks[0], table.totals().ticks, table.totals().batches) == (OPEN_US + 5, 1, 1)
    table.fold(empty_batch("kite", "local-2", OPEN_US + 1), partition=3)
    assert table.totals().clock_us == OPEN_US + 1


def test_rates_are_over_the_last_seconds() -> None:
    table = LiveTable()
    assert table.totals().ticks_per_s == 0
    for second in range(20):
        ticks = [Tick("NSE:INFY", OPEN_US + second, 1.0)] * 3
        if second >= 10:  # an instrument that joins later
            ticks.append(Tick("NSE:TCS", OPEN_US + second, 1.0))
        table.fold(batch_of(ticks))
        table.sample(float(second))
    rows = table.of(["NSE:INFY", "NSE:TCS", "NSE:SBIN"])
    assert {name: row.ticks_per_s for name, row in rows.items()} == {"NSE:INFY": 3.0, "NSE:TCS": 1.0}
    assert table.worker_rates() == {"local-1": 4.0}
    assert table.totals().batches_per_s == 1.0


def test_thousands_of_instruments_fit() -> None:
    ticks = [Tick(f"NSE:S{n}", OPEN_US, float(n + 1)) for n in range(5000)]
    table = table_of(batch_of(ticks[:1]), batch_of(ticks))
    assert len(table) == 5000
    assert table.of(["NSE:S4999"])["NSE:S4999"].last_price == 5000.0


def test_nonsense_in_a_record_is_no_price() -> None:
    batch = decode(TickBatch, encode(batch_of([Tick("NSE:INFY", OPEN_US, float("nan"), close=float("inf"))])))
    row: Live = table_of(batch).of(["NSE:INFY"])["NSE:INFY"]
    assert (row.last_price, row.close) == (0.0, None)


def test_the_last_price_comes_with_the_clock_of_its_partition() -> None:
    table = LiveTable()
    assert table.last("NSE:INFY") is None
    table.fold(batch_of([Tick("NSE:INFY", OPEN_US, 100.05)]), 3)
    table.fold(batch_of([Tick("NSE:TCS", OPEN_US + 9, 7.0)]), 4)
    assert table.last("NSE:INFY") == Last(100.05, OPEN_US, OPEN_US)
    table.fold(empty_batch("kite", "local-1", OPEN_US + 5), 3)
    assert table.last("NSE:INFY") == Last(100.05, OPEN_US, OPEN_US + 5), "a sign of life: there was no later price"
    table.fold(batch_of([Tick("NSE:INFY", OPEN_US + 8, 101.0)]), 4)  # it was given another partition
    assert table.last("NSE:INFY") == Last(101.0, OPEN_US + 8, OPEN_US + 9)
    assert table.last("NSE:NONE") is None
