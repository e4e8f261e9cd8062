"""The real candle worker from a preloaded topic into Cassandra, offsets committed, against the plain Faust agent.

Beside it the worker's lead over an agent that is as quick as we could make it without batches of ticks: it writes each
candle that a thousand ticks touched once, where the plain agent writes the candle of each tick.

A run is timed from the moment at which Kafka has given the worker its partitions, so that neither side's start
counts, to the commit of its last offset. Both sides' ticks are the same; each run begins with empty tables.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from confluent_kafka.admin import AdminClient, NewTopic

from infra.cassandra import connect
from infra.kafka import admin, end_offsets, flush, producer
from infra.settings import Settings
from schemas.codec import encode
from schemas.topics import TICKS
from streams.candles.app import GROUP
from tests.bench import candles_plain
from tests.bench.market import batches, json_records
from tests.bench.measure import Line, in_turn, ratio
from tests.bench.offsets import Spans, committed, is_running, remove, rewind
from tests.bench.servers import home, process, wait_for

MARKS = {100: 50.0, 500: 120.0}  # ticks a record -> required ratio
TICKS_OF = {100: 6_000_000, 500: 16_000_000}
PLAIN_TICKS = 120_000
PLAIN_SHARE = 3  # of these the plain agent, which is the slower, reads a third


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: which process, which records."""

    module: tuple[str, ...]
    group: str
    topic: str
    per_record: int
    environment: Mapping[str, str] = field(default_factory=dict)


PLAIN = Side(("tests.bench.candles_plain", "worker"), candles_plain.GROUP, candles_plain.TOPIC, 1)
COALESCING = replace(PLAIN, environment={candles_plain.COALESCE: "1"})


def run(quick: bool) -> list[Line]:
    """``candles_100_ratio`` and ``candles_500_ratio``, and the same against the coalescing agent."""
    rounds, share = (1, 4) if quick else (3, 1)
    lines = []
    with home("kafka", "cassandra", "postgres") as settings:
        client = admin(settings)
        client.create_topics([NewTopic(PLAIN.topic, settings.partitions, 1)])[PLAIN.topic].result(30)
        peer = _load(client, settings, PLAIN, PLAIN_TICKS // share)
        third = {p: (start, start + (end - start) // PLAIN_SHARE) for p, (start, end) in peer.items()}
        for per_record, required in MARKS.items():
            ours = Side(("streams.candles",), GROUP, TICKS.name, per_record)
            spans = _load(client, settings, ours, TICKS_OF[per_record] // share)
            sides = ((ours, spans), (PLAIN, third), (COALESCING, peer))
            worker, plain, coalescing = in_turn([partial(_drain, client, settings, *side) for side in sides], rounds)
            lines.append(ratio(f"candles_{per_record}_ratio", worker, plain, required))
            lines.append(ratio(f"candles_{per_record}_coalescing_ratio", worker, coalescing, None))
            remove(client, TICKS.name, spans)
    return lines


def _records(settings: Settings, side: Side, ticks: int) -> Iterator[tuple[int, bytes]]:
    for partition, batch in batches(settings.partitions, max(side.per_record, 100), ticks):
        for record in json_records(batch) if side is PLAIN else (encode(batch),):
            yield partition, record


def _load(client: AdminClient, settings: Settings, side: Side, ticks: int) -> Spans:
    """Writes a side's records; returns where they lie."""
    to = producer(settings, {"linger.ms": 5})
    before = end_offsets(side.topic, range(settings.partitions), client)
    for partition, record in _records(settings, side, ticks):
        while True:
            try:
                to.produce(side.topic, record, partition=partition)
                break
            except BufferError:
                to.poll(0.1)
    flush(to, 120)
    return {p: (before[p], end) for p, end in end_offsets(side.topic, range(settings.partitions), client).items()}


def _drain(client: AdminClient, settings: Settings, side: Side, spans: Spans) -> float:
    """Ticks a second of a worker that reads these spans anew, from getting its partitions to its last commit."""
    _empty_tables(settings)
    rewind(client, side.group, side.topic, spans)
    total = sum(end - start for start, end in spans.values())
    done = 0

    def is_done() -> bool:
        nonlocal done
        done = committed(client, side.group, side.topic, spans)
        return done >= total

    what = f"{side.module[0]} to commit everything"
    with process(*side.module, **side.environment) as worker:
        wait_for(what, lambda: is_running(client, side.group), worker)
        started = time.perf_counter()
        wait_for(what, is_done, worker)
        return side.per_record * done / (time.perf_counter() - started)


def _empty_tables(settings: Settings) -> None:
    session = connect(settings)
    try:
        for table in ("candles_1m", "candle_days", "candle_open_days"):
            session.execute(f"TRUNCATE {table}")
    finally:
        session.cluster.shutdown()
