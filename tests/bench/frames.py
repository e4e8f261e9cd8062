"""Kite frames with plausible contents: what the benchmark's own websocket server sends."""

from __future__ import annotations

import struct

import numpy as np

from producers.simulator.packets import FULL, MODE_CODES, Bytes, Packets, cut, frames, full_packets

FIRST_SECOND = 1_736_912_700  # 2025-01-15 09:15 IST
AWAY = np.array([-1, -2, -3, -4, -5, 1, 2, 3, 4, 5]) * 5  # depth, in paise from the last price

__all__ = ["FULL", "mixed_frame", "packets", "tokens_of", "uniform_frame"]


def tokens_of(instruments: int) -> np.ndarray:
    """Tokens of NSE's segment."""
    return (np.arange(1, instruments + 1) << 8) | 1


def packets(tokens: np.ndarray, second: int, rng: np.random.Generator) -> Packets:
    """One full packet for each token, its volume grown with the seconds since the open."""
    n = len(tokens)
    price, quantity = 100_000 + tokens % 90_000 + rng.integers(-50, 50, n), rng.integers(1, 500, n)
    made = full_packets(
        tokens,
        last_price=price, average_price=price, open=price - 20, high=price + 60, low=price - 70, close=price - 35,
        last_quantity=quantity, volume=1000 + 600 * second + quantity,
        buy_quantity=rng.integers(1, 1_000_000, n), sell_quantity=rng.integers(1, 1_000_000, n),
        last_trade_time=FIRST_SECOND + second, exchange_time=FIRST_SECOND + second,
    )  # fmt: skip
    made["depth"]["price"] = price[:, None] + AWAY
    made["depth"]["quantity"] = rng.integers(1, 5000, (n, 10))
    made["depth"]["orders"] = rng.integers(1, 50, (n, 10))
    return made


def uniform_frame(made: Packets, mode: str = "full") -> bytes:
    """One frame with all these packets in one mode."""
    (whole,) = frames([cut(made, MODE_CODES[mode])], limit=len(made))
    return whole


def mixed_frame(made: Packets) -> bytes:
    """The packets in mode ltp, quote and full in turn."""
    rows: dict[int, Bytes] = {place: cut(made, code) for place, code in enumerate(MODE_CODES.values())}
    return struct.pack(">H", len(made)) + b"".join(rows[n % 3][n].tobytes() for n in range(len(made)))
