"""Kite's binary packets as numpy records, and the frames made of them.

A record is a packet with its own length before it, as it lies in a frame. A quote packet is the first 44 bytes of
a full one, an ltp packet the first 8 (of index packets 28 and 8), so a mode is a matter of where a row is cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Packets = NDArray[Any]
Bytes = NDArray[np.uint8]

LTP, QUOTE, FULL_MODE = 1, 2, 3
MODE_CODES: dict[str, int] = {"ltp": LTP, "quote": QUOTE, "full": FULL_MODE}
INDEX_SEGMENT = 9
FRAME_PACKETS = 300

LEVEL = np.dtype([("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("padding", ">u2")])
FULL = np.dtype(
    [("length", ">u2")]
    + [
        (name, ">u4")
        for name in (
            "token", "last_price", "last_quantity", "average_price", "volume", "buy_quantity", "sell_quantity",
            "open", "high", "low", "close", "last_trade_time", "oi", "oi_day_high", "oi_day_low", "exchange_time",
        )
    ]
    + [("depth", LEVEL, (10,))]
)  # fmt: skip
INDEX = np.dtype(
    [("length", ">u2")]
    + [(name, ">u4") for name in ("token", "last_price", "high", "low", "open", "close")]
    + [("change", ">i4"), ("exchange_time", ">u4")]
)
BODY = {LTP: 8, QUOTE: 44, FULL_MODE: 184}
INDEX_BODY = {LTP: 8, QUOTE: 28, FULL_MODE: 32}


def full_packets(token: ArrayLike, **columns: ArrayLike) -> Packets:
    """Full packets, shape ``(n,)``. Columns are scalars or arrays ``(n,)``; prices are integers in the exchange's unit.

    What is not given is 0. ValueError for a column that the packet does not have.
    """
    return _packets("a full packet", FULL, BODY[FULL_MODE], token, columns)


def index_packets(token: ArrayLike, **columns: ArrayLike) -> Packets:
    """Index packets, shape ``(n,)``; as :func:`full_packets`."""
    return _packets("an index packet", INDEX, INDEX_BODY[FULL_MODE], token, columns)


def _packets(
    what: str, kind: np.dtype[np.void], length: int, token: ArrayLike, columns: Mapping[str, ArrayLike]
) -> Packets:
    if unknown := set(columns) - set(kind.names or ()):
        raise ValueError(f"{what} has no {sorted(unknown)[0]}")
    packets = np.zeros(max((np.size(column) for column in (token, *columns.values())), default=1), kind)
    packets["length"] = length
    packets["token"] = token
    for name, column in columns.items():
        packets[name] = column
    return packets


def as_bytes(packets: Packets) -> Bytes:
    """The same memory as rows of bytes, shape ``(n, itemsize)``."""
    return packets.view(np.uint8).reshape(len(packets), packets.dtype.itemsize)


def cut(packets: Packets, mode: int) -> Bytes:
    """Copies of packets, cut to a mode: shape ``(n, 2 + body)``."""
    body = (INDEX_BODY if packets.dtype == INDEX else BODY)[mode]
    rows = as_bytes(packets)[:, : 2 + body].copy()
    rows[:, 0], rows[:, 1] = divmod(body, 256)
    return rows


def frames(blocks: Sequence[Bytes], limit: int = FRAME_PACKETS) -> list[bytes]:
    """Frames of at most ``limit`` packets that hold the blocks' rows in order; as few as possible."""
    made: list[bytes] = []
    parts: list[bytes] = []
    count = 0
    for block in blocks:
        start = 0
        while start < len(block):
            stop = min(len(block), start + limit - count)
            parts.append(block[start:stop].tobytes())
            count += stop - start
            start = stop
            if count == limit:
                made.append(count.to_bytes(2, "big") + b"".join(parts))
                parts, count = [], 0
    if count:
        made.append(count.to_bytes(2, "big") + b"".join(parts))
    return made
