"""The decoder against the official client's parser, value by value, and against anything at all."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from producers.feed.provider import Frame
from producers.kite.packets import LENGTHS, decode, decode_all
from schemas.market import TickKind
from tests.bench.frames import mixed_frame, packets, tokens_of, uniform_frame
from tests.data import data_file

official = KiteTicker("key", "token")
NOW = 1_700_000_000_000_000
SEGMENTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12]


def frame_of(packets: list[bytes]) -> bytes:
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(p)) + p for p in packets)


@st.composite
def packet(draw: st.DrawFn, length: int | None = None) -> bytes:
    size = length or draw(st.sampled_from(sorted(LENGTHS)))
    token = draw(st.integers(0, 2**24 - 1)) << 8 | draw(st.sampled_from(SEGMENTS))
    return struct.pack(">I", token) + draw(st.binary(min_size=size - 4, max_size=size - 4))


def as_official(frame: bytes) -> list[dict[str, Any]]:
    """Our columns in the official client's form, without the fields it derives."""
    decoded = decode(frame, NOW)
    c = decoded.columns
    ticks = []
    for i, token in enumerate(decoded.token.tolist()):
        kind = TickKind(int(c["kind"][i]))
        tick: dict[str, Any] = {"instrument_token": token, "last_price": float(c["last_price"][i])}
        if kind is not TickKind.LTP:
            tick["ohlc"] = {name: float(c[name][i]) for name in ("open", "high", "low", "close")}
        if kind in (TickKind.QUOTE, TickKind.FULL):
            tick |= {
                "last_traded_quantity": int(c["last_quantity"][i]),
                "average_traded_price": float(c["average_price"][i]),
                "volume_traded": int(c["volume"][i]),
                "total_buy_quantity": int(c["buy_quantity"][i]),
                "total_sell_quantity": int(c["sell_quantity"][i]),
            }
        if kind is TickKind.FULL:
            tick |= {name: int(c[name][i]) for name in ("oi", "oi_day_high", "oi_day_low")}
            tick["last_trade_time"] = int(c["last_trade_us"][i]) // 1_000_000
            levels = [
                {
                    "quantity": int(c["depth_quantity"][i, k]),
                    "price": float(c["depth_price"][i, k]),
                    "orders": int(c["depth_orders"][i, k]),
                }
                for k in range(10)
            ]
            tick["depth"] = {"buy": levels[:5], "sell": levels[5:]}
        if kind in (TickKind.FULL, TickKind.INDEX_FULL):
            tick["exchange_timestamp"] = int(c["exchange_us"][i]) // 1_000_000
        ticks.append(tick)
    return ticks


def officially(frame: bytes) -> list[dict[str, Any]]:
    ticks: list[dict[str, Any]] = official._parse_binary(frame)
    for tick in ticks:
        for derived in ("tradable", "mode", "change"):
            tick.pop(derived, None)
        for name in ("last_trade_time", "exchange_timestamp"):
            if name in tick:
                tick[name] = int(tick[name].timestamp())  # it made a local time of it; this makes it UTC again
    return ticks


@given(st.lists(packet(), max_size=12))
def test_any_mix_of_packets_decodes_as_the_official_client_does(packets: list[bytes]) -> None:
    frame = frame_of(packets)
    assert as_official(frame) == officially(frame)
    assert decode(frame, NOW).broken == ""


@given(st.sampled_from(sorted(LENGTHS)).flatmap(lambda n: st.lists(packet(n), min_size=1, max_size=12)))
def test_frames_of_one_kind_decode_as_the_official_client_does(packets: list[bytes]) -> None:
    assert as_official(frame_of(packets)) == officially(frame_of(packets))


@given(st.lists(packet(), min_size=1, max_size=6), st.data())
def test_a_truncated_frame_gives_its_whole_packets_and_says_what_is_wrong(packets: list[bytes], data: Any) -> None:
    frame = frame_of(packets)
    cut = frame[: data.draw(st.integers(2, len(frame) - 1))]
    decoded = decode(cut, NOW)
    assert decoded.broken
    whole, at = 0, 2
    while whole < len(packets) and at + 2 + len(packets[whole]) <= len(cut):
        at += 2 + len(packets[whole])
        whole += 1
    assert decoded.token.tolist() == [struct.unpack(">I", p[:4])[0] for p in packets[:whole]]


@given(st.binary(max_size=600))
def test_garbage_never_raises_and_columns_keep_their_lengths(garbage: bytes) -> None:
    decoded = decode(garbage, NOW)
    for name, column in decoded.columns.items():
        assert len(column) == len(decoded.token) or (name.startswith("depth") and len(column) == 0)


@given(st.lists(packet(), min_size=1, max_size=5), packet(), st.integers(0, 5))
def test_an_unknown_packet_is_stepped_over(packets: list[bytes], odd: bytes, place: int) -> None:
    unknown = odd[:20] if len(odd) >= 20 else odd + b"x"
    mixed = [*packets[:place], unknown, *packets[place:]]
    decoded = decode(frame_of(mixed), NOW)
    assert len(decoded.token) == len(packets)
    assert f"unknown length of {len(unknown)} bytes" in decoded.broken


def test_a_heartbeat_has_no_ticks() -> None:
    decoded = decode(b"\x00", NOW)
    assert len(decoded.token) == 0
    assert decoded.broken == ""


@pytest.mark.parametrize("name", ["ticker_full", "ticker_quote"])
def test_captured_packets_decode_to_their_json(name: str) -> None:
    body = base64.b64decode(data_file(f"kite/{name}.packet").read_text())
    meaning = json.loads(data_file(f"kite/{name}.json").read_text())
    (tick,) = as_official(frame_of([body]))
    renamed = {
        "last_quantity": "last_traded_quantity",
        "average_price": "average_traded_price",
        "volume": "volume_traded",
        "buy_quantity": "total_buy_quantity",
        "sell_quantity": "total_sell_quantity",
    }
    for field, value in meaning.items():
        ours = tick.get(renamed.get(field, field))
        if field in ("mode", "tradable", "change", "timestamp", "last_trade_time"):
            continue
        assert ours == value, field
    if name == "ticker_full":
        stamp = int(np.datetime64("2021-07-05T05:11:27").astype(int))
        assert tick["exchange_timestamp"] == tick["last_trade_time"] == stamp


def test_frames_taken_together_give_the_ticks_of_each() -> None:
    rng, tokens = np.random.default_rng(0), tokens_of(37)
    sizes = [(5, "full"), (37, "full"), (3, "full"), (3, "quote"), (2, "quote"), (9, "ltp"), (4, "full")]
    payloads = [uniform_frame(packets(tokens[:n], n, rng), mode) for n, mode in sizes]
    payloads[2:2] = [b"\x00", mixed_frame(packets(tokens, 1, rng))]
    frames = [Frame(payload, 1000 + n) for n, payload in enumerate([*payloads, payloads[0][:-3]])]
    each = [decode(frame.payload, frame.receive_us) for frame in frames]
    together = [decoded for _, decoded in decode_all(frames)]
    assert len(together) < len(each)
    assert [d.broken for d in together if d.broken] == [d.broken for d in each if d.broken]
    for name in ("receive_us", "kind", "last_price", "volume", "exchange_us"):
        one, other = ([d.columns[name] for d in parts if len(d.token)] for parts in (together, each))
        assert np.array_equal(np.concatenate(one), np.concatenate(other))
