"""From a frame's sending to a consumer's callback at Kite's full 18,000 ticks a second, against bare Kafka.

Ours: websocket server → feed worker → Kafka → consumer. The peer: the same records at the same pace from a bare
confluent-kafka producer → Kafka → the same consumer. A frame carries the time of its sending in two fields of its
packets that shares do not use (highest and lowest open interest), a bare record in its key.
"""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Iterator
from statistics import median

import numpy as np
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from infra.kafka import consumer, producer
from infra.settings import Settings, settings
from producers.feed.routes import Routes
from producers.kite.packets import decode as decode_frame
from schemas.codec import decode, encode
from schemas.ticks import TickBatch
from schemas.topics import TICKS
from tests.bench.feed import CONNECTION, FRAME, FULL_LOAD, acknowledged, frames_of, subscriptions, wish
from tests.bench.frame_server import frame_server
from tests.bench.frames import FULL
from tests.bench.measure import Line
from tests.bench.servers import home, process, wait_for

PER_SECOND = FULL_LOAD / FRAME
STAMP = struct.Struct(">Q")
WARM_UP_S = 3.0


def run(quick: bool) -> list[Line]:
    """``latency_p99_ratio``, and what is behind it in milliseconds."""
    seconds, rounds = (4.0, 1) if quick else (12.0, 3)
    ours, bare = [], []
    with home("kafka", "postgres") as chosen:
        wish(chosen, CONNECTION)
        for _ in range(rounds):
            bare.append(_bare(chosen, seconds))
            ours.append(_ours(chosen, seconds))
    p50, p99 = (median(each) for each in zip(*ours, strict=True))
    bare50, bare99 = (median(each) for each in zip(*bare, strict=True))
    each = [mine[1] / its[1] for mine, its in zip(ours, bare, strict=True)]
    return [
        Line("latency_p99_ratio", p99 / bare99, f"{p99:.2f} ms", f"{bare99:.2f} ms", 4, True, (min(each), max(each))),
        Line("latency_p50_ms", p50, spread=(min(o[0] for o in ours), max(o[0] for o in ours))),
        Line("latency_p99_ms", p99, spread=(min(o[1] for o in ours), max(o[1] for o in ours))),
        Line("latency_bare_p50_ms", bare50, spread=(min(b[0] for b in bare), max(b[0] for b in bare))),
        Line("latency_bare_p99_ms", bare99, spread=(min(b[1] for b in bare), max(b[1] for b in bare))),
    ]


def _ours(chosen: Settings, seconds: float) -> tuple[float, float]:
    with frame_server(chosen.simulator_ws_port) as server, process("producers.feed.worker", "0") as worker:
        wait_for("the feed worker to subscribe", lambda: server.connections == [CONNECTION], worker)
        server.play(_stamped, PER_SECOND)
        wait_for("the load to begin", lambda: acknowledged(chosen) > 0, worker)
        return _percentiles(chosen, seconds)


def _stamped(tokens: set[int]) -> Iterator[bytes]:
    """Frames that carry the time at which they are asked for."""
    bodies = [np.frombuffer(frame[2:], FULL).copy() for frame in itertools.islice(frames_of(tokens), 30)]
    head = struct.pack(">H", FRAME)
    for body in itertools.cycle(bodies):
        body["oi_day_high"], body["oi_day_low"] = divmod(time.monotonic_ns(), 1 << 32)
        yield head + body.tobytes()


def _bare(chosen: Settings, seconds: float) -> tuple[float, float]:
    with process("tests.bench.latency"):
        return _percentiles(chosen, seconds)


def produce() -> None:
    """The bare producer, until it is stopped: each frame's records, one frame after the other at the pace."""
    wanted = subscriptions(settings(), CONNECTION)
    routes = Routes("kite", "bench", wanted)
    frames = itertools.islice(frames_of({s.token for s in wanted}), 30)
    records = [[(p, encode(b)) for p, b in routes.split(decode_frame(f, 1), 1)] for f in frames]
    to = producer()
    due = time.perf_counter()
    for of_frame in itertools.cycle(records):
        due += 1 / PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        stamp = STAMP.pack(time.monotonic_ns())
        for partition, value in of_frame:
            to.produce(TICKS.name, value, stamp, partition=partition)
        to.poll(0)


def _percentiles(chosen: Settings, seconds: float) -> tuple[float, float]:
    """p50 and p99 in milliseconds of the records that come in so many seconds, after a warm-up."""
    reader = consumer("bench-latency", chosen)
    reader.assign([TopicPartition(TICKS.name, p, OFFSET_END) for p in range(chosen.partitions)])
    try:
        for _ in _delays(reader, WARM_UP_S):
            pass
        delays = list(_delays(reader, seconds))
    finally:
        reader.close()
    if len(delays) < seconds * PER_SECOND:
        raise SystemExit(f"The latency benchmark saw only {len(delays)} records in {seconds:.0f} s.")
    p50, p99 = np.percentile(delays, [50, 99]) / 1e6
    return float(p50), float(p99)


def _delays(reader: Consumer, seconds: float) -> Iterator[int]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        message = reader.poll(1)
        seen = time.monotonic_ns()
        if message is None or message.error():
            continue
        if key := message.key():
            yield seen - STAMP.unpack(key)[0]
        elif len(batch := decode(TickBatch, message.value())):
            yield seen - (int(batch.oi_day_high[0]) << 32 | int(batch.oi_day_low[0]))


if __name__ == "__main__":
    produce()
