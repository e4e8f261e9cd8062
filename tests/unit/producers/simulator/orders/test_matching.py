"""Who gets what from the book."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from producers.simulator.orders.matching import BOTTOMLESS, Look, Pool, look_of, take, waits
from producers.simulator.packets import full_packets
from tests.unit.producers.simulator.orders.stand import look

BOOK = look(100, bids=[(99.9, 10), (99.8, 20)], asks=[(100.1, 10), (100.2, 20)])


def test_an_order_that_comes_takes_levels_at_their_prices_as_far_as_its_limit() -> None:
    assert take(Pool(BOOK), "BUY", 10_020, 15, passive=False) == [(10_010, 10), (10_020, 5)]
    assert take(Pool(BOOK), "BUY", 10_015, 15, passive=False) == [(10_010, 10)]
    assert take(Pool(BOOK), "SELL", 9_980, 100, passive=False) == [(9_990, 10), (9_980, 20)]
    assert take(Pool(BOOK), "BUY", 10_000, 15, passive=False) == []


def test_what_was_taken_is_gone_until_the_depth_changes() -> None:
    pool = Pool(BOOK)
    assert take(pool, "BUY", 10_020, 25, passive=False) == [(10_010, 10), (10_020, 15)]
    pool.see(BOOK)
    assert take(pool, "BUY", 10_020, 25, passive=False) == [(10_020, 5)]
    assert not waits(pool, "BUY")
    pool.see(look(100, asks=[(100.1, 7)]))
    assert take(pool, "BUY", 10_020, 25, passive=False) == [(10_010, 7)]


def test_who_waits_is_filled_at_the_own_price() -> None:
    pool = Pool(BOOK)
    pool.see(look(98, asks=[(98.5, 4), (99, 4), (100, 4)]))
    assert take(pool, "BUY", 9_900, 100, passive=True) == [(9_900, 8)]


def test_what_is_traded_beyond_a_limit_fills_who_waits_there_and_no_more() -> None:
    pool = Pool(BOOK)
    pool.see(look(98, asks=[(99.5, 4)], volume=30))
    assert take(pool, "BUY", 9_900, 20, passive=True) == [(9_900, 20)]
    assert take(pool, "BUY", 9_900, 20, passive=True) == [(9_900, 10)]
    pool.see(look(98, asks=[(99.6, 4)], volume=40))
    assert take(pool, "BUY", 9_800, 20, passive=True) == []  # at the limit itself others may have been first
    assert take(pool, "BUY", 9_900, 20, passive=False) == []  # who comes now was not there


def test_a_tape_has_no_depth_and_no_bottom() -> None:
    packet = full_packets(1, last_price=5_000, volume=3)[0]
    made = look_of(packet)
    assert made.bids == made.asks == ((5_000, BOTTOMLESS),)
    assert take(Pool(made), "SELL", 4_900, 10**6, passive=False) == [(5_000, 10**6)]


def test_a_look_is_what_the_packet_says() -> None:
    packets = full_packets(1, last_price=5_000, close=4_900, volume=3)
    levels = packets["depth"]
    levels["price"][0] = [4_995, 4_990, 0, 0, 0, 5_005, 5_010, 0, 0, 0]
    levels["quantity"][0] = [5, 6, 0, 0, 0, 7, 8, 0, 0, 0]
    made = look_of(packets[0])
    assert made == Look(5_000, 4_900, 3, ((4_995, 5), (4_990, 6)), ((5_005, 7), (5_010, 8)), made.key)
    assert isinstance(made.bids[0][0], int)
    levels["orders"][0] = np.arange(10)
    assert look_of(packets[0]).key != made.key


PRICES = st.integers(90, 110)
LEVELS = st.lists(st.tuples(PRICES, st.integers(1, 50)), max_size=5, unique_by=lambda level: level[0])


@given(LEVELS, st.lists(st.tuples(PRICES, st.integers(1, 60), st.booleans()), max_size=8), PRICES, st.integers(0, 40))
def test_nothing_is_given_twice_and_no_limit_is_passed(
    asks: list[tuple[int, int]], orders: list[tuple[int, int, bool]], last: int, traded: int
) -> None:
    pool = Pool(look(100))
    made = look(last, asks=sorted(asks), volume=traded)
    pool.see(made)
    got = 0
    for price, wanted, passive in orders:
        parts = take(pool, "BUY", price * 100, wanted, passive)
        assert all(part > 0 and (paid == price * 100 if passive else paid <= price * 100) for paid, part in parts)
        assert len({paid for paid, _ in parts}) == len(parts)
        assert sum(part for _, part in parts) <= wanted
        got += sum(part for _, part in parts)
    assert got <= sum(part for _, part in asks) + traded
    assert got == sum(part for _, part in asks) + traded - sum(part for _, part in pool.asks) - pool.traded
