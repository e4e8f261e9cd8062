"""The candle benchmark's ticks: 300 shares, two full-mode ticks a second each, in TickBatch records of any size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from schemas.market import TickKind
from schemas.ticks import COLUMNS, DEPTH, DEPTH_LEVELS, TickBatch

INSTRUMENTS = 300
OPENING_US = 1_736_912_700_000_000  # 2025-01-15 09:15 IST
STEP_US = 500_000
AWAY = np.array([-1, -2, -3, -4, -5, 1, 2, 3, 4, 5]) * 0.05


def batches(partitions: int, per_record: int, ticks: int) -> Iterator[tuple[int, TickBatch]]:
    """(partition, batch) in the order of market time: about ``ticks`` ticks, every record with ``per_record``."""
    rng = np.random.default_rng(1)
    here = INSTRUMENTS // partitions
    steps = per_record // here
    if steps * here != per_record:
        raise ValueError(f"records of {per_record} ticks do not hold {here} instruments evenly")
    names = [tuple(f"NSE:B{p:02}{i:02}" for i in range(here)) for p in range(partitions)]
    price = rng.uniform(100, 4000, (partitions, here)).round(2)
    volume = np.full((partitions, here), 1000)
    for number in range(ticks // per_record // partitions):
        start_us = OPENING_US + number * steps * STEP_US
        for p in range(partitions):
            quantity = rng.integers(1, 400, (steps, here))
            path = (price[p] + rng.integers(-4, 5, (steps, here)).cumsum(axis=0) * 0.05).round(2)
            grown = volume[p] + quantity.cumsum(axis=0)
            price[p], volume[p] = path[-1], grown[-1]
            yield p, _batch(names[p], start_us, path, quantity, grown)


def _batch(names: tuple[str, ...], start_us: int, path: Any, quantity: Any, grown: Any) -> TickBatch:
    steps, here = path.shape
    n = steps * here
    seen_us = np.repeat(start_us + np.arange(steps) * STEP_US, here)
    last = path.ravel()
    whole_second = seen_us // 1_000_000 * 1_000_000
    told: dict[str, Any] = {
        "instrument": np.tile(np.arange(here), steps), "kind": np.full(n, TickKind.FULL), "receive_us": seen_us,
        "exchange_us": whole_second, "last_trade_us": whole_second, "last_price": last, "average_price": last,
        "last_quantity": quantity.ravel(), "volume": grown.ravel(), "buy_quantity": grown.ravel() * 3,
        "sell_quantity": grown.ravel() * 2, "open": last - 1, "high": last + 5, "low": last - 5, "close": last - 2,
        "oi": np.zeros(n),
    }  # fmt: skip
    columns = {name: np.asarray(told.get(name, np.zeros(n)), dtype) for name, dtype in COLUMNS.items()}
    columns["depth_price"] = last[:, None] + AWAY
    columns["depth_quantity"] = (quantity.ravel()[:, None] * np.arange(1, DEPTH_LEVELS + 1)).astype(
        DEPTH["depth_quantity"]
    )
    columns["depth_orders"] = np.ones((n, DEPTH_LEVELS), DEPTH["depth_orders"])
    return TickBatch("kite", "bench", int(seen_us[-1]), names, **columns)


def json_records(batch: TickBatch) -> Iterator[bytes]:
    """The same ticks, one JSON record each, as the plain way would send them."""
    shown = [name for name in COLUMNS if name not in ("instrument", "resumed_us")]
    columns = [getattr(batch, name).tolist() for name in (*shown, *DEPTH)]
    for which, values in zip(batch.instrument.tolist(), zip(*columns, strict=True), strict=True):
        yield orjson.dumps({"instrument": batch.names[which], **dict(zip((*shown, *DEPTH), values, strict=True))})
