"""The peers of the candle worker: a Faust agent that takes one tick a record and upserts the same candles.

``worker`` upserts the candle of each tick, as a plain agent does. With ``BENCH_COALESCE=1`` in its environment it is
as quick as we could make it: of a thousand ticks each touched candle is written once.

Both are as quick as Faust lets the plain way be: orjson, raw bytes, no tables, no web, large fetches and buffers;
records taken a thousand at a time; the rows written concurrently by prepared statements, 256 at a time; offsets
acknowledged after the write.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import Any

import faust
import orjson
from cassandra.concurrent import execute_concurrent_with_args

from infra.cassandra import connect
from infra.settings import settings
from streams.archive.queries import Queries

GROUP = "bench-candles-plain"
TOPIC = "bench-ticks"
COALESCE = "BENCH_COALESCE"
TAKEN = 1000
MINUTE_US = 60_000_000

app = faust.App(
    GROUP,
    broker=f"aiokafka://{settings().kafka_servers}",
    datadir=str(settings().home / GROUP),
    store="memory://",
    topic_disable_leader=True,
    web_enabled=False,
    stream_wait_empty=False,
    stream_buffer_maxsize=65536,
    broker_max_poll_records=10_000,
    consumer_max_fetch_size=16 << 20,
    broker_commit_interval=0.5,
    consumer_auto_offset_reset="earliest",
)


class Candles:
    """Open, high, low, close and volume of each instrument's minutes, in order of arrival."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], list[Any]] = {}

    def add(self, tick: dict[str, Any]) -> tuple[str, int]:
        """Takes a tick in; the key of its candle."""
        time_us, price, volume = tick["last_trade_us"], tick["last_price"], tick["volume"]
        key = tick["instrument"], time_us - time_us % MINUTE_US
        order = (time_us, volume, tick["receive_us"])
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = [price, price, price, price, volume - tick["last_quantity"], volume, order, order]
        row[1] = max(row[1], price)
        row[2] = min(row[2], price)
        if order >= row[7]:
            row[3], row[5], row[7] = price, volume, order
        return key

    def row(self, name: str, start: int) -> tuple[Any, ...]:
        """A candle as it is now, to be written."""
        o, h, low, c, before, after, first, last = self._rows[name, start]
        day = datetime.fromtimestamp(start / 1e6, UTC).date()
        return (name, day, start, o, h, low, c, after - before, 0, first, last, before, after, False, False, 0, "ticks")


@app.agent(app.topic(TOPIC, value_serializer="raw", key_serializer="raw"))
async def fold(stream: Any) -> None:
    """A thousand records: fold, write, acknowledge."""
    session = connect()
    upsert = Queries(session)["put_candle"]  # the very statement of ours
    candles = Candles()
    async for events in stream.noack_take(TAKEN, within=0.5):
        ticks = [orjson.loads(event.value) for event in events]
        if os.environ.get(COALESCE):
            rows = [candles.row(*key) for key in {candles.add(tick) for tick in ticks}]
        else:
            rows = [candles.row(*candles.add(tick)) for tick in ticks]
        await asyncio.to_thread(execute_concurrent_with_args, session, upsert, rows, concurrency=256)
        for event in events:
            event.ack()


if __name__ == "__main__":
    app.Worker(loglevel="warn").execute_from_commandline()
