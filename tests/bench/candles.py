"""The real candle worker from a preloaded topic into Cassandra, offsets committed, against the plain Faust agent.

Rates are those between the first and the last commit of a run, so that neither side's start counts. Both sides'
ticks are the same; each run begins with an empty table.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka.admin import NewTopic
from streams.candles.app import GROUP

from infra.cassandra import connect
from infra.kafka import admin, flush, producer
from infra.settings import Settings
from schemas.codec import encode
from schemas.topics import TICKS
from tests.bench import candles_plain
from tests.bench.market import batches, json_records
from tests.bench.measure import Line, Rates
from tests.bench.offsets import Spans, committed, ends, remove, rewind
from tests.bench.servers import home, process, wait_for

MARKS = {100: 50.0, 500: 120.0}  # ticks a record -> required ratio
TICKS_OF = {100: 6_000_000, 500: 12_000_000}
PLAIN_TICKS = 120_000


def run(quick: bool) -> list[Line]:
    """``candles_100_ratio`` and ``candles_500_ratio``."""
    rounds, share = (1, 4) if quick else (3, 1)
    with home("kafka", "cassandra", "postgres") as settings:
        topic = NewTopic(candles_plain.TOPIC, settings.partitions, 1)
        admin(settings).create_topics([topic])[topic.topic].result(30)
        plain = _load(candles_plain.TOPIC, settings, _plain_records(settings, PLAIN_TICKS // share))
        lines, pooled = [], Rates([], [])
        for per_record, required in MARKS.items():
            spans = _load(TICKS.name, settings, _our_records(settings, per_record, TICKS_OF[per_record] // share))
            ours: list[float] = []
            for _ in range(rounds):
                pooled.plain.append(
                    _drain(settings, "tests.bench.candles_plain", candles_plain.GROUP, candles_plain.TOPIC, plain)
                )
                ours.append(per_record * _drain(settings, "streams.candles", GROUP, TICKS.name, spans))
            name = f"candles_{per_record}_ratio"
            lines.append(Rates(ours, pooled.plain[-rounds:]).line(name, required))
            remove(admin(settings), TICKS.name, spans)
    return lines


def _our_records(settings: Settings, per_record: int, ticks: int) -> Iterator[tuple[int, bytes]]:
    for partition, batch in batches(settings.partitions, per_record, ticks):
        yield partition, encode(batch)


def _plain_records(settings: Settings, ticks: int) -> Iterator[tuple[int, bytes]]:
    for partition, batch in batches(settings.partitions, 100, ticks):
        for record in json_records(batch):
            yield partition, record


def _load(topic: str, settings: Settings, records: Iterator[tuple[int, bytes]]) -> Spans:
    """Writes records; returns where they lie."""
    to = producer(settings, {"linger.ms": 5})
    before = ends(admin(settings), topic, settings.partitions)
    for partition, record in records:
        while True:
            try:
                to.produce(topic, record, partition=partition)
                break
            except BufferError:
                to.poll(0.1)
    flush(to, 120)
    return {p: (before[p], end) for p, end in ends(admin(settings), topic, settings.partitions).items()}


def _drain(settings: Settings, module: str, group: str, topic: str, spans: Spans) -> float:
    """Records a second of a worker that reads these spans anew, from its first commit to its last."""
    session = connect(settings)
    for table in ("candles_1m", "candle_days"):
        session.execute(f"TRUNCATE {table}")
    session.cluster.shutdown()
    client = admin(settings)
    rewind(client, group, topic, spans)
    total = sum(end - start for start, end in spans.values())
    seen: list[tuple[float, int]] = []

    def is_done() -> bool:
        done = committed(client, group, topic, spans)
        if done and (not seen or seen[-1][1] != done):
            seen.append((time.perf_counter(), done))
        return done >= total

    with process(module, *(("worker",) if "plain" in module else ())) as worker:
        wait_for(f"{module} to commit everything", is_done, worker)
    (start_s, first), (end_s, last) = seen[0], seen[-1]
    return (last - first) / (end_s - start_s)
