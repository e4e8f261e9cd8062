"""A computer joins a real log; the platform's side is the real judge of ``streams.fleet.join`` on real PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition

from infra.errors import UserError
from infra.kafka import end_offsets, produce_all
from infra.settings import CHECKOUT, Settings
from schemas.codec import decode
from schemas.fleet import JoinRequest, Node
from schemas.topics import ALGO_EVENTS, NODE_REQUESTS, NODES
from streams.fleet.fold import NodeEntry
from streams.fleet.invitation import Invitation, read_invitation
from streams.fleet.join import check_request, make_token
from streams.node import join as joining
from streams.node.identity import joined_identity
from streams.node.join import join
from tests.conftest import free_port_base


class Platform(threading.Thread):
    """Answers join requests as the fleet service does."""

    def __init__(self, servers: Settings) -> None:
        super().__init__(daemon=True)
        self._servers = servers
        self._nodes: dict[str, NodeEntry] = {}
        self._over = threading.Event()
        self._reader = Consumer({"bootstrap.servers": servers.kafka_servers, "group.id": "platform"})
        self._reader.assign([TopicPartition(NODE_REQUESTS.name, 0, end_offsets(NODE_REQUESTS.name, [0])[0])])
        self._reader.poll(0)
        self.requests = 0

    def run(self) -> None:
        while not self._over.is_set():
            message = self._reader.poll(0.1)
            if message is not None and not message.error():
                self._answer(decode(JoinRequest, message.value() or b""))
        self._reader.close()

    def _answer(self, request: JoinRequest) -> None:
        self.requests += 1
        verdict = check_request(request, self._nodes.get(request.node), self._servers, time.time_ns() // 1000)
        if verdict.node:
            self.decide(verdict.node)
        if verdict.event:
            produce_all([(ALGO_EVENTS, None, "", verdict.event)], self._servers)

    def decide(self, node: Node) -> None:
        self._nodes[node.node] = NodeEntry(node.node, node, node.changed_us)
        produce_all([(NODES, None, node.node, node)], self._servers)

    def end(self) -> None:
        self._over.set()
        self.join(10)


@pytest.fixture
def platform(servers: Settings) -> Iterator[Platform]:
    made = Platform(servers)
    made.start()
    yield made
    made.end()


def token(servers: Settings, *, approve: bool = True, valid_s: float = 600) -> str:
    return make_token(servers, valid_s=valid_s, approve=approve, tags=["cloud"], actor="test").text


def fresh() -> str:
    return f"n{uuid4().hex[:8]}"


@pytest.mark.parametrize(("approve", "standing"), [(True, "approved"), (False, "pending")])
def test_a_token_lets_one_computer_in(
    servers: Settings, platform: Platform, tmp_path: Path, approve: bool, standing: str
) -> None:
    name, blob = fresh(), token(servers, approve=approve)
    decided = join(blob, name, ["fast"], tmp_path / "first")
    assert (decided.standing, decided.tags) == (standing, ["cloud", "fast"])
    identity = joined_identity(tmp_path / "first")
    assert identity is not None
    assert (identity.name, identity.kafka, identity.tags) == (name, servers.kafka_servers, ["cloud", "fast"])
    assert identity.trust == read_invitation(blob).trust
    assert read_invitation(blob).secret not in "".join(
        path.read_text() for path in (tmp_path / "first").rglob("*") if path.is_file()
    )
    with pytest.raises(UserError, match=f"The platform refused: the join token was used before, by {name}"):
        join(blob, fresh(), [], tmp_path / "second")
    assert joined_identity(tmp_path / "second") is None


def test_a_join_that_was_cut_off_is_done_again_with_the_same_token(
    servers: Settings, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, blob = fresh(), token(servers)

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(joining, "_answer", cut_off)
        with pytest.raises(KeyboardInterrupt):
            join(blob, name, [], tmp_path)
    assert joined_identity(tmp_path) is None
    assert join(blob, name, [], tmp_path).standing == "approved"
    assert not (tmp_path / "node" / "join.json").exists()


def test_refusals_are_one_sentence_each_and_leave_nothing(
    servers: Settings, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = fresh()
    platform.decide(Node(taken, "approved", 1, "test"))
    expired = token(servers, valid_s=1)
    unknown = Invitation(servers.kafka_servers, "00" * 8, "secret", read_invitation(expired).trust)
    with pytest.raises(UserError, match=f"there is a node {taken} already"):
        join(token(servers), taken, [], tmp_path)
    with pytest.raises(UserError, match="token is not known"):
        join(unknown.to_text(), fresh(), [], tmp_path)
    name = fresh()
    for _ in range(2):  # the same refusal is not written twice; it is found all the same
        monkeypatch.setattr(joining, "ANSWER_WITHIN_S", 5.0)
        with pytest.raises(UserError, match="token is not known"):
            join(unknown.to_text(), name, [], tmp_path)
    with pytest.raises(UserError, match="token has expired"):
        join(expired, fresh(), [], tmp_path)
    with pytest.raises(UserError, match="cannot be called 'Bad Name'"):
        join(expired, "Bad Name", [], tmp_path)
    with pytest.raises(UserError, match="copy the whole join command"):
        join(expired[:-9], fresh(), [], tmp_path)
    with pytest.raises(UserError, match="The platform itself lives in"):
        join(token(servers), fresh(), [], servers.home)
    assert joined_identity(tmp_path) is None


def test_no_answer_and_no_kafka_are_told(servers: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "ANSWER_WITHIN_S", 1.0)
    monkeypatch.setattr(joining, "KAFKA_WITHIN_S", 1.0)
    blob = token(servers)
    with pytest.raises(UserError, match="The platform did not answer within 1 s"):
        join(blob, fresh(), [], tmp_path)
    given = read_invitation(blob)
    away = Invitation("127.0.0.1:9", given.token, given.secret, given.trust)
    with pytest.raises(UserError, match=r"Kafka at 127\.0\.0\.1:9 cannot be reached from here .* node token --kafka"):
        join(away.to_text(), fresh(), [], tmp_path)


def test_the_command_joins_and_becomes_the_agent(servers: Settings, platform: Platform, tmp_path: Path) -> None:
    name = fresh()
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("PORTFOLIO_")} | {
        "PORTFOLIO_HOME": str(tmp_path),
        "PORTFOLIO_PORT_BASE": str(free_port_base()),
        "PYTHONPATH": str(CHECKOUT),
    }
    command = [sys.executable, "-P", "-m", "infra.cli", "node"]
    without = subprocess.run(
        [*command, "run"], env=surroundings, capture_output=True, text=True, check=False, timeout=60
    )
    assert without.returncode == 1
    assert "has not joined" in without.stderr
    assert "Traceback" not in without.stderr
    process = subprocess.Popen(
        [*command, "join", token(servers), "--name", name], env=surroundings, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == f"This computer is node {name}.\n"
        said = iter(process.stderr.readline, "")
        assert any(json.loads(line).get("event") == "reads commands" for line in said if line.startswith("{"))
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(10)
