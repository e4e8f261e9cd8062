"""Frames of any values, in any mode, are read by the official parser as what they were made of."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from producers.simulator.packets import cut, frames, full_packets, index_packets

U32 = st.integers(0, 2**31 - 1)
TICKER = KiteTicker("key", "token")


@given(st.lists(st.tuples(U32, U32, U32), min_size=1, max_size=50), st.sampled_from([1, 2, 3]), st.integers(1, 20))
def test_tradable(rows: list[tuple[int, int, int]], mode: int, limit: int) -> None:
    tokens = [(number % 10**6) << 8 | 1 for number, _, _ in rows]
    prices, volumes = [row[1] for row in rows], [row[2] for row in rows]
    made = frames([cut(full_packets(tokens, last_price=prices, volume=volumes), mode)], limit)
    ticks = [tick for frame in made for tick in TICKER._parse_binary(frame)]
    assert [tick["instrument_token"] for tick in ticks] == tokens
    assert [round(tick["last_price"] * 100) for tick in ticks] == prices
    assert mode == 1 or [tick["volume_traded"] for tick in ticks] == volumes
    assert {tick["mode"] for tick in ticks} == {("ltp", "quote", "full")[mode - 1]}
    assert all(int.from_bytes(frame[:2], "big") <= limit for frame in made)


@given(st.lists(U32, min_size=1, max_size=50), st.sampled_from([1, 2, 3]))
def test_indices(prices: list[int], mode: int) -> None:
    frame = frames([cut(index_packets(256265, last_price=prices, high=prices, close=7), mode)])[0]
    ticks = TICKER._parse_binary(frame)
    assert [round(tick["last_price"] * 100) for tick in ticks] == prices
    assert mode == 1 or [round(tick["ohlc"]["high"] * 100) for tick in ticks] == prices
    assert not any(tick["tradable"] for tick in ticks)


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 30))
def test_frames_are_filled_before_the_next_begins(sizes: list[int], limit: int) -> None:
    made = frames([cut(full_packets(list(range(n))), 1) for n in sizes if n], limit)
    counts = [int.from_bytes(frame[:2], "big") for frame in made]
    assert sum(counts) == sum(sizes)
    assert all(before == limit for before, _ in pairwise(counts))
