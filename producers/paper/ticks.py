"""What the paper exchange reads while it runs: ticks from a little while ago on, and the tick sizes of instruments."""

from __future__ import annotations

import time

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from infra import kafka
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.market import Instrument
from schemas.ticks import TickBatch
from schemas.topics import INSTRUMENTS, TICKS

REWIND_S = 60.0  # so much of what ticked before the start is read: orders that lived meanwhile are filled by it
MOST = 200  # records at once


class TickReader:
    """Blocks while it reads; not for several threads at once."""

    def __init__(self, of: Settings) -> None:
        self.bad_records = 0
        more = {"fetch.wait.max.ms": 20, "auto.offset.reset": "latest", "enable.partition.eof": True}
        self._consumer = kafka.consumer("paper-ticks", of, more)
        there = self._consumer.list_topics(TICKS.name, timeout=10).topics[TICKS.name]
        if there.error is not None:
            raise KafkaException(there.error)
        since_ms = int((time.time() - REWIND_S) * 1000)
        wanted = [TopicPartition(TICKS.name, partition, since_ms) for partition in there.partitions]
        places = self._consumer.offsets_for_times(wanted, timeout=10)
        places.append(TopicPartition(INSTRUMENTS.name, 0, OFFSET_BEGINNING))
        self._behind = {(place.topic, place.partition) for place in places}
        self._consumer.assign(places)

    @property
    def caught_up(self) -> bool:
        """Whether all that was there at the start has been read."""
        return not self._behind

    def read(self, wait_s: float) -> tuple[list[TickBatch], list[Instrument]]:
        """What has come, after waiting at most so long. KafkaException when the topics cannot be read."""
        batches: list[TickBatch] = []
        instruments: list[Instrument] = []
        for message in self._consumer.consume(MOST, wait_s):
            if error := message.error():
                if error.code() == KafkaError._PARTITION_EOF:
                    self._behind.discard((message.topic(), message.partition()))
                elif error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART):
                    raise KafkaException(error)
                continue  # Kafka is away: the client goes on when it is back
            value = message.value()
            try:
                if message.topic() == TICKS.name:
                    batches.append(decode(TickBatch, value or b""))
                elif value is not None:
                    instruments.append(decode(Instrument, value))
            except UndecodableError:
                self.bad_records += 1  # the candle worker puts them aside
        return batches, instruments

    def close(self) -> None:
        """Ends it."""
        self._consumer.close()
