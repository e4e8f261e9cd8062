"""Kite's binary frames to columns, vectorised.

A frame is u16 count, then (u16 length, body) each, big-endian; the body's length is its type. Frames in which all
packets have one length, the usual case, are read through a single structured view; mixed ones are gathered by
type first. Source: Kite Connect's websocket documentation and the official client's parser, against which the
tests compare every value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np

from producers.feed.provider import Decoded, Frame
from schemas.market import TickKind
from schemas.ticks import COLUMNS, DEPTH, DEPTH_LEVELS, Column, absent_column

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
_COLUMN_NAMES = tuple(name for name in COLUMNS if name not in ("instrument", "resumed_us"))


def decode_all(frames: Sequence[Frame]) -> Iterator[tuple[Frame, Decoded]]:
    """Every frame's ticks, in order.

    Neighbouring frames whose packets all have one length are decoded together and given with the last of them: numpy's
    fixed price is then paid once. Each tick keeps the receive time of its own frame.
    """
    for length, group in groupby(frames, lambda frame: _common_length(frame.payload)):
        alike = list(group)
        together = _together_if_uniform(alike, length) if length and len(alike) > 1 else None
        if together is not None:
            yield alike[-1], together
        else:
            yield from ((frame, decode(frame.payload, frame.receive_us)) for frame in alike)


def _common_length(frame: bytes) -> int:
    """The length of all of a frame's packets, by its size; 0 when it has none, or several kinds, or is broken."""
    if len(frame) < 4:
        return 0
    count, length = struct.unpack_from(">HH", frame)
    layout = _LAYOUTS.get(length)
    return length if layout is not None and len(frame) == 2 + count * layout.itemsize else 0


def _together_if_uniform(frames: list[Frame], length: int) -> Decoded | None:
    layout = _LAYOUTS[length]
    packets = np.frombuffer(b"".join([frame.payload[2:] for frame in frames]), layout)
    if not (packets["length"] == length).all():
        return None
    token, columns = _uniform(packets, LENGTHS[length], 0)
    counts = [len(frame.payload) // layout.itemsize for frame in frames]
    columns["receive_us"] = np.repeat(np.array([frame.receive_us for frame in frames], "<i8"), counts)
    return Decoded(token, _defaults(LENGTHS[length], len(packets)) | columns)


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
    own: _Columns = {name: np.empty((0, DEPTH_LEVELS), dtype) for name, dtype in DEPTH.items()}
    own["kind"] = np.full(count, kind, COLUMNS["kind"])
    for column in own.values():
        column.flags.writeable = False
    return {name: absent_column(name, count) for name in _COLUMN_NAMES} | own


def _nothing() -> tuple[Column, _Columns]:
    return np.empty(0, "<u4"), _defaults(TickKind.LTP, 0)


def _mixed(frame: bytes, count: int, receive_us: int) -> Decoded:
    """A frame with packets of several kinds: each kind is gathered, decoded, and put back in its place."""
    packets, broken = _split(frame, count)
    lengths = np.array([len(packet) - 2 for packet in packets], np.intp)
    token = np.empty(len(packets), "<u4")
    columns = {name: column.copy() for name, column in _defaults(TickKind.LTP, len(packets)).items()}
    if (lengths == 184).any():
        columns |= {name: np.zeros((len(packets), DEPTH_LEVELS), dtype) for name, dtype in DEPTH.items()}
    for length in set(lengths.tolist()):
        rows = np.flatnonzero(lengths == length)
        gathered = np.frombuffer(b"".join([packets[row] for row in rows.tolist()]), _LAYOUTS[length])
        token[rows], filled = _uniform(gathered, LENGTHS[length], receive_us)
        columns["kind"][rows] = LENGTHS[length]
        for name, values in filled.items():
            columns[name][rows] = values
    return Decoded(token, columns, broken)


def _split(frame: bytes, count: int) -> tuple[list[bytes], str]:
    """The whole packets of known kinds, each with its length field, and the first thing that is wrong."""
    packets: list[bytes] = []
    at, end, broken = 2, len(frame), ""
    for number in range(1, count + 1):
        if at + 2 > end:
            return packets, broken or f"the frame ends after {number - 1} of {count} packets"
        length = frame[at] << 8 | frame[at + 1]
        after = at + 2 + length
        if after > end:
            return packets, broken or f"packet {number} of {count} is cut off"
        if length in LENGTHS:
            packets.append(frame[at:after])
        else:
            broken = broken or f"packet {number} has an unknown length of {length} bytes"
        at = after
    if at != end:
        broken = broken or f"{end - at} bytes follow the last packet"
    return packets, broken
