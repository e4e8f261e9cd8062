"""The candle worker on real Kafka and Cassandra: nothing lost, nothing twice, whatever is killed or stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading

from confluent_kafka import Consumer, TopicPartition

from infra.settings import Settings
from schemas.codec import decode, encode
from schemas.market import DeadLetter
from tests.contract.candles.worker import (
    health,
    lag,
    market,
    must_be_stored,
    send,
    terminate,
    told,
    wait_for,
    worker,
)
from tests.unit.streams.candles.ticks import MINUTE, OPENING, T, batch_of


def test_candles_are_stored_told_and_acknowledged_and_bad_bytes_are_put_aside(servers: Settings) -> None:
    records = market("FIRST", 1, instruments=3, minutes=5)
    broken = [(1, b"garbage"), (1, records[0][1][:-3]), (1, b"")]
    with worker(servers) as process:
        send(servers, [*records[:5], *broken, *records[5:]])
        must_be_stored(servers, records)
        assert health(servers)["rejected"] == 3
        assert terminate(process) == 0
    complete = told(servers, "NSE:FIRST")
    assert len({(c.instrument, c.start_us) for c in complete}) == 15
    assert all(c.complete for c in complete)
    assert [letter.payload for letter in dead_letters(servers)][-3:] == [value for _, value in broken]


def dead_letters(settings: Settings) -> list[DeadLetter]:
    reader = Consumer({"bootstrap.servers": settings.kafka_servers, "group.id": "dlq", "enable.partition.eof": True})
    reader.assign([TopicPartition("ticks-dlq", 0, 0)])
    found = []
    while (message := reader.poll(10)) is not None and not message.error():
        found.append(decode(DeadLetter, message.value() or b""))
    reader.close()
    return found


def test_a_stop_stores_and_commits_what_is_held(servers: Settings) -> None:
    records = market("STOP", 2, instruments=2, minutes=2)
    with worker(servers) as process:
        send(servers, records[:-1])
        wait_for("the ticks to be taken", lambda: int(str(health(servers).get("ticks", 0))) > 0)
        assert terminate(process) == 0
    with worker(servers):  # open candles are completed by the clock alone, after a restart too
        send(servers, records[-1:])
        must_be_stored(servers, records)


def test_a_tick_that_is_half_an_hour_late_is_merged_into_its_stored_candle(servers: Settings) -> None:
    records = market("LATE", 3, instruments=2, minutes=40)
    at = OPENING + 3 * MINUTE + 1_000_000
    late = (3, encode(batch_of([T("NSE:LATE0", at, 365, at + 30 * MINUTE, 7.0)])))
    with worker(servers):
        send(servers, records)
        must_be_stored(servers, records)
        send(servers, [late])
        must_be_stored(servers, [*records, late])
    versions = [c for c in told(servers, "NSE:LATE0") if c.start_us == OPENING + 3 * MINUTE]
    assert [(c.revision, c.low) for c in versions][-1] == (1, 7.0)


def test_kills_in_the_middle_lose_nothing(servers: Settings) -> None:
    records = [r for p in range(4) for r in market(f"KILL{p}X", p, instruments=4, minutes=20)]
    rng = random.Random(7)
    sending = threading.Thread(target=lambda: [send(servers, records[n : n + 40]) for n in range(0, len(records), 40)])
    sending.start()
    for _ in range(3):
        with worker(servers) as process:
            ticks = rng.randint(1, 800)
            wait_for("some ticks", lambda at_least=ticks: int(str(health(servers).get("ticks", 0))) >= at_least)
            process.kill()
    sending.join()
    with worker(servers):
        must_be_stored(servers, records)


def test_cassandra_away_means_waiting_and_nothing_is_acknowledged(servers: Settings) -> None:
    records = [r for p in range(3) for r in market(f"AWAY{p}X", p, instruments=3, minutes=10)]
    with worker(servers) as process:
        send(servers, records[:10])
        wait_for("the first to be committed", lambda: lag(servers) == 0)
        cassandra = pid_of("cassandra")
        os.kill(cassandra, signal.SIGSTOP)
        try:
            send(servers, records[10:])
            wait_for("the worker to say so", lambda: health(servers).get("status") == "degraded")
            assert lag(servers) > 0
            assert process.poll() is None
        finally:
            os.kill(cassandra, signal.SIGCONT)
        must_be_stored(servers, records)
        assert process.poll() is None


def pid_of(service: str) -> int:
    status = subprocess.run(
        [sys.executable, "-m", "infra.cli", "status", "--json"], capture_output=True, text=True, check=True
    )
    return next(int(row["pid"]) for row in json.loads(status.stdout)["services"] if row["name"] == service)


def test_two_workers_share_and_the_second_may_be_killed(servers: Settings) -> None:
    records = [r for p in range(servers.partitions) for r in market(f"TWO{p}X", p, instruments=2, minutes=10)]
    random.Random(3).shuffle(chunks := [records[n : n + 30] for n in range(0, len(records), 30)])
    with worker(servers) as first:
        for chunk in chunks[:4]:
            send(servers, chunk)
        with worker(servers, slot=1) as second:
            wait_for("the second to have partitions", lambda: health(servers, 1).get("partitions"))
            for chunk in chunks[4:8]:
                send(servers, chunk)
            second.kill()
        for chunk in chunks[8:]:
            send(servers, chunk)
        must_be_stored(servers, records)
        assert first.poll() is None
