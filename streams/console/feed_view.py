"""The feed as a person sees it: instruments, who streams them, and the workers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable

from streams.console import models
from streams.console.desk import KITE_CONNECTIONS
from streams.console.state import Console


def worker_rows(console: Console) -> list[models.WorkerRow]:
    """Every feed worker heard of lately."""
    with console.prices.table() as table:
        rates = table.worker_rates()
    with console.follower.lock:
        heard = console.feed.workers(time.time())
    return [
        models.WorkerRow(
            **{k: v for k, v in dataclasses.asdict(w).items() if k not in ("covered_us", "heard_s")},
            ticks_per_s=round(rates.get(w.worker, 0.0), 1),
            covered_age_s=console.age_s(w.covered_us) if w.covered_us else None,
        )
        for w in heard
    ]


def feed_rows(console: Console, names: Iterable[str] | None = None) -> list[models.FeedRow]:
    """The subscribed instruments (or these of them) with who streams them, by name."""
    with console.follower.lock:
        chosen = sorted(console.feed.subscribed if names is None else names)
        placed = [(name, place) for name in chosen if (place := console.feed.subscribed.current(name))]
        owners = {slot: console.feed.owner(slot, time.time()) for slot in {place.slot for _, place in placed}}
        book = {name: console.feed.book.by_name.get(name) for name, _ in placed}
    with console.prices.table() as table:
        live = table.of(name for name, _ in placed)
    rows = []
    for name, (_, slot, record) in placed:
        seen, known = live.get(name), book[name]
        rows.append(
            models.FeedRow(
                instrument=name,
                name=known.name if known else "",
                provider=record.provider,
                token=record.token or (known.token if known else 0),
                mode=record.mode,
                slot=slot,
                partition=record.partition if record.partition >= 0 else None,
                worker=owners[slot][0],
                state=owners[slot][1],
                last_price=seen.last_price if seen else None,
                last_tick_us=seen.receive_us if seen else None,
                age_s=console.age_s(seen.receive_us) if seen else None,
            )
        )
    return rows


def feed_view(console: Console) -> models.Feed:
    """GET /api/feed."""
    now = console.clock.now_us()
    with console.follower.lock:
        wanted, capacity = console.wanted_workers(), console.desk.layout().capacity
    return models.Feed(
        market_us=now,
        market_time=console.market_time(now),
        pool=console.settings.feed_pool,
        workers_wanted=wanted,
        capacity=capacity,
        instruments=feed_rows(console),
        workers=worker_rows(console),
    )


def workers_view(console: Console) -> models.Workers:
    """GET /api/feed/workers."""
    with console.follower.lock:
        pools = console.pools()
    total = sum(pools.values())
    warning = ""
    if total > KITE_CONNECTIONS:
        warning = f"Kite itself allows {KITE_CONNECTIONS} connections an API key; {total} need a key that has more."
    return models.Workers(
        pool=console.settings.feed_pool,
        workers=pools[console.settings.feed_pool],
        warning=warning,
        pools=[models.Pool(pool=pool, workers=n) for pool, n in sorted(pools.items())],
        running=worker_rows(console),
    )


def instruments_view(console: Console, query: models.InstrumentQuery) -> models.Instruments:
    """GET /api/instruments."""
    with console.follower.lock:
        found = console.feed.book.search(query.search, query.exchange, query.kind, query.limit, query.offset)
        rows = [
            models.InstrumentRow(**dataclasses.asdict(i), subscribed=i.instrument in console.feed.subscribed)
            for i in found.page
        ]
    return models.Instruments(total=found.total, limit=query.limit, offset=query.offset, instruments=rows)
