"""One Kafka broker in KRaft mode: broker and controller in one process, on loopback (and, if wanted, a door)."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid

from infra.errors import UserError
from infra.local import door
from infra.local.jars import classpath
from infra.local.java import java
from infra.local.ports import is_open
from infra.local.servers import Server, data_folder
from infra.settings import Settings

HEAP_MB = 512
LOG_LEVEL = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"


def properties(settings: Settings) -> dict[str, str]:
    """The broker's configuration. Small internal topics and short waits, since it is one broker for one person."""
    broker, controller = settings.kafka_port, settings.kafka_controller_port
    has_door = bool(door.address(settings))
    outer = f",NODES://0.0.0.0:{settings.kafka_nodes_port}" if has_door else ""
    advertised = f",NODES://{door.address(settings)}" if has_door else ""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}{outer}",
        "advertised.listeners": f"BROKER://127.0.0.1:{broker}{advertised}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,NODES:SASL_SSL",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data_folder(settings, "kafka") / "log"),
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # A killed broker's registration blocks its successor for one session (9 s by default).
        "broker.session.timeout.ms": "5000",
        "broker.heartbeat.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "300",
        "group.min.session.timeout.ms": "1000",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.segment.bytes": str(256 << 20),
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
        "log.cleaner.backoff.ms": "5000",
        "message.max.bytes": str(8 << 20),
        "replica.fetch.max.bytes": str(8 << 20),
        "metric.reporters": "",
        **(door.broker_settings(settings) if has_door else {}),
    }


def _launch(settings: Settings, *main: str) -> list[str]:
    flags = [
        "-Xms128m",
        f"-Xmx{HEAP_MB}m",
        "-XX:+UseG1GC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:MaxGCPauseMillis=20",
        "-Djava.awt.headless=true",
    ]
    return [str(java()), *flags, LOG_LEVEL, "-cp", classpath("kafka"), *main]


def prepare(settings: Settings) -> None:
    """Writes the configuration and formats a new log folder; a half-made one is made again. UserError if it fails."""
    folder = data_folder(settings, "kafka")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "server.properties"
    config.touch(mode=0o600)  # the door's password is in it
    config.write_text("".join(f"{key}={value}\n" for key, value in properties(settings).items()), encoding="utf-8")
    formatted = folder / "formatted"  # written last: without it nothing has ever been stored here
    if formatted.exists():
        return
    shutil.rmtree(folder / "log", ignore_errors=True)
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = _launch(settings, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(config))
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise UserError(f"Kafka's data folder {folder} could not be formatted: {' '.join(last)}")
    formatted.write_text(cluster, encoding="utf-8")


def command(settings: Settings) -> list[str]:
    """How the broker is started."""
    return _launch(settings, "kafka.Kafka", str(data_folder(settings, "kafka") / "server.properties"))


def answers(settings: Settings) -> bool:
    """Whether the broker is registered and takes requests."""
    if not is_open(settings.kafka_port):
        return False
    from confluent_kafka import KafkaException

    from infra.kafka import admin

    try:
        return bool(admin(settings).list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def furnish(settings: Settings) -> None:
    """The declared topics."""
    from infra.kafka import make_topics

    make_topics(settings)


KAFKA = Server(
    name="kafka",
    title="Kafka",
    ports=lambda s: (s.kafka_port, s.kafka_controller_port, *[s.kafka_nodes_port] * bool(door.address(s))),
    outside=lambda s: s.kafka,
    prepare=prepare,
    command=command,
    answers=answers,
    furnish=furnish,
    memory_mb=700,
)
