"""Kite's binary frames to columns, vectorised.

A frame is u16 count, then (u16 length, body) each, big-endian; the body's length is its type. Frames in which all
packets have one length, the usual case, are read through a single structured view; mixed ones are gathered by
type first. Source: Kite Connect's websocket documentation and the official client's parser, against which the
tests compare every value.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

from producers.feed.provider import Decoded
from schemas.market import TickKind
from schemas.ticks import COLUMNS, DEPTH, DEPTH_LEVELS, Column

LENGTHS = {
    8: TickKind.LTP,
    28: TickKind.INDEX_QUOTE,
    32: TickKind.INDEX_FULL,
    44: TickKind.QUOTE,
    184: TickKind.FULL,
}

_SECOND_US = np.int64(1_000_000)

# price = integer / divisor, by segment (the token's low byte)
DIVISORS = np.full(256, 100.0)
DIVISORS[3] = 1e7  # CDS
DIVISORS[[6, 12]] = 1e4  # BCD, NCO

_LEVEL = np.dtype([("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("padding", ">u2")])


def _layout(length: int) -> np.dtype[np.void]:
    """One packet with its length field: the 4-byte words, then depth where there is any."""
    words = ("words", ">u4", (min(length, 64) // 4,))
    depth = [("depth", _LEVEL, (DEPTH_LEVELS,))] if length == 184 else []
    return np.dtype([("length", ">u2"), words, *depth])


_LAYOUTS = {length: _layout(length) for length in LENGTHS}
_Columns = dict[str, Column]

_Words = tuple[tuple[str, int], ...]  # a column's name and the word that holds it
_Named = tuple[tuple[str, ...], Column]  # many columns' names, and their words


def _named(**words: int) -> _Named:
    return tuple(words), np.array(list(words.values()), np.intp)


_INDEX_PRICES = _named(last_price=1, high=2, low=3, open=4, close=5)
_TRADED_PRICES = _named(last_price=1, average_price=3, open=7, high=8, low=9, close=10)
_TRADED_COUNTS = (("last_quantity", 2), ("buy_quantity", 5), ("sell_quantity", 6))
_PRICES: dict[TickKind, _Named] = {
    TickKind.LTP: _named(last_price=1),
    TickKind.INDEX_QUOTE: _INDEX_PRICES,
    TickKind.INDEX_FULL: _INDEX_PRICES,
    TickKind.QUOTE: _TRADED_PRICES,
    TickKind.FULL: _TRADED_PRICES,
}
_NONE = dict.fromkeys(LENGTHS.values(), ())
_COUNTS: dict[TickKind, _Words] = _NONE | {TickKind.QUOTE: _TRADED_COUNTS, TickKind.FULL: _TRADED_COUNTS}
_WIDE: dict[TickKind, _Words] = _NONE | {
    TickKind.QUOTE: (("volume", 4),),
    TickKind.FULL: (("volume", 4), ("oi", 12), ("oi_day_high", 13), ("oi_day_low", 14)),
}
_TIMES: dict[TickKind, _Words] = _NONE | {
    TickKind.INDEX_FULL: (("exchange_us", 7),),
    TickKind.FULL: (("last_trade_us", 11), ("exchange_us", 15)),
}
_KNOWN = np.array(list(LENGTHS))
_ABSENT = {"volume": -1, "oi": -1}
_COLUMN_NAMES = tuple(name for name in COLUMNS if name not in ("instrument", "resumed_us"))


def decode(frame: bytes, receive_us: int) -> Decoded:
    """The ticks of a frame received at ``receive_us``, in its order.

    Whole packets are always used; a frame that is cut off, or holds a packet of unknown length, says so in
    ``broken``. A heartbeat (one byte) has no ticks.
    """
    if len(frame) < 4:
        whole = len(frame) <= 1 or frame == b"\x00\x00"
        return Decoded(*_nothing(), broken="" if whole else f"a frame of {len(frame)} bytes")
    count, length = struct.unpack_from(">HH", frame)
    layout = _LAYOUTS.get(length)
    if layout is not None and len(frame) == 2 + count * layout.itemsize:
        packets = np.frombuffer(frame, layout, count, 2)
        if packets["length"].tobytes() == _lengths(length, count):
            token, columns = _uniform(packets, LENGTHS[length], receive_us)
            return Decoded(token, _defaults(LENGTHS[length], count) | columns)
    return _mixed(frame, count, receive_us)


def _uniform(packets: Column, kind: TickKind, receive_us: int) -> tuple[Column, _Columns]:
    """Packets of one kind to tokens and the columns that they fill."""
    words = packets["words"].T.astype("<u4", order="C")  # one row a word: each column is then contiguous
    token = words[0]
    divisor = DIVISORS.take(token.view("u1")[::4])  # the low byte
    columns: _Columns = {"receive_us": np.full(len(packets), receive_us, "<i8")}
    names, places = _PRICES[kind]
    columns.update(zip(names, words.take(places, axis=0) / divisor, strict=True))
    for name, word in _COUNTS[kind]:
        columns[name] = words[word]
    for name, word in _WIDE[kind]:
        columns[name] = words[word].astype("<i8")
    for name, word in _TIMES[kind]:
        columns[name] = words[word] * _SECOND_US
    if kind is TickKind.FULL:
        depth = packets["depth"]
        columns["depth_price"] = depth["price"] / divisor[:, None]
        columns["depth_quantity"] = depth["quantity"].astype("<u4")
        columns["depth_orders"] = depth["orders"].astype("<u2")
    return token, columns


@lru_cache(maxsize=512)
def _lengths(length: int, count: int) -> bytes:
    """The length fields of a frame in which all packets have one length."""
    return struct.pack(">H", length) * count


@lru_cache(maxsize=512)
def _defaults(kind: TickKind, count: int) -> _Columns:
    """Columns of packets that say nothing but their kind: read-only, shared by all frames of that size."""
    columns: _Columns = {name: np.full(count, _ABSENT.get(name, 0), COLUMNS[name]) for name in _COLUMN_NAMES}
    columns |= {name: np.empty((0, DEPTH_LEVELS), dtype) for name, dtype in DEPTH.items()}
    columns["kind"][:] = kind
    for column in columns.values():
        column.flags.writeable = False
    return columns


def _nothing() -> tuple[Column, _Columns]:
    return np.empty(0, "<u4"), _defaults(TickKind.LTP, 0)


def _mixed(frame: bytes, count: int, receive_us: int) -> Decoded:
    """A frame with packets of several kinds: each kind is gathered, decoded, and put back in its place."""
    starts, lengths, broken = _walk(frame, count)
    known = np.isin(lengths, _KNOWN)
    if not known.all():
        odd = int(np.flatnonzero(~known)[0])
        broken = broken or f"packet {odd + 1} has an unknown length of {lengths[odd]} bytes"
        starts, lengths = starts[known], lengths[known]
    packed = np.frombuffer(frame, "u1")
    token = np.empty(len(starts), "<u4")
    has_depth = bool((lengths == 184).any())
    columns = {
        name: column.copy()
        if not name.startswith("depth")
        else np.zeros((len(starts) * has_depth, DEPTH_LEVELS), column.dtype)
        for name, column in _defaults(TickKind.LTP, len(starts)).items()
    }
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        layout = _LAYOUTS[length]
        packets = packed[starts[rows, None] + np.arange(layout.itemsize)].view(layout)[:, 0]
        token[rows], filled = _uniform(packets, LENGTHS[length], receive_us)
        columns["kind"][rows] = LENGTHS[length]
        for name, values in filled.items():
            columns[name][rows] = values
    return Decoded(token, columns, broken)


def _walk(frame: bytes, count: int) -> tuple[Column, Column, str]:
    """Where each whole packet starts (at its length field), its length, and what is wrong after the last of them."""
    starts: list[int] = []
    lengths: list[int] = []
    at, end, broken = 2, len(frame), ""
    for number in range(count):
        if at + 2 > end:
            broken = f"the frame ends after {number} of {count} packets"
            break
        length = frame[at] << 8 | frame[at + 1]
        if at + 2 + length > end:
            broken = f"packet {number + 1} of {count} is cut off"
            break
        starts.append(at)
        lengths.append(length)
        at += 2 + length
    if not broken and at != end:
        broken = f"{end - at} bytes follow the last packet"
    return np.array(starts, np.intp), np.array(lengths, np.intp), broken
