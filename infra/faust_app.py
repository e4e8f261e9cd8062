"""A Faust application from the settings, and a process around it that always ends.

Faust is given raw bytes and asked for nothing clever: no tables by HTTP, no acks of its own, one web server on the
loopback address. Four things are ours:

- *Bounded memory.* Faust counts records, not bytes, and when all its buffers are full it sleeps for a second. Here
  its buffers have no limit, and nothing is fetched while more than ``MAX_BUFFERED`` bytes wait.
- *Static membership.* Each worker slot keeps its ``group.instance.id``: one that was killed has its partitions back
  as soon as it joins again.
- *Speed.* Each record is delivered by a plain call instead of a race of four tasks.
- *An end.* When Faust crashes or takes too long to stop, the process exits with status 1; its supervisor starts it
  again, and Kafka gives it the same partitions.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import faust
import structlog
from aiokafka.errors import IllegalStateError
from faust.transport.drivers.aiokafka import Consumer as KafkaConsumer

from infra.ending import end_within
from infra.errors import UserError
from infra.settings import Settings

MAX_BUFFERED = 32 * 1024 * 1024  # bytes of records that were fetched and not yet taken by an agent
CHANGELOG = "-changelog"  # how Faust ends the names of its tables' topics
STOP_S = 9.0
log = structlog.get_logger()


class Buffered:
    """How many bytes wait between the fetcher and the agents of an app."""

    def __init__(self) -> None:
        self.bytes = 0

    def taken(self, size: int) -> None:
        """An agent has taken a record of this size."""
        self.bytes -= size


class ReadOffsets(defaultdict[Any, Any]):
    """What Faust remembers to have read, but of changelogs only.

    After a rebalance that leaves a worker its partitions, what was under way is delivered before Faust goes back to the
    committed offsets. By its memory it then takes the records between for missing in the log, and passes over them.
    """

    def __getitem__(self, tp: Any) -> Any:
        return super().__getitem__(tp) if tp.topic.endswith(CHANGELOG) else None


class BoundedConsumer(KafkaConsumer):  # type: ignore[misc]
    """Faust's consumer, which fetches only while there is room."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.app.keeps_order:
            self._read_offset = ReadOffsets(lambda: None)

    def _to_message(self, tp: Any, record: Any) -> Any:
        if not tp.topic.endswith(CHANGELOG):  # that goes into a table, and no agent takes it
            self.app.buffered.bytes += len(record.value or b"")
        return super()._to_message(tp, record)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - as Faust calls it
        for _ in range(100):
            if self.app.buffered.bytes < MAX_BUFFERED:
                return await super()._getmany(active_partitions, timeout)
            await asyncio.sleep(0.01)
        return {}

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:  # noqa: ASYNC109 - as Faust calls it
        """Faust delivers each record in a race against a stop of the flow: four tasks a record. Its buffers being
        without limit here, delivery never blocks while the flow runs, so the race is held only when it does not."""
        if len(coros) == 2 and asyncio.iscoroutine(coros[1]) and not self.suspend_flow.is_set():
            coros[1].close()
            return await coros[0]
        return await super().wait_first(*coros, timeout=timeout)


class App(faust.App):  # type: ignore[misc]
    """A Faust app that knows what waits in its buffers. ``keeps_order``: it sees to it itself that it takes each record
    once, in order (``infra.in_order``); it is given some twice."""

    keeps_order = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.buffered = Buffered()
        self.in_worker = True

    async def seek(self, partition: Any, offset: int) -> None:
        """Goes on reading a partition from there; nothing happens when it was just taken away.

        Faust's own ``seek`` changes from this thread what the consumer's thread is handing over: now and then that
        ended the process.
        """
        with contextlib.suppress(IllegalStateError):
            await self.consumer.seek_wait({partition: offset})


def make_app(name: str, of: Settings, web_port: int, slot: int = 0, **more: Any) -> App:
    """A Faust app: ``name`` is its consumer group, ``slot`` numbers its workers on this computer.

    ``more`` goes to Faust's own settings. UserError when the Kafka security settings cannot be told to Faust.
    """
    datadir = of.home / "faust" / f"{name}-{slot}"
    datadir.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "broker": [f"kafka://{server.strip()}" for server in of.kafka_servers.split(",")],
        "broker_credentials": _credentials(of.kafka_security),
        "consumer_group_instance_id": f"{name}-{of.feed_pool}-{slot}",
        "broker_session_timeout": 6.0,
        "broker_heartbeat_interval": 2.0,
        "broker_request_timeout": 30.0,
        "broker_max_poll_interval": 86_400.0,
        "broker_max_poll_records": 500,
        "broker_commit_interval": 0.5,
        "consumer_max_fetch_size": 512 * 1024,
        "consumer_auto_offset_reset": "earliest",
        "stream_buffer_maxsize": 1_000_000,
        "stream_wait_empty": False,
        "stream_processing_timeout": 86_400.0,
        "broker_commit_livelock_soft_timeout": 86_400.0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "datadir": datadir,
        "web_host": "127.0.0.1",
        "web_bind": "127.0.0.1",
        "web_port": web_port,
        "web_tables_enabled": False,
        "web_router_enabled": False,
        "producer_compression_type": "lz4",
        "worker_redirect_stdouts": False,
        "autodiscover": False,
    }
    app = App(name, **(options | more))
    app.transport.Consumer = BoundedConsumer
    return app


def _credentials(security: dict[str, str]) -> Any:
    """Faust's form of librdkafka's security settings, or None for none."""
    protocol = security.get("security.protocol", "plaintext").lower()
    if protocol == "plaintext":
        return None
    context = None
    if protocol.endswith("ssl"):
        context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
        if certificate := security.get("ssl.certificate.location"):
            context.load_cert_chain(certificate, security.get("ssl.key.location"), security.get("ssl.key.password"))
        if security.get("ssl.endpoint.identification.algorithm") == "none":
            context.check_hostname = False
    if protocol == "ssl":
        return faust.SSLCredentials(context)
    mechanism = security.get("sasl.mechanism") or security.get("sasl.mechanisms") or "PLAIN"
    if mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        raise UserError(f"Kafka's sasl.mechanism {mechanism} is not supported here; use PLAIN or SCRAM-SHA-256/512.")
    return faust.SASLCredentials(
        username=security.get("sasl.username"),
        password=security.get("sasl.password"),
        ssl_context=context,
        mechanism=mechanism,
    )


async def run(app: App, before_stop: Callable[[], Awaitable[None]]) -> int:
    """Runs the app until SIGTERM or SIGINT (returns 0) or until it crashes (1); never hangs.

    ``before_stop`` is awaited after the signal while everything still runs: the place for a last flush. The app must
    have been made on the running event loop.
    """
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    status = 0
    try:
        starting = asyncio.ensure_future(app.start())
        await asyncio.wait({starting, asyncio.ensure_future(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        while not stop.is_set() and not app.crashed and not app.should_stop:  # noqa: ASYNC110 - Faust has no event
            await asyncio.sleep(0.1)
        if app.crashed or not stop.is_set():
            status = 1
            log.error("the stream crashed", reason=repr(app.crash_reason))
    except Exception as error:  # noqa: BLE001 - whatever it was, the process must end and say so
        status = 1
        log.error("the stream could not start", reason=f"{type(error).__name__}: {error}")
    end_within(STOP_S, status or 1)
    if not status:
        await before_stop()
    await app.stop()
    end_within(3.0, status)
    return status
