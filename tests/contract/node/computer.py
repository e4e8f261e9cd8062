"""A computer with a home and an agent process of its own, and what the platform sends to it and hears from it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psutil
from confluent_kafka import Consumer, TopicPartition

from infra.kafka import produce_all
from infra.settings import CHECKOUT, Settings
from schemas.codec import decode
from schemas.fleet import AlgoEvent, Command, Heartbeat, LogLine, Node, Package, Standing, Task, Verb
from schemas.topics import ALGO_EVENTS, ALGO_LOGS, COMMANDS, HEARTBEATS, NODES, PACKAGES, Topic
from streams.fleet.signing import Signer, control_key
from tests.conftest import free_port_base
from tests.contract.node.processes import at_home_in, home_of, kill
from tests.wait import until

R = TypeVar("R")


def archive_of(files: dict[str, str]) -> bytes:
    """A package of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in sorted(files.items()):
            made.writestr(name, text)
    return out.getvalue()


class Heard:
    """All records of one topic about one node, read anew as they come."""

    def __init__(self, settings: Settings, topic: Topic, record: type[Any], node: str) -> None:
        self._record, self._node = record, node
        self._consumer = Consumer({"bootstrap.servers": settings.kafka_servers, "group.id": "heard"})
        count = len(self._consumer.list_topics(topic.name, 10).topics[topic.name].partitions)
        self._consumer.assign([TopicPartition(topic.name, p, 0) for p in range(count)])
        self.records: list[Any] = []

    def now(self) -> list[Any]:
        """What there is by now."""
        for message in self._consumer.consume(1000, 0.1):
            if not message.error():
                record = decode(self._record, message.value() or b"")
                if record.node == self._node:
                    self.records.append(record)
        return self.records

    def close(self) -> None:
        self._consumer.close()


class Computer:
    """One node of its own name."""

    def __init__(self, servers: Settings, folder: Path, name: str = "") -> None:
        self.servers, self.home = servers, folder
        self.name = name or f"n{uuid4().hex[:8]}"
        self.base = free_port_base()
        self.kafka = servers.kafka_servers
        self.more: dict[str, str] = {}  # further surroundings of the agent
        self.process: subprocess.Popen[bytes] | None = None
        self.signer = Signer("test", control_key(self.home))
        self.events_heard = Heard(servers, ALGO_EVENTS, AlgoEvent, self.name)
        self.beats_heard = Heard(servers, HEARTBEATS, Heartbeat, self.name)
        self.logs_heard = Heard(servers, ALGO_LOGS, LogLine, self.name)

    # its process

    def start(self) -> None:
        """Starts the agent."""
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PORTFOLIO_")} | {
            "PORTFOLIO_HOME": str(self.home),
            "PORTFOLIO_PORT_BASE": str(self.base),
            "PORTFOLIO_KAFKA": self.kafka,
            "PORTFOLIO_FEED_POOL": self.name,
            "PYTHONPATH": str(CHECKOUT),
            "SECRET_OF_THE_AGENT": "do not pass on",
            **self.more,
        }
        with (self.home / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.contract.node.agent"],
                env=surroundings, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """As a crash does."""
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def close(self) -> None:
        """Ends the agent and every keeper, whatever state they are in."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        ours = [p for p in psutil.process_iter() if _is_in(p, self.home)]
        kill(ours)
        psutil.wait_procs(ours, 10)
        for heard in (self.events_heard, self.beats_heard, self.logs_heard):
            heard.close()

    @property
    def printed(self) -> str:
        """What the agent itself printed."""
        return (self.home / "agent.log").read_text()

    def health(self) -> dict[str, Any]:
        """The agent's health page; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.base + 68}/health", timeout=2) as answer:
                return dict(json.load(answer))
        except OSError:
            return {}

    def folder(self, task: str) -> Path:
        return self.home / "node" / "tasks" / task

    # what the platform does

    def decide(self, standing: Standing, reason: str = "") -> None:
        node = Node(self.name, standing, 1, "test", [], reason)
        produce_all([(NODES, None, self.name, node)], self.servers)

    def submit(self, archive: bytes | str) -> str:
        """Puts a package (or a one-file program) into the log; its hash."""
        packed = archive_of({"main.py": archive}) if isinstance(archive, str) else archive
        sha256 = hashlib.sha256(packed).hexdigest()
        produce_all([(PACKAGES, None, sha256, Package(sha256, "test", packed))], self.servers)
        return sha256

    def task(self, run: str, package: str, **more: Any) -> Task:
        return Task(f"{run}@{self.name}", run, "test", package, self.name, "running", 1, "test", **more)

    def order(self, verb: Verb, task: Task, arguments: dict[str, Any] | None = None) -> Command:
        """A signed command, not sent yet."""
        starts = verb in ("start", "restart")
        given = dataclasses.asdict(task) if starts else arguments or {"grace_s": 5}
        return self.signer.command(self.name, verb, task.task, "test", given, task.package if starts else "")

    def send(self, *commands: Command, key: str = "") -> None:
        produce_all([(COMMANDS, None, key or c.node, c) for c in commands], self.servers)

    def run(self, run: str, program: str, **more: Any) -> tuple[Task, Command]:
        """Submits and starts a program; the command is on its way."""
        task = self.task(run, self.submit(program), **more)
        command = self.order("start", task)
        self.send(command)
        return task, command

    def tell(self, verb: Verb, task: Task, **arguments: Any) -> Command:
        command = self.order(verb, task, arguments or None)
        self.send(command)
        return command

    # what it says

    def events(self, task: Task | None = None, kind: str = "") -> list[AlgoEvent]:
        found = {e.id: e for e in self.events_heard.now()}  # told twice is told once
        return [e for e in found.values() if (not task or e.task == task.task) and (not kind or e.kind == kind)]

    def kinds(self, task: Task) -> list[str]:
        return [e.kind for e in self.events(task)]

    def wait(self, task: Task, kind: str, count: int = 1, timeout_s: float = 30) -> AlgoEvent:
        """The task's event of a kind, the last of so many."""
        found = until(
            f"{count} {kind} of {task.task}",
            lambda: self.events(task, kind) if len(self.events(task, kind)) >= count else None,
            timeout_s,
            0.05,
        )
        assert found
        return found[count - 1]

    def fate(self, command: Command, kind: str) -> AlgoEvent:
        """The event of a command's fate."""
        return until(
            f"{kind} of {command.verb} {command.task}",
            lambda: next((e for e in self.events(kind=kind) if e.command == command.id), None),
            30,
            0.05,
        )  # type: ignore[return-value]

    def beat(self, holds: Callable[[Heartbeat], bool] = lambda _: True, what: str = "a heartbeat") -> Heartbeat:
        """The first heartbeat from now on for which something holds."""
        seen = len(self.beats_heard.now())
        return until(what, lambda: next((b for b in self.beats_heard.now()[seen:] if holds(b)), None), 30)  # type: ignore[return-value]

    def lines(self, task: Task, source: str = "out") -> list[LogLine]:
        return [line for line in self.logs_heard.now() if line.task == task.task and line.source == source]

    def processes(self, task: Task) -> list[psutil.Process]:
        """The task's living processes, known by their environment."""
        return at_home_in(self.folder(task.task))

    def status(self, task: Task) -> dict[str, Any]:
        return dict(json.loads((self.folder(task.task) / "status.json").read_text()))


def _is_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd().startswith(str(folder)) or home_of(process).startswith(str(folder))
    except psutil.Error:
        return False
