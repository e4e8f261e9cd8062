"""The real candle worker as a process on real servers, ticks for it, and what it must have stored of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import OffsetSpec

from infra.cassandra import connect
from infra.kafka import admin, flush, producer
from infra.settings import CHECKOUT, Settings
from schemas.codec import decode, encode
from schemas.market import Candle
from schemas.ticks import TickBatch
from schemas.topics import CANDLES, TICKS
from streams.archive.reader import CandleReader
from streams.candles.app import GROUP
from streams.candles.fold import settle, take
from streams.candles.state import PartitionState
from tests.unit.streams.candles.ticks import MINUTE, OPENING, T, batch_of

Records = list[tuple[int, bytes]]
OHLCV = tuple[float, float, float, float, int, int, bool]


def wait_for(what: str, condition: Callable[[], object], within_s: float = 90) -> None:
    """Waits until a condition holds; the test fails with its name when it does not in time."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"waited {within_s:.0f} s for {what}"
        time.sleep(0.1)


def health(settings: Settings, slot: int = 0) -> dict[str, object]:
    """What the worker says of itself; empty while it does not answer."""
    try:
        url = f"http://127.0.0.1:{settings.candles_web_port + slot}/health"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return dict(json.load(answer))
    except OSError:
        return {}


@contextmanager
def worker(settings: Settings, slot: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that is ready; killed at the end if it still runs."""
    command = [sys.executable, "-m", "streams.candles", str(slot)]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=os.environ)
    try:
        wait_for(
            "the worker's readiness", lambda: health(settings, slot).get("status") or process.poll() is not None, 60
        )
        assert process.poll() is None
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def terminate(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM; the exit status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


def market(tag: str, partition: int, instruments: int, minutes: int, per_record: int = 50) -> Records:
    """Trades of some instruments over some minutes, as records of one partition, in the order of receipt."""
    ticks = []
    for number in range(minutes * 60 // 5):
        for which in range(instruments):
            at = OPENING + number * 5_000_000 + which * 1000
            price = 100 + (number * 7 + which * 13) % 50 / 4
            volume = (number + 1) * (which + 1) * 10
            ticks.append(T(f"NSE:{tag}{which}", at // 1_000_000 * 1_000_000, volume, at, price, -1, which + 1))
    batches = [ticks[n : n + per_record] for n in range(0, len(ticks), per_record)]
    end = OPENING + minutes * MINUTE + 60_000_000
    last = batch_of([], end)
    return [*((partition, encode(batch_of(b, b[-1].receive))) for b in batches), (partition, encode(last))]


def send(settings: Settings, records: Records) -> None:
    """Writes records and waits for them."""
    to = producer(settings)
    for partition, value in records:
        to.produce(TICKS.name, value, partition=partition)
        to.poll(0)
    flush(to)


def expected(records: Records) -> dict[tuple[str, int], OHLCV]:
    """The candles of these records by the pure fold (which its own tests hold against a plain oracle)."""
    state = PartitionState()
    take(state, [decode(TickBatch, value) for _, value in records])
    return {(c.instrument, c.start_us): looks(c) for c in settle(state).touched}


def looks(c: Candle) -> OHLCV:
    """What must be equal."""
    return (c.open, c.high, c.low, c.close, c.volume, c.oi, c.complete)


def stored(settings: Settings, instruments: Iterable[str]) -> dict[tuple[str, int], OHLCV]:
    """What the archive has of these instruments."""
    session = connect(settings)
    try:
        reader = CandleReader(session)
        names = sorted(set(instruments))
        found = [reader.candles(name, OPENING - 86_400_000_000, OPENING + 10**12) for name in names]
        return {(c.instrument, c.start_us): looks(c) for candles in found for c in candles}
    finally:
        session.cluster.shutdown()


def must_be_stored(settings: Settings, records: Records) -> None:
    """Waits until the archive has exactly the candles of these records."""
    want = expected(records)
    names = {instrument for instrument, _ in want}
    wait_for("all offsets to be committed", lambda: lag(settings) == 0)
    wait_for("the stored candles to be those of the ticks", lambda: stored(settings, names) == want, 30)


def lag(settings: Settings) -> int:
    """Records of ``ticks`` that the group has not committed."""
    client = admin(settings)
    partitions = [TopicPartition(TICKS.name, p) for p in range(settings.partitions)]
    group = ConsumerGroupTopicPartitions(GROUP, partitions)
    committed = client.list_consumer_group_offsets([group])[GROUP].result(30).topic_partitions
    ends = client.list_offsets({tp: OffsetSpec.latest() for tp in partitions})
    end_of = {tp.partition: done.result(30).offset for tp, done in ends.items()}
    return sum(end_of[tp.partition] - max(tp.offset, 0) for tp in committed)


def told(settings: Settings, prefix: str) -> list[Candle]:
    """The candles of instruments with this prefix in topic ``candles``, in the order of their partitions."""
    reader = Consumer({"bootstrap.servers": settings.kafka_servers, "group.id": "told", "enable.partition.eof": True})
    reader.assign([TopicPartition(CANDLES.name, p, 0) for p in range(settings.partitions)])
    found, ended = [], set()
    while len(ended) < settings.partitions:
        message = reader.poll(10)
        assert message is not None
        if message.error():
            ended.add(message.partition())
        elif (message.key() or b"").decode().startswith(prefix):
            found.append(decode(Candle, message.value() or b""))
    reader.close()
    return found
