"""What exactly one supervisor does for all: the broker's session, the list of instruments, the balance of the slots.

Kafka's group protocol chooses it: the supervisors are a group on a topic of one partition, and its owner leads.
"""

from __future__ import annotations

import asyncio

import structlog
from confluent_kafka import Consumer, TopicPartition

from infra.kafka import consumer
from infra.settings import settings
from producers.feed.balancer import Balancer
from producers.feed.catalogue import Catalogue
from producers.feed.provider import Provider
from schemas.topics import FEED_POOLS

POLL_S = 0.1
AGAIN_S = 2.0
log = structlog.get_logger()


class Leadership:
    """Whether this supervisor leads."""

    def __init__(self) -> None:
        self.is_ours = False
        self._consumer: Consumer = consumer(
            "feed-leaders", config={"group.instance.id": settings().feed_pool, "session.timeout.ms": 6000}
        )
        self._consumer.subscribe([FEED_POOLS.name], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    def poll(self) -> bool:
        """Whether it is ours now; quick."""
        self._consumer.poll(0)
        return self.is_ours

    def close(self) -> None:
        """Gives it up."""
        self._consumer.close()

    def _given(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.is_ours = bool(partitions)

    def _taken(self, _: Consumer, __: list[TopicPartition]) -> None:
        self.is_ours = False


async def lead_when_ours(leadership: Leadership, provider: Provider) -> None:
    """Leads whenever this supervisor is the chosen one; work that fails is told and begun anew."""
    while True:
        if leadership.poll():
            work = asyncio.create_task(_lead(provider))
            while leadership.poll() and not work.done():
                await asyncio.wait([work], timeout=POLL_S)
            work.cancel()
            (ended,) = await asyncio.gather(work, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("leading failed", error=repr(ended))
                await asyncio.sleep(AGAIN_S)
        await asyncio.sleep(POLL_S)


async def _lead(provider: Provider) -> None:
    """The leader's work, until cancelled."""
    async with asyncio.TaskGroup() as work:
        work.create_task(provider.keep_session())
        catalogue = Catalogue()
        work.create_task(catalogue.keep_fresh(provider))
        work.create_task(Balancer(catalogue).run())
