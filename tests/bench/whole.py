"""Everything at once: ``portfolio up``, 9000 instruments over three workers at Kite's full 18,000 ticks a second.

Lag is what the candle group has not committed yet, in seconds of the stream: it must not grow. Memory is each
process's resident set, processor time a share of one core, at the end of the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import numpy as np
import psutil

from infra.kafka import admin, end_offsets
from infra.settings import Settings
from schemas.topics import TICKS
from streams.candles.app import GROUP
from tests.bench.feed import FULL_LOAD, acknowledged
from tests.bench.measure import Line
from tests.bench.offsets import Spans, committed
from tests.bench.servers import home, portfolio

INSTRUMENTS = 9000
WORKERS = 3
PAGE = 5000  # the console gives no more at once
EVERY_S = 2.0
LOAD = {
    "PORTFOLIO_SIMULATOR_LOAD": "1",
    "PORTFOLIO_SIMULATOR_INSTRUMENTS": str(INSTRUMENTS),
    "PORTFOLIO_FEED_WORKERS": str(WORKERS),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the running whole."""

    at_s: float
    ticks: float  # acknowledged since the start
    written: int  # records of ``ticks``
    waiting: int  # of them, not yet committed by the candle group


def run(quick: bool) -> list[Line]:
    """``lag_*``, ``rss_mb_*`` and ``cpu_share_*``."""
    with home(**LOAD) as settings:
        _subscribe(settings)
        processes = _processes()
        before = {name: _spent(tree) for name, tree in processes.items()}
        samples = _samples(settings, 30 if quick else 120)
        took = samples[-1].at_s - samples[0].at_s
        lines = _lag(samples)
        for name, tree in processes.items():
            share = (_spent(tree) - before[name]) / took
            lines.append(Line(f"cpu_share_{name}", share))
        lines += [
            Line(f"rss_mb_{name}", sum(p.memory_info().rss for p in tree) / 1e6) for name, tree in processes.items()
        ]
    return lines


def _subscribe(settings: Settings) -> None:
    """Wants all instruments, and waits until all of them tick."""
    with httpx.Client(base_url=settings.console_url, timeout=120) as console:
        _until("the console to know the instruments", lambda: len(_listed(console)) >= INSTRUMENTS)
        wanted = _listed(console)[:INSTRUMENTS]
        answer = console.post("/api/feed", json={"instruments": wanted})
        if answer.is_error:
            raise SystemExit(f"The console refused {INSTRUMENTS} instruments: {answer.text}")
    _until(f"{FULL_LOAD} ticks a second", lambda: _pace(settings) > 0.95 * FULL_LOAD)


def _listed(console: httpx.Client) -> list[str]:
    pages = (
        console.get("/api/instruments", params={"limit": PAGE, "offset": n}) for n in range(0, 2 * INSTRUMENTS, PAGE)
    )
    return [row["instrument"] for page in pages for row in page.raise_for_status().json()["instruments"]]


def _pace(settings: Settings) -> float:
    """Ticks a second that the workers write now."""
    started, first = time.monotonic(), _acknowledged(settings)
    time.sleep(EVERY_S)
    return (_acknowledged(settings) - first) / (time.monotonic() - started)


def _acknowledged(settings: Settings) -> float:
    return sum(acknowledged(settings, number) for number in range(WORKERS + 1))  # the supervisor's port and theirs


def _until(what: str, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 180
    while not holds():
        if time.monotonic() > until:
            raise SystemExit(f"The benchmark waited three minutes in vain for {what}.")
        time.sleep(0.5)


def _samples(settings: Settings, seconds: float) -> list[Sample]:
    client = admin(settings)
    spans: Spans = dict.fromkeys(range(settings.partitions), (0, 0))
    samples: list[Sample] = []
    started = time.monotonic()
    while time.monotonic() < started + seconds:
        done = committed(client, GROUP, TICKS.name, spans)  # before the ends: lag is never told too small
        written = sum(end_offsets(TICKS.name, range(settings.partitions), client).values())
        samples.append(Sample(time.monotonic(), _acknowledged(settings), written, written - done))
        time.sleep(EVERY_S)
    return samples


def _lag(samples: list[Sample]) -> list[Line]:
    took = samples[-1].at_s - samples[0].at_s
    records = (samples[-1].written - samples[0].written) / took
    lag = np.array([sample.waiting for sample in samples]) / records
    slope = float(np.polyfit([sample.at_s / 60 for sample in samples], lag, 1)[0])
    ticks = (samples[-1].ticks - samples[0].ticks) / took
    return [
        Line("load_ticks_per_s", ticks, f"{records:,.0f} records/s for {took:.0f} s", required=0.95 * FULL_LOAD),
        Line("lag_slope", slope, "seconds a minute", required=0.5, at_most=True),
        Line("lag_max", float(lag.max()), "seconds"),
        Line("lag_end", float(lag[-5:].mean()), "seconds"),
    ]


def _processes() -> dict[str, list[psutil.Process]]:
    """Each service with its children; the feed's workers by themselves."""
    found: dict[str, list[psutil.Process]] = {}
    for service in portfolio("status", "--json")["services"]:
        process = psutil.Process(service["pid"])
        children = process.children(recursive=True)
        if service["name"] == "feed":
            found["feed_supervisor"] = [process]
            found["feed_workers"] = children
        else:
            found[service["name"]] = [process, *children]
    return found


def _spent(tree: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in tree))
