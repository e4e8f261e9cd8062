"""The market now: totals, the first instruments of an order, the workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.clock import EXCHANGE
from schemas.calendar import calendar_of
from schemas.market import Mode, TickKind
from streams.console import models
from streams.console.feed_view import worker_rows
from streams.console.risk_view import platform_state
from streams.console.state import Console
from streams.prices.live import Live

_MODE_OF: dict[str, Mode] = {
    "LTP": "ltp", "QUOTE": "quote", "FULL": "full", "INDEX_QUOTE": "quote", "INDEX_FULL": "full",
}  # fmt: skip
_INDEX = (TickKind.INDEX_QUOTE, TickKind.INDEX_FULL)


def _activity(live: Live) -> tuple[bool, bool, float, float, str]:
    """Indices, then by the day's turnover; what has not ticked for some seconds comes last."""
    turnover = live.last_price * (live.volume or 0)
    return live.ticks_per_s == 0, live.kind not in _INDEX, -turnover, -live.ticks_per_s, live.instrument


_ORDERS: dict[str, Callable[[Live], Any]] = {
    "activity": _activity,
    "change": lambda live: (-abs(live.change_percent or 0.0), live.instrument),
    "volume": lambda live: (-(live.volume or 0), live.instrument),
    "name": lambda live: live.instrument,
}


def _session(market_us: int) -> models.Session:
    """The exchange's session on the day of a market time."""
    calendar = calendar_of(EXCHANGE)
    day = calendar.day_of(market_us)
    session = calendar.session(day)
    is_open = session is not None and session.open_us <= market_us < session.close_us
    return models.Session(
        state="open" if is_open else "closed",
        day=day.isoformat(),
        open_us=session.open_us if session else None,
        close_us=session.close_us if session else None,
    )


def market_view(console: Console, query: models.MarketQuery) -> models.Market:
    """GET /api/market."""
    now = console.clock.now_us()
    with console.follower.lock:
        wanted, subscribed = console.wanted_workers(), list(console.feed.subscribed)
    with console.prices.table() as table:
        live, totals = list(table.of(subscribed).values()), table.totals()
    live.sort(key=_ORDERS[query.sort])
    workers, lag = worker_rows(console), console.probes.lag
    with console.trading_follower.lock:
        platform = console.trading.point("platform")
    return models.Market(
        market_us=now,
        market_time=console.market_time(now),
        speed=console.clock.speed,
        simulated=console.settings.clock == "simulated",
        session=_session(now),
        totals=models.MarketTotals(
            subscribed=len(subscribed),
            live=len(live),
            ticks=totals.ticks,
            ticks_per_s=round(totals.ticks_per_s, 1),
            batches_per_s=round(totals.batches_per_s, 1),
            workers_wanted=wanted,
            workers_streaming=sum(worker.state == "streaming" for worker in workers),
            candles_lag=lag.records if lag else None,
            candles_lag_s=round(lag.seconds, 1) if lag else None,
            money_at_risk=platform.money_at_risk if platform else None,
            trading=platform_state(console),
            bad_records=console.prices.bad_records + console.feed.bad_records,
        ),
        instruments=[_market_row(console, row) for row in live[: query.limit]],
        workers=workers,
    )


def _market_row(console: Console, live: Live) -> models.MarketRow:
    names = ("instrument", "last_price", "close", "open", "high", "low", "volume", "ticks", "worker")
    change, percent = live.change, live.change_percent
    return models.MarketRow(
        **{name: getattr(live, name) for name in names},
        change=None if change is None else round(change, 4),
        change_percent=None if percent is None else round(percent, 4),
        ticks_per_s=round(live.ticks_per_s, 2),
        last_tick_us=live.receive_us,
        age_s=console.age_s(live.receive_us),
        mode=_MODE_OF[live.kind.name],
    )
