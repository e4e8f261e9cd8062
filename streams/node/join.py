"""A computer becomes a node: it proves that it has a token, waits for the platform's answer, and notes who it is.

The request is noted before it is sent: joining again after a crash sends the same request, which has the same answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.clock import clock_file
from infra.errors import UserError
from infra.kafka import consumer, produce_all
from infra.settings import Settings, settings
from schemas.codec import UndecodableError, decode
from schemas.fleet import AlgoEvent, JoinRequest, Node
from schemas.topics import ALGO_EVENTS, NODE_REQUESTS, NODES, Topic
from streams.fleet.invitation import Invitation, proof_of, read_invitation, secret_hash
from streams.node.files import write_whole
from streams.node.identity import Identity, check_name, folder_of, host_name, joined_identity, write_identity
from streams.node.process import hold
from streams.node.statistics import now_us, version

ANSWER_WITHIN_S = 30.0
KAFKA_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was noted: which token, when, and where its answer will come at the earliest."""

    token: str
    node: str
    at_us: int
    nodes: int  # offset in topic ``nodes``
    events: int  # offset in topic ``algo-events``


def join(blob: str, name: str | None = None, tags: Sequence[str] = (), home: Path | None = None) -> Node:
    """Joins with the text of a token; the decision, approved or pending. The caller then runs the agent.

    UserError, one sentence, when the token or the name is refused, or when Kafka or the platform does not answer.
    """
    place, invitation, node = home or settings().home, read_invitation(blob), name or host_name()
    check_name(node)
    if (place / "control.key").exists():
        raise UserError(f"The platform itself lives in {place}, and is a node already; join from another computer.")
    ours = settings().model_copy(update={"kafka": invitation.kafka, "kafka_security": invitation.security})
    folder_of(place).mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = hold(folder_of(place) / "lock")
    try:
        return _join(place, invitation, node, tags, ours)
    finally:
        os.close(lock)


def _join(home: Path, invitation: Invitation, node: str, tags: Sequence[str], ours: Settings) -> Node:
    reader = consumer("join", ours)
    try:
        request = _noted(home, invitation, node, reader, ours)
        proof = proof_of(secret_hash(invitation.secret), node, request.at_us)
        asked = JoinRequest(
            node, invitation.token, proof, request.at_us, version(), socket.gethostname(), list(dict.fromkeys(tags))
        )
        produce_all([(NODE_REQUESTS, None, node, asked)], ours)
        decided = _answer(reader, request)
    finally:
        reader.close()
    _become(home, invitation, decided)
    return decided


def _noted(home: Path, invitation: Invitation, node: str, reader: Consumer, ours: Settings) -> Request:
    """The request of the last attempt with this token and name, or a new one."""
    path = folder_of(home) / "join.json"
    places = [_end(reader, topic, ours) for topic in (NODES, ALGO_EVENTS)]
    with contextlib.suppress(OSError, ValueError, TypeError):
        noted = Request(**json.loads(path.read_bytes()))
        if (noted.token, noted.node) == (invitation.token, node):
            return noted
    request = Request(invitation.token, node, now_us(), *places)
    write_whole(path, json.dumps(asdict(request)).encode())
    return request


def _end(reader: Consumer, topic: Topic, ours: Settings) -> int:
    try:
        known = reader.list_topics(topic.name, timeout=KAFKA_WITHIN_S).topics[topic.name]
        if known.error:
            raise UserError(f"The Kafka at {ours.kafka_servers} is not the platform's: it has no topic {topic.name}.")
        return int(reader.get_watermark_offsets(TopicPartition(topic.name, 0), timeout=KAFKA_WITHIN_S)[1])
    except KafkaException as error:
        raise UserError(
            f"Kafka at {ours.kafka_servers} cannot be reached from here ({error.args[0].str()}); if that is not its "
            "address for this computer, make a token with `./portfolio node token --kafka HOST:PORT`."
        ) from None


def _answer(reader: Consumer, request: Request) -> Node:
    """What was decided. UserError with the reason of a refusal, or when there is no answer in time."""
    reader.assign([TopicPartition(NODES.name, 0, 0), TopicPartition(ALGO_EVENTS.name, 0, request.events)])
    before = ""  # the reason of an earlier refusal: the same one is not written again
    for record, is_new in _records(reader, request):
        if isinstance(record, AlgoEvent):
            if record.kind == "refused" and record.command == request.token:
                raise _refused(record.reason)
        elif record.standing != "removed" and is_new:
            return record
        elif record.standing == "removed":
            before = record.reason
            if is_new:
                raise _refused(record.reason)
    if before:
        raise _refused(before)
    raise UserError(
        f"The platform did not answer within {ANSWER_WITHIN_S:.0f} s: is it up? Run the same command again when it is."
    )


def _records(reader: Consumer, request: Request) -> Iterator[tuple[Node | AlgoEvent, bool]]:
    """What is said of this name until the time is up, and whether it can be the answer."""
    end = time.monotonic() + ANSWER_WITHIN_S
    while time.monotonic() < end:
        message = reader.poll(0.5)
        if message is None or message.error() or message.value() is None:
            continue
        with contextlib.suppress(UndecodableError):
            if message.topic() == ALGO_EVENTS.name:
                event = decode(AlgoEvent, message.value() or b"")
                if event.node == request.node:
                    yield event, True
            elif message.key() == request.node.encode():
                yield decode(Node, message.value() or b""), (message.offset() or 0) >= request.nodes


def _refused(reason: str) -> UserError:
    return UserError(f"The platform refused: {reason.rstrip('.')}.")


def _become(home: Path, invitation: Invitation, decided: Node) -> None:
    """Notes who this computer is from now on. What it remembers as another node, or of another platform, is no more."""
    identity = Identity(
        decided.node, invitation.kafka, invitation.trust, list(decided.tags), dict(invitation.security), joined=True
    )
    before = joined_identity(home)
    if before is None or (before.name, before.trust) != (identity.name, identity.trust):
        (folder_of(home) / "state.json").unlink(missing_ok=True)
    if invitation.clock:
        write_whole(clock_file(home), json.dumps(invitation.clock).encode())
    else:
        clock_file(home).unlink(missing_ok=True)
    write_identity(home, identity)
    (folder_of(home) / "join.json").unlink(missing_ok=True)
