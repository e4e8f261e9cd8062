"""Splitting a frame by partition loses nothing, keeps the order, and marks what was interrupted once."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from producers.feed.routes import Routes
from producers.kite.packets import decode
from schemas.codec import decode as decode_record
from schemas.codec import encode
from schemas.market import Mode, Subscription
from schemas.ticks import COLUMNS, DEPTH, TickBatch

NOW = 1_700_000_000_000_000


def frame(tokens: list[int], length: int = 184) -> bytes:
    bodies = (struct.pack(">HII", length, token, 100 + n) + bytes(length - 8) for n, token in enumerate(tokens))
    return struct.pack(">H", len(tokens)) + b"".join(bodies)


def routes_of(count: int, partitions: int, mode: Mode = "full") -> Routes:
    every = [Subscription(f"NSE:I{t}", "kite", t << 8 | 1, mode, t % partitions) for t in range(count)]
    return Routes("kite", "w-1", every)


@given(st.lists(st.integers(0, 29), max_size=60), st.integers(1, 5), st.sampled_from([8, 44, 184]))
def test_every_wanted_tick_goes_to_its_partition_in_order(picks: list[int], partitions: int, length: int) -> None:
    routes = routes_of(20, partitions, "full" if length == 184 else "quote")  # tokens 20 to 29 are no longer wanted
    seen: list[tuple[str, float]] = []
    for partition, batch in routes.split(decode(frame([p << 8 | 1 for p in picks], length), NOW), NOW):
        again = decode_record(TickBatch, encode(batch))
        for name in (*COLUMNS, *DEPTH):
            assert np.array_equal(getattr(again, name), getattr(batch, name)), name
        rows = [(again.names[i], float(p)) for i, p in zip(again.instrument, again.last_price, strict=True)]
        assert {int(name.removeprefix("NSE:I")) % partitions for name, _ in rows} == {partition}
        assert [price for _, price in rows] == sorted(price for _, price in rows)
        seen += rows
    wanted = [(f"NSE:I{p}", (100 + n) / 100) for n, p in enumerate(picks) if p < 20]
    assert sorted(seen) == sorted(wanted)


def test_the_first_tick_after_an_interruption_says_so_and_the_mark_outlives_a_new_table() -> None:
    routes = routes_of(3, 1)
    routes.interrupted([0 << 8 | 1, 1 << 8 | 1], 55)
    after = routes_of(4, 1)
    after.inherit(routes)
    after.interrupted([0 << 8 | 1], 77)  # it is covered only up to the first interruption
    tokens = [0 << 8 | 1, 2 << 8 | 1]
    ((_, batch),) = after.split(decode(frame(tokens), NOW), NOW)
    assert batch.resumed_us.tolist() == [55, 0]
    ((_, batch),) = after.split(decode(frame([*tokens, 1 << 8 | 1]), NOW), NOW)
    assert batch.resumed_us.tolist() == [0, 0, 55]


def test_until_the_mark_is_on_its_way_its_instrument_is_covered_no_further() -> None:
    routes = routes_of(3, 1)
    tokens = [0 << 8 | 1, 1 << 8 | 1]
    assert routes.waits_since(tokens) is None
    routes.interrupted(tokens, 77)
    routes.interrupted(tokens[:1], 55)  # told later, and of an earlier time: a batch that Kafka did not take
    assert [routes.waits_since(some) for some in (tokens, tokens[1:], [2 << 8 | 1], [])] == [55, 77, None, None]
    list(routes.split(decode(frame(tokens[:1]), NOW), NOW))
    assert routes.waits_since(tokens) == 77


def test_a_subscription_streams_once_its_first_tick_came_and_a_new_connection_begins_anew() -> None:
    routes, tokens = routes_of(3, 1), [0 << 8 | 1, 1 << 8 | 1]
    assert routes.has_heard([])
    assert not routes.has_heard(tokens)
    list(routes.split(decode(frame(tokens[:1], 44), NOW), NOW))  # wanted in full, and this is none
    assert not routes.has_heard(tokens[:1])
    list(routes.split(decode(frame(tokens), NOW), NOW))
    after = routes_of(4, 1)
    after.inherit(routes)
    assert after.has_heard(tokens)
    assert not after.has_heard([*tokens, 3 << 8 | 1])
    after.forget_heard()
    assert not after.has_heard(tokens)


def test_a_small_batch_names_only_what_it_holds() -> None:
    routes = routes_of(100, 1)
    ((_, batch),) = routes.split(decode(frame([42 << 8 | 1]), NOW), NOW)
    assert batch.names == ("NSE:I42",)


def test_packets_without_times_that_come_before_mode_full_are_left_out_and_take_no_mark() -> None:
    routes = routes_of(2, 1)
    routes.interrupted([0 << 8 | 1], 55)
    assert list(routes.split(decode(frame([0 << 8 | 1, 1 << 8 | 1], 44), NOW), NOW)) == []
    ((_, batch),) = routes.split(decode(frame([0 << 8 | 1]), NOW), NOW)
    assert batch.resumed_us.tolist() == [55]
