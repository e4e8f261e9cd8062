"""The join of candles: associative, commutative and idempotent, so that order and repetition cannot matter.

A candle is a row of prices (float64: open, high, low, close) and a row of integers (int64: the order keys of the
first and the last tick, volume before and after, open interest). Rows are joined many at a time.

The keys ``(time, cumulative volume, receive time)`` order ticks; where they are equal the price decides, then the
open interest, so that the order is total whatever arrives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.market import Candle

Prices = NDArray[np.float64]  # (n, 4)
Keys = NDArray[np.int64]  # (n, 9)
Mask = NDArray[np.bool_]

OPEN, HIGH, LOW, CLOSE = range(4)
FIRST, LAST = slice(0, 3), slice(3, 6)  # (time, cumulative volume, receive time)
VOLUME_FROM, VOLUME_TO, OI = 6, 7, 8
NONE = np.iinfo(np.int64).max  # "no volume_from": the identity of min

EMPTY_PRICES = np.array([np.nan, -np.inf, np.inf, np.nan])
EMPTY_KEYS = np.array([NONE, NONE, NONE, -1, -1, -1, NONE, -1, -1])


def join(prices: Prices, keys: Keys, other_prices: Prices, other_keys: Keys) -> Mask:
    """Joins the others into the first rows, in place; returns which rows say something new.

    A later receive time of the same trade alone (a change of depth) is kept but is not news.
    """
    opens = _earlier(other_keys[:, FIRST], keys[:, FIRST], other_prices[:, OPEN], prices[:, OPEN])
    closes = _earlier(keys[:, LAST], other_keys[:, LAST], prices[:, CLOSE], other_prices[:, CLOSE], keys, other_keys)
    news = opens | (other_prices[:, HIGH] > prices[:, HIGH]) | (other_prices[:, LOW] < prices[:, LOW])
    news |= (other_keys[:, VOLUME_FROM] < keys[:, VOLUME_FROM]) | (other_keys[:, VOLUME_TO] > keys[:, VOLUME_TO])
    if opens.any():
        keys[opens, FIRST] = other_keys[opens, FIRST]
        prices[opens, OPEN] = other_prices[opens, OPEN]
    if closes.any():
        news |= closes & (
            (keys[:, 3] != other_keys[:, 3])
            | (keys[:, 4] != other_keys[:, 4])
            | (prices[:, CLOSE] != other_prices[:, CLOSE])
            | (keys[:, OI] != other_keys[:, OI])
        )
        keys[closes, LAST] = other_keys[closes, LAST]
        keys[closes, OI] = other_keys[closes, OI]
        prices[closes, CLOSE] = other_prices[closes, CLOSE]
    np.maximum(prices[:, HIGH], other_prices[:, HIGH], out=prices[:, HIGH])
    np.minimum(prices[:, LOW], other_prices[:, LOW], out=prices[:, LOW])
    np.minimum(keys[:, VOLUME_FROM], other_keys[:, VOLUME_FROM], out=keys[:, VOLUME_FROM])
    np.maximum(keys[:, VOLUME_TO], other_keys[:, VOLUME_TO], out=keys[:, VOLUME_TO])
    return news


def _earlier(
    a: Keys, b: Keys, a_price: Prices, b_price: Prices, a_row: Keys | None = None, b_row: Keys | None = None
) -> Mask:
    """Where key a comes before key b; the price, then the open interest of the rows decide between equals."""
    before: Mask = a[:, 0] < b[:, 0]
    ties = np.flatnonzero(a[:, 0] == b[:, 0])
    if len(ties):
        a, b, left, right = a[ties], b[ties], a_price[ties], b_price[ties]
        last = left < right
        if a_row is not None and b_row is not None:
            last |= (left == right) & (a_row[ties, OI] < b_row[ties, OI])
        last = (a[:, 2] < b[:, 2]) | ((a[:, 2] == b[:, 2]) & last)
        before[ties] = (a[:, 1] < b[:, 1]) | ((a[:, 1] == b[:, 1]) & last)
    return before


def row_of(candle: Candle) -> tuple[Prices, Keys]:
    """A candle as rows of shape (1, 4) and (1, 9)."""
    before = candle.volume_from if candle.volume_from >= 0 else NONE
    prices = np.array([[candle.open, candle.high, candle.low, candle.close]])
    return prices, np.array([[*candle.first, *candle.last, before, candle.volume_to, candle.oi]], np.int64)
