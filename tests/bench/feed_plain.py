"""The peer of the feed worker: KiteTicker's parser, one JSON record a tick, acknowledged by all replicas as ours.

``python -m tests.bench.feed_plain TOKENS``. Counts what is acknowledged in the same metric as the worker.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time

import orjson
from confluent_kafka import KafkaError, Message, Producer
from kiteconnect import KiteTicker
from prometheus_client import start_http_server
from websockets.asyncio.client import connect

from infra.kafka import producer
from infra.metrics import FEED_TICKS
from infra.settings import settings
from schemas.topics import TICKS


class Plain:
    """Frame by frame: parse, one record a tick with its instrument as key."""

    def __init__(self, to: Producer) -> None:
        self._to = to
        self.acknowledged = 0

    def taken(self, error: KafkaError | None, _: Message) -> None:
        """One record was acknowledged, or not."""
        self.acknowledged += error is None

    def write(self, tick: dict[str, object]) -> None:
        """One record; waits while the buffer is full."""
        while True:
            try:
                self._to.produce(TICKS.name, orjson.dumps(tick), str(tick["instrument_token"]), on_delivery=self.taken)
                return
            except BufferError:
                self._to.poll(0.01)

    async def stream(self, address: str, tokens: int) -> None:
        """Reads until the connection ends."""
        parse = KiteTicker("key", "token")._parse_binary
        async with connect(address, compression=None, ping_interval=None, max_size=None) as socket:
            await socket.send(json.dumps({"a": "mode", "v": ["full", list(range(tokens))]}))
            async for frame in socket:
                for tick in parse(frame) if len(frame) > 1 else ():
                    self.write(tick)
                self._to.poll(0)


def report(plain: Plain, to: Producer) -> None:
    """Takes in acknowledgements when no frame comes, and tells how many there are, ten times a second."""
    told, metric = 0, FEED_TICKS.labels("plain")
    while True:
        time.sleep(0.1)
        to.poll(0)
        metric.inc(plain.acknowledged - told)
        told = plain.acknowledged


if __name__ == "__main__":
    writer = producer(config={"linger.ms": 5})  # one record a tick needs a moment to gather
    made = Plain(writer)
    start_http_server(settings().feed_metrics_port, "127.0.0.1")
    threading.Thread(target=report, args=(made, writer), daemon=True).start()
    asyncio.run(made.stream(settings().kite_ws_url, int(sys.argv[1])))
