"""Each part's state, put into one answer."""

from __future__ import annotations

import time
from typing import Literal

from streams.console import models
from streams.console.feed_view import worker_rows
from streams.console.risk_view import platform_state, risk_health
from streams.console.state import Console
from streams.fleet import views
from streams.fleet.fold import FleetState

BEHIND_S = 15.0
GATEWAY_SILENT_S = 150.0  # it tells the broker's positions every minute


def health_view(console: Console) -> models.Health:
    """Every part's state."""
    probes = console.probes
    servers = {
        name: models.Server(state=probe.answer.state, detail=probe.answer.detail)
        for name, probe in (("kafka", probes.kafka), ("cassandra", probes.cassandra), ("postgres", probes.postgres))
    }
    feed, candles, now = _feed_health(console), _candles_health(console), console.clock.now_us()
    risk, gateways = _risk_health(console), _gateways(console)
    fine = all(server.state == "ok" for server in servers.values()) and candles.state != "behind"
    fine = fine and feed.state in ("streaming", "idle") and risk.state == "ok"
    fine = fine and all(gateway.state == "ok" for gateway in gateways.values())
    return models.Health(
        status="starting" if not console.ready else "ok" if fine else "degraded",
        market_us=now,
        market_time=console.market_time(now),
        speed=console.clock.speed,
        simulated=console.settings.clock == "simulated",
        feed=feed,
        candles=candles,
        fleet=fleet_health(console.fleet.state, console.fleet.now_us()),
        risk=risk,
        gateways=gateways,
        **servers,
    )


def _feed_health(console: Console) -> models.FeedHealth:
    workers = worker_rows(console)
    with console.follower.lock:
        wanted, subscribed = console.wanted_workers(), len(console.feed.subscribed)
    streaming = sum(worker.state == "streaming" for worker in workers)
    if not subscribed:
        return models.FeedHealth(
            state="idle", detail="nothing is subscribed: `./portfolio feed add`", wanted=wanted, streaming=streaming
        )
    waiting = [f"{w.worker} is {w.state}: {w.detail}" for w in workers if w.state not in ("streaming", "stopped")]
    state: Literal["streaming", "partly", "stopped"] = "stopped"
    if streaming:
        state = "streaming" if streaming >= wanted and not waiting else "partly"
    return models.FeedHealth(state=state, detail="; ".join(waiting), wanted=wanted, streaming=streaming)


def _candles_health(console: Console) -> models.CandlesHealth:
    lag = console.probes.lag
    if lag is None:
        return models.CandlesHealth(state="unknown", detail="no candle worker has read yet", lag=None, lag_s=None)
    behind = lag.seconds > BEHIND_S
    detail = f"{lag.seconds:.0f} s behind: see `./portfolio logs candles`" if behind else ""
    return models.CandlesHealth(
        state="behind" if behind else "ok", detail=detail, lag=lag.records, lag_s=round(lag.seconds, 1)
    )


def _risk_health(console: Console) -> models.RiskHealth:
    with console.trading_follower.lock:
        heard_s = console.trading.heard_s
    health, trading = risk_health(console, heard_s), platform_state(console)
    return models.RiskHealth(state=health.state, detail=health.detail, trading=trading)


def _gateways(console: Console) -> dict[str, models.Server]:
    """Who sends each account's orders. One on another computer is known by what it says of the broker's positions."""
    found, now_s = {}, time.time()
    with console.trading_follower.lock:
        heard = dict(console.trading.brokers_heard_s)
    for account, probe in console.probes.gateways.items():
        state, detail = probe.answer.state, probe.answer.detail
        if not probe.seen and now_s - heard.get(account, 0.0) < GATEWAY_SILENT_S:
            state, detail = "ok", "on another computer"
        found[account] = models.Server(state=state, detail=detail)
    return found


def fleet_health(state: FleetState, now_us: int) -> models.FleetHealth:
    """The nodes that were let in, and the tasks that shall run."""
    nodes = [n for n in views.node_views(state, now_us) if n.standing in ("approved", "draining")]
    tasks = [t for t in views.task_views(state, now_us) if t.wanted == "running"]
    troubles = [f"node {n.node} is {n.state}: {n.reason}" for n in nodes if n.state in ("lost", "degraded")]
    troubles += [f"{t.task} is {t.state}" + f": {t.reason}" * bool(t.reason) for t in tasks if t.state != "running"]
    return models.FleetHealth(
        state="partly" if troubles else "ok" if nodes else "idle",
        detail="; ".join(troubles[:5]) + f"; and {len(troubles) - 5} more" * (len(troubles) > 5),
        nodes=len(nodes),
        up=sum(n.state in ("up", "degraded") for n in nodes),
        wanted=len(tasks),
        running=sum(t.state == "running" for t in tasks),
    )
