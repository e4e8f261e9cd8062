"""One real feed worker from a websocket to acknowledged Kafka, against a producer of one JSON record a tick.

Frames of 300 full packets, 3000 instruments, sent as fast as they are taken. Then the processor time of three workers
with 3000 instruments each, together, at Kite's full 18,000 ticks a second.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.request import urlopen

import numpy as np
import psutil

from infra.kafka import produce_all
from infra.settings import Settings
from producers.kite.session import store_token
from schemas.market import Subscription
from schemas.topics import SUBSCRIPTIONS
from tests.bench.frame_server import frame_server
from tests.bench.frames import packets, tokens_of, uniform_frame
from tests.bench.measure import Line, amount, in_turn, ratio
from tests.bench.servers import home, process, wait_for

FRAME = 300  # packets
CONNECTION = 3000  # instruments
FULL_LOAD = 18_000  # ticks a second, the most that Kite gives
OUR_TICKS, PLAIN_TICKS = 3_000_000, 240_000


def run(quick: bool) -> list[Line]:
    """``feed_ratio`` and ``feed_cpu_share_at_18k``."""
    share = 4 if quick else 1
    with home("kafka", "postgres") as settings:
        wish(settings, CONNECTION)
        sides = (
            lambda: _rate(settings, OUR_TICKS // share, "producers.feed.worker", "0"),
            lambda: _rate(settings, PLAIN_TICKS // share, "tests.bench.feed_plain", str(CONNECTION)),
        )
        rates = in_turn(sides, 1 if quick else 3)
        wish(settings, 3 * CONNECTION)
        return [ratio("feed_ratio", *rates, 15), _cpu_share(settings, 8 if quick else 25)]


def wish(settings: Settings, instruments: int) -> None:
    """Logs in and subscribes to so many instruments."""
    store_token("bench", "token")
    produce_all((SUBSCRIPTIONS, s.partition, s.instrument, s) for s in subscriptions(settings, instruments))


def subscriptions(settings: Settings, instruments: int) -> list[Subscription]:
    """So many shares, evenly over partitions (and slots: each in the one of its partition's number)."""
    tokens = enumerate(tokens_of(instruments).tolist())
    return [Subscription(f"NSE:B{t >> 8:04}", "kite", t, "full", n % settings.partitions) for n, t in tokens]


def frames_of(tokens: set[int], turns: int = 3) -> Iterator[bytes]:
    """Frames of 300 packets without end; each token comes equally often. None for a connection without tokens."""
    if not tokens:
        return iter(())
    rng = np.random.default_rng(2)
    chunks = np.array_split(np.array(sorted(tokens)), len(tokens) // FRAME)
    return itertools.cycle([uniform_frame(packets(chunk, turn, rng)) for turn in range(turns) for chunk in chunks])


def _rate(settings: Settings, ticks: int, *module: str) -> float:
    """Ticks a second of one process, from the first frame sent to the last tick acknowledged."""
    with frame_server(settings.simulator_ws_port) as server, process(*module) as child:
        wait_for(f"{module[0]} to subscribe", lambda: server.connections == [CONNECTION], child)
        started = time.perf_counter()
        server.play(lambda tokens: itertools.islice(frames_of(tokens), ticks // FRAME))
        wait_for(f"{module[0]} to write {ticks} ticks", lambda: acknowledged(settings) >= ticks, child, every_s=0.2)
        return ticks / (time.perf_counter() - started)


def acknowledged(settings: Settings, number: int = 0) -> float:
    """Ticks that a worker has had acknowledged, by its metrics."""
    try:
        with urlopen(f"http://127.0.0.1:{settings.feed_metrics_port + number}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:  # not up yet
        return 0
    return sum(map(float, re.findall(r"^feed_ticks_total\{.*\} (\S+)$", text, re.M)))


def _cpu_share(settings: Settings, seconds: float) -> Line:
    """Processor time of three workers together at the full load, as a share of one core."""
    with frame_server(settings.simulator_ws_port) as server, ExitStack() as stack:
        workers = [stack.enter_context(process("producers.feed.worker", str(n))) for n in range(3)]
        shared = lambda: server.connections == [CONNECTION] * 3 and server.instruments == 3 * CONNECTION  # noqa: E731
        wait_for("three workers to share the instruments", shared, workers[0])
        server.play(frames_of, FULL_LOAD / 3 / FRAME)
        wait_for("the load to begin", lambda: all(acknowledged(settings, n) for n in range(3)), workers[0])
        before, started = _spent(workers, settings), time.perf_counter()
        time.sleep(seconds)
        after, took = _spent(workers, settings), time.perf_counter() - started
    share = (after[0] - before[0]) / took
    figure = f"{amount((after[1] - before[1]) / took)} ticks/s over 3 workers"
    return Line("feed_cpu_share_at_18k", share, figure, required=0.2, at_most=True)


def _spent(workers: list[psutil.Process], settings: Settings) -> tuple[float, float]:
    """Seconds of processor time, and ticks acknowledged, of all workers so far."""
    times = [child.cpu_times() for child in workers]
    return sum(t.user + t.system for t in times), sum(acknowledged(settings, n) for n in range(len(workers)))
