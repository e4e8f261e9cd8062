"""Kite frames with plausible contents, made by numpy: what the benchmark's own websocket server sends."""

from __future__ import annotations

import struct

import numpy as np

LEVEL = np.dtype([("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("padding", ">u2")])
QUOTE_WORDS = (
    "token", "last_price", "last_quantity", "average_price", "volume", "buy_quantity", "sell_quantity",
    "open", "high", "low", "close",
)  # fmt: skip
FULL_WORDS = (*QUOTE_WORDS, "last_trade", "oi", "oi_high", "oi_low", "exchange_time")
QUOTE = np.dtype([("length", ">u2"), *((name, ">u4") for name in QUOTE_WORDS)])
FULL = np.dtype([("length", ">u2"), *((name, ">u4") for name in FULL_WORDS), ("depth", LEVEL, (10,))])
LTP = np.dtype([("length", ">u2"), ("token", ">u4"), ("last_price", ">u4")])
FIRST_SECOND = 1_736_912_700  # 2025-01-15 09:15 IST


def tokens_of(instruments: int) -> np.ndarray:
    """Tokens of NSE's segment."""
    return ((np.arange(1, instruments + 1) << 8) | 1).astype("u4")


def packets(layout: np.dtype[np.void], tokens: np.ndarray, second: int, rng: np.random.Generator) -> np.ndarray:
    """One packet for each token, its volume grown with the seconds since the open."""
    made = np.zeros(len(tokens), layout)
    made["length"] = layout.itemsize - 2
    made["token"] = tokens
    made["last_price"] = price = 100_000 + tokens % 90_000 + rng.integers(-50, 50, len(tokens))
    if layout is LTP:
        return made
    made["last_quantity"] = rng.integers(1, 500, len(tokens))
    made["volume"] = 1000 + 600 * second + made["last_quantity"]
    made["average_price"], made["open"], made["high"], made["low"], made["close"] = (
        price, price - 20, price + 60, price - 70, price - 35,
    )  # fmt: skip
    made["buy_quantity"], made["sell_quantity"] = rng.integers(1, 1_000_000, (2, len(tokens)))
    if layout is FULL:
        made["last_trade"] = made["exchange_time"] = FIRST_SECOND + second
        away = np.array([-1, -2, -3, -4, -5, 1, 2, 3, 4, 5]) * 5
        made["depth"]["price"] = price[:, None] + away
        made["depth"]["quantity"] = rng.integers(1, 5000, (len(tokens), 10))
        made["depth"]["orders"] = rng.integers(1, 50, (len(tokens), 10))
    return made


def frame(made: np.ndarray) -> bytes:
    """A websocket message of these packets."""
    return struct.pack(">H", len(made)) + made.tobytes()


def mixed_frame(tokens: np.ndarray, rng: np.random.Generator) -> bytes:
    """Every third packet ltp, quote and full, in turn."""
    kinds = [packets(layout, tokens, 1, rng) for layout in (LTP, QUOTE, FULL)]
    bodies = [kinds[place % 3][place].tobytes() for place in range(len(tokens))]
    return struct.pack(">H", len(tokens)) + b"".join(bodies)
