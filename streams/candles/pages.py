"""The candle worker's web views, on the loopback address: its own state, for people and for the console."""

from __future__ import annotations

from typing import Any

import numpy as np
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from infra.faust_app import App
from schemas.topics import TICKS
from streams.candles.agent import CandleAgent

MOST_CANDLES = 10_000


def add_pages(app: App, agent: CandleAgent) -> None:
    """``/health``, ``/open``, ``/lag`` and ``/metrics``."""

    @app.page("/health")  # type: ignore[untyped-decorator]
    async def health(view: Any, request: Any) -> Any:
        return view.json(_health(agent), status=200 if agent.assigned else 503)

    @app.page("/open")  # type: ignore[untyped-decorator]
    async def open_candles(view: Any, request: Any) -> Any:
        return view.json(_open(agent, request.query.get("instrument", "")))

    @app.page("/lag")  # type: ignore[untyped-decorator]
    async def lag(view: Any, request: Any) -> Any:
        return view.json(_lag(app, agent))

    @app.page("/metrics")  # type: ignore[untyped-decorator]
    async def metrics(view: Any, request: Any) -> Any:
        return view.bytes(generate_latest(), content_type=CONTENT_TYPE_LATEST.partition(";")[0])


def _health(agent: CandleAgent) -> dict[str, Any]:
    trouble = agent.flusher.trouble
    return {
        "status": "waiting" if not agent.assigned else "degraded" if trouble else "ok",
        "detail": trouble,
        "partitions": sorted(agent.shares),
        "ticks": sum(share.state.ticks for share in agent.shares.values()),
        "ignored": sum(share.state.ignored for share in agent.shares.values()),
        "rejected": agent.rejected,
        "last_flush": {"rows": agent.flushed.rows, "told": agent.flushed.told, "seconds": agent.flushed.seconds},
    }


def _open(agent: CandleAgent, instrument: str) -> dict[str, Any]:
    candles: list[dict[str, Any]] = []
    for share in agent.shares.values():
        share.fold()
        for slot in np.flatnonzero(share.state.open).tolist():
            c = share.state.candle(slot)
            if instrument in ("", c.instrument) and len(candles) < MOST_CANDLES:
                values = {"open": c.open, "high": c.high, "low": c.low, "close": c.close, "volume": c.volume}
                candles.append({"instrument": c.instrument, "start_us": c.start_us, **values, "oi": c.oi, "gap": c.gap})
    return {"candles": sorted(candles, key=lambda c: (c["instrument"], c["start_us"]))}


def _lag(app: App, agent: CandleAgent) -> dict[str, Any]:
    consumer = app.consumer
    partitions = []
    for tp in sorted(consumer.assignment()):
        if tp.topic != TICKS.name or tp.partition not in agent.shares:
            continue
        share, end, committed = agent.shares[tp.partition], consumer.highwater(tp), consumer._committed_offset[tp]
        behind = None if end is None or committed is None else end - committed
        partitions.append(
            {
                "partition": tp.partition,
                "offset": share.offset,
                "end": end,
                "committed": committed,
                "lag": behind,
                "clock_us": share.state.clock_us,
            }
        )
    return {"partitions": partitions, "lag": sum(p["lag"] or 0 for p in partitions)}
