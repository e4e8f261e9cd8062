"""One Cassandra node, on loopback."""

from __future__ import annotations

import json

from infra.local.jars import JARS, classpath
from infra.local.java import java
from infra.local.ports import is_open
from infra.local.servers import Server, data_folder
from infra.settings import Settings

HEAP_MB = 768
# The parts of the Java platform that Cassandra 5 reaches into (its own conf/jvm17-server.options).
EXPORTS = (
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
    "jdk.attach/sun.tools.attach",
)
OPENS = (
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
    "java.base/sun.nio.ch",
    "java.base/java.io",
    "java.base/java.lang.reflect",
    "java.base/java.lang",
    "java.base/java.util",
)
# A node alone has nobody to gossip with: it need not wait for others.
ALONE = (
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.ring_delay_ms=0",
    "-Dcassandra.superuser_setup_delay_ms=0",
    "-Dcassandra.shutdown_announce_in_ms=0",
)
LOGBACK = """<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{ISO8601} %logger{0} - %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
"""


def config(settings: Settings) -> dict[str, object]:
    """cassandra.yaml. A write is on the disk before it is acknowledged (``group``: one sync for all within 5 ms)."""
    data = data_folder(settings, "cassandra")
    return {
        "cluster_name": "portfolio",
        "num_tokens": 1,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "data_file_directories": [str(data / "data")],
        "commitlog_directory": str(data / "commitlog"),
        "saved_caches_directory": str(data / "saved_caches"),
        "hints_directory": str(data / "hints"),
        "cdc_raw_directory": str(data / "cdc_raw"),
        "commitlog_sync": "group",
        "commitlog_sync_group_window": "5ms",
        "commitlog_segment_size": "16MiB",
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": f"127.0.0.1:{settings.cassandra_storage_port}"}],
            }
        ],
        "listen_address": "127.0.0.1",
        "rpc_address": "127.0.0.1",
        "storage_port": settings.cassandra_storage_port,
        "native_transport_port": settings.cassandra_port,
        "start_native_transport": True,
        "memtable_allocation_type": "heap_buffers",
        "batch_size_warn_threshold": "64KiB",  # a batch of a candle writer is 15 KiB: minutes of one instrument
        "auto_snapshot": False,
        "concurrent_writes": 16,
        "concurrent_reads": 16,
        "concurrent_compactors": 1,
        "dynamic_snitch": False,
        "file_cache_enabled": False,
        "networking_cache_size": "16MiB",
        "key_cache_size": "8MiB",
        "counter_cache_size": "0MiB",
    }


def prepare(settings: Settings) -> None:
    """Writes the configuration. Cassandra makes its own folders. YAML reads JSON, so JSON is what is written."""
    folder = data_folder(settings, "cassandra")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cassandra.yaml").write_text(json.dumps(config(settings), indent=1), encoding="utf-8")
    (folder / "logback.xml").write_text(LOGBACK, encoding="utf-8")


def command(settings: Settings) -> list[str]:
    """How the node is started."""
    folder = data_folder(settings, "cassandra")
    reach = [f"--add-exports={name}=ALL-UNNAMED" for name in EXPORTS]
    reach += [f"--add-opens={name}=ALL-UNNAMED" for name in OPENS]
    flags = [
        "-Xms256m",
        f"-Xmx{HEAP_MB}m",
        "-Xss512k",
        "-XX:+UseG1GC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:+UseStringDeduplication",
    ]
    jamm = next((JARS / "cassandra").glob("jamm-*.jar"))
    return [
        str(java()),
        *flags,
        *settings.java_flags.split(),
        *ALONE,
        *reach,
        f"-javaagent:{jamm}",
        "-Djdk.attach.allowAttachSelf=true",
        "-Dio.netty.tryReflectionSetAccessible=true",
        f"-Dcassandra.config={(folder / 'cassandra.yaml').as_uri()}",
        f"-Dcassandra.storagedir={folder}",
        f"-Dlogback.configurationFile={folder / 'logback.xml'}",
        "-Dcassandra-foreground=true",
        "-Dcassandra.jmx.local.port=0",
        f"-Djna.tmpdir={folder}",
        "-cp",
        classpath("cassandra"),
        "org.apache.cassandra.service.CassandraDaemon",
    ]


def answers(settings: Settings) -> bool:
    """Whether it takes requests: it opens its port last of all."""
    return is_open(settings.cassandra_port)


def furnish(settings: Settings) -> None:
    """The keyspace and its tables."""
    from infra.migrations import migrate_cassandra

    migrate_cassandra(settings)


CASSANDRA = Server(
    name="cassandra",
    title="Cassandra",
    ports=lambda s: (s.cassandra_port, s.cassandra_storage_port),
    outside=lambda s: s.cassandra,
    prepare=prepare,
    command=command,
    answers=answers,
    furnish=furnish,
    memory_mb=1100,
    stop_s=30,
)
