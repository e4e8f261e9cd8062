"""What the log has for this node: decisions about it (``nodes``) and commands, from where it left off."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from infra.kafka import consumer
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.fleet import Command, Node
from schemas.topics import COMMANDS, NODES
from streams.fleet.signing import SKEW_S, VALID_S
from streams.node.state import UNKNOWN

CONFIG = {
    "enable.partition.eof": True,
    "queued.max.messages.kbytes": 4096,
    "fetch.wait.max.ms": 2000,  # an idle agent asks seldom; a record is answered at once all the same
    "fetch.error.backoff.ms": 200,
    "reconnect.backoff.max.ms": 2000,
}
TRY_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Read:
    """A command that concerns this node, or what could not be read as one; ``next_offset`` follows it."""

    command: Command | None
    problem: str
    next_offset: int


class Intake:
    """Reads two partitions, and commands only once all decisions about this node were read."""

    def __init__(self, node: str, settings: Settings) -> None:
        self._node = node
        self.problem = ""  # why Kafka cannot be reached
        self._consumer: Consumer = consumer(f"node.{node}", settings, CONFIG | {"error_cb": self._told})
        self._try_at = 0.0
        self._assigned = False
        self.knows_standing = False
        self._ended = False  # the end of the commands was seen
        self.decisions: deque[Node] = deque()
        self._commands: deque[Read] = deque()

    def _told(self, error: KafkaError) -> None:
        self.problem = error.str()  # the only way by which a wrong password shows

    def connect(self, cluster: str, offset: int) -> tuple[str, int] | None:
        """The cluster's id and the offset of the next command, once Kafka is there; None until then.

        A stored offset holds for its own cluster only. Without one, commands are read from as long ago as they could
        still be valid.
        """
        if self._assigned or time.monotonic() < self._try_at:
            return None
        self._try_at = time.monotonic() + TRY_EVERY_S
        try:
            found = self._consumer.list_topics(COMMANDS.name, timeout=1).cluster_id or ""
            if offset == UNKNOWN or found != cluster:
                offset = self._recent()
        except KafkaException as error:
            self.problem = self.problem or error.args[0].str()
            return None
        self._consumer.assign([TopicPartition(NODES.name, 0, 0), TopicPartition(COMMANDS.name, 0, offset)])
        self._assigned, self.problem = True, ""
        return found, offset

    def _recent(self) -> int:
        since_ms = int((time.time() - VALID_S - SKEW_S) * 1000)
        [place] = self._consumer.offsets_for_times([TopicPartition(COMMANDS.name, 0, since_ms)], timeout=5)
        if place.error:
            raise KafkaException(place.error)
        if place.offset >= 0:
            return int(place.offset)
        _, end = self._consumer.get_watermark_offsets(TopicPartition(COMMANDS.name, 0), timeout=5)
        return int(end)

    def poll(self, timeout_s: float) -> None:
        """Takes what there is; waits no longer than this for the first."""
        for message in self._consumer.consume(200, timeout_s) if self._assigned else ():
            if error := message.error():
                self._heed(error, message.topic() or "")
            elif message.topic() == NODES.name:
                self._decision(message.key(), message.value())
            elif (read := self._read(message.key(), message.value(), message.offset())) is not None:
                self._commands.append(read)
        if not self._assigned:
            self._consumer.poll(timeout_s)  # for what it has to complain of

    def _heed(self, error: KafkaError, topic: str) -> None:
        if error.code() != KafkaError._PARTITION_EOF:
            self.problem = error.str()
            return
        self.problem = ""
        if topic == NODES.name:
            self.knows_standing = True
        else:
            self._ended = True

    def _decision(self, key: bytes | None, value: bytes | None) -> None:
        if key == self._node.encode() and value is not None:
            try:
                self.decisions.append(decode(Node, value))
            except UndecodableError as error:
                self.problem = f"a decision about this node cannot be read: {error}"

    def _read(self, key: bytes | None, value: bytes | None, offset: int) -> Read | None:
        """None for the commands of others. The key is not signed, so either naming this node is enough."""
        ours = key == self._node.encode()
        try:
            command = decode(Command, value or b"")
        except UndecodableError as error:
            return Read(None, str(error), offset + 1) if ours else None
        return Read(command, "", offset + 1) if ours or command.node == self._node else None

    def next_command(self) -> Read | None:
        """The next command in order; None while there is none, or while the standing is not known."""
        return self._commands.popleft() if self.knows_standing and self._commands else None

    @property
    def has_caught_up(self) -> bool:
        """Whether all commands that there were at the start were given out."""
        return self._ended and self.knows_standing and not self._commands

    def close(self) -> None:
        """Lets go of Kafka."""
        self._consumer.close()
