"""The market's packets: the same seed gives the same bytes, whatever way one gets there."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from producers.simulator.catalogue import catalogue
from producers.simulator.history import Candles, past_days, running_day
from producers.simulator.market import Market, Moment
from producers.simulator.packets import frames
from producers.simulator.path import STEPS, DayPath, previous_day

DAY = date(2026, 11, 20)
SIZE = 400
TICKER = KiteTicker("key", "token")


def market(seed: int = 1, size: int = SIZE, day: date = DAY, load: bool = False) -> Market:
    return Market(seed, catalogue(seed, day, size, load))


def at(number: int, seed: int = 1, size: int = SIZE) -> Market:
    made = market(seed, size)
    made.at(Moment(*divmod(number, STEPS)))
    return made


def run(made: Market, start: int, stop: int, stride: int = 1) -> None:
    made.at(Moment(*divmod(start, STEPS)))
    for number in range(start + stride, stop, stride):
        made.advance(Moment(*divmod(number, STEPS)))
    made.advance(Moment(*divmod(stop, STEPS)))


def bytes_of(made: Market) -> bytes:
    return made.index.tobytes() + made.tradable.tobytes()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 373 * STEPS), st.integers(1, 200), st.integers(1, 150))
def test_steps_taken_skipped_or_never_seen_lead_to_the_same_bytes(
    seed: int, start: int, steps: int, stride: int
) -> None:
    stop = start + steps
    one, some = market(seed), market(seed)
    run(one, start, stop)
    run(some, start, stop, stride)
    assert bytes_of(one) == bytes_of(some) == bytes_of(at(stop, seed))


def test_another_seed_is_another_market() -> None:
    assert bytes_of(at(5000, seed=1)) != bytes_of(at(5000, seed=2))


def test_more_instruments_leave_the_others_as_they_are() -> None:
    few, many = at(7777, size=400), at(7777, size=900)
    for name in ("NSE:INFY", "NSE:RELIANCE", "NFO:NIFTY26NOVFUT"):
        rows = [m.catalogue.row_named[name] - m.catalogue.indices for m in (few, many)]
        assert few.tradable[rows[0]] == many.tradable[rows[1]]


def test_the_official_parser_reads_what_the_market_is() -> None:
    made = at(20_000)
    rows = np.arange(SIZE)
    whole = frames(made.blocks(rows, np.full(SIZE, 3)))
    ticks = [tick for frame in whole for tick in TICKER._parse_binary(frame)]
    assert [len(frame) > 2 for frame in whole] == [True, True]
    assert {tick["instrument_token"] for tick in ticks} == set(made.catalogue.row_of)
    for tick in ticks:
        ohlc = tick["ohlc"]
        assert tick["mode"] == "full"
        assert 0 < ohlc["low"] <= min(ohlc["open"], tick["last_price"])
        assert max(ohlc["open"], tick["last_price"]) <= ohlc["high"]
        if tick["tradable"]:
            assert ohlc["low"] <= tick["average_traded_price"] <= ohlc["high"]
            assert tick["last_traded_quantity"] <= tick["volume_traded"]
            check_depth(tick)


def check_depth(tick: dict) -> None:
    bids = [level["price"] for level in tick["depth"]["buy"] if level["quantity"]]
    asks = [level["price"] for level in tick["depth"]["sell"] if level["quantity"]]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert len(asks) == 5
    if bids:
        assert bids[0] < asks[0]
        assert tick["last_price"] in (bids[0], asks[0])
    assert all(level["orders"] <= level["quantity"] for level in tick["depth"]["sell"])


def test_frames_hold_only_what_changed() -> None:
    made = market()
    made.at(Moment(100, 3))
    before = made.tradable.copy()
    rows, moved = made.advance(Moment(100, 4))
    k = made.catalogue.indices
    changed = set((np.flatnonzero(made.tradable != before) + k).tolist())
    assert changed <= set(rows.tolist())
    assert set(moved.tolist()) <= set(rows.tolist())
    assert 0 < len(rows) < SIZE


def test_under_load_everything_changes_in_every_step() -> None:
    made = market(load=True)
    made.at(Moment(200, 0))
    assert all(len(made.advance(Moment(200, step))[0]) == SIZE for step in range(1, 5))


@pytest.mark.parametrize("name", ["NSE:INFY", "NSE:NIFTY 50", "NFO:NIFTY26NOVFUT", "NFO:NIFTY26DECFUT"])
def test_history_is_what_the_ticks_folded_give(name: str) -> None:
    made = market()
    row = made.catalogue.row_named[name]
    made.at(Moment(30, 0))
    folded: dict[int, list[float]] = {}
    for number in range(30 * STEPS + 1, 34 * STEPS):
        made.advance(Moment(*divmod(number, STEPS)))
        tick = TICKER._parse_binary(frames(made.blocks(np.array([row]), np.array([3])))[0])[0]
        minute, price = number // STEPS, tick["last_price"]
        if minute > 30 and made.minute is not None and made.minute.traded[number % STEPS, row]:
            candle = folded.setdefault(minute, [price, price, price, price, 0])
            candle[1], candle[2], candle[3] = max(candle[1], price), min(candle[2], price), price
            candle[4] += tick.get("last_traded_quantity", 0)
    traits = made.catalogue.traits.only(row)
    history = {minute: [*values, volume] for minute, *values, volume in candles(made, traits)}
    assert folded == {minute: history[minute] for minute in folded}
    assert set(folded) <= {31, 32, 33}
    running = running_day(made, traits, 1, row, 1)
    assert running.close[-1] == tick["last_price"]
    assert running.volume.sum() == tick.get("volume_traded", 0)


def past_day(traits: Any, day: date, width: int) -> Candles:
    return past_days(1, traits, [day], width)[0]


def candles(made: Market, traits: Any) -> list[tuple]:
    day = past_day(traits, DAY, 1)
    minutes = (day.start_us - made.path.session.open_us) // 60_000_000
    columns = (day.open, day.high, day.low, day.close, day.volume)
    return list(zip(minutes.tolist(), *(column.tolist() for column in columns), strict=True))


def test_the_days_candle_is_the_folded_minutes_and_tomorrows_close() -> None:
    made = market()
    traits = made.catalogue.traits.only(made.catalogue.row_named["NSE:INFY"])
    minutes, whole = past_day(traits, DAY, 1), past_day(traits, DAY, 0)
    assert [whole.open[0], whole.high[0], whole.low[0]] == [minutes.open[0], minutes.high.max(), minutes.low.min()]
    assert [whole.close[0], whole.volume[0]] == [minutes.close[-1], minutes.volume.sum()]
    before = past_day(traits, previous_day(DAY), 0)
    assert before.close[0] * 100 == DayPath(1, traits, DAY).previous_close[0] * traits.tick[0]


@pytest.mark.parametrize(("width", "count"), [(1, 375), (3, 125), (15, 25), (60, 7), (0, 1)])
def test_longer_candles_start_at_the_opening(width: int, count: int) -> None:
    traits = market().catalogue.traits.only(16)
    day = past_day(traits, DAY, width)
    assert len(day.open) == count
    assert day.start_us[0] == DayPath(1, traits, DAY).session.open_us


def test_days_made_together_are_the_days_made_alone() -> None:
    traits = market().catalogue.traits.only(market().catalogue.row_named["NFO:NIFTY26NOVFUT"])
    days = [date(2025, 10, 20), date(2025, 10, 21), previous_day(DAY), DAY]  # one a short session
    together = past_days(1, traits, days, 30)
    for day, candles_of in zip(days, together, strict=True):
        assert list(candles_of.rows(slice(None))) == list(past_day(traits, day, 30).rows(slice(None)))
