"""The fleet as a process of its own on real Kafka and PostgreSQL, and nodes that answer it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
from confluent_kafka import OFFSET_END, TopicPartition

from infra.console_client import PLAIN
from infra.kafka import consumer, flush, producer, write_all
from infra.settings import CHECKOUT, Settings
from schemas.codec import decode, encode
from schemas.fleet import AlgoEvent, Command
from schemas.topics import ALGO_EVENTS, COMMANDS, HEARTBEATS, TOPICS
from streams.fleet.signing import Checker, RefusedError, control_key, trust_of
from tests.unit.streams.fleet.records import algo, beat
from tests.wait import until


class Fleet:
    """What the fleet's web views say."""

    def __init__(self, of: Settings, process: subprocess.Popen[bytes]) -> None:
        self.settings, self.process, self.said = of, process, ""
        self._url = f"http://127.0.0.1:{of.fleet_web_port}"

    def get(self, path: str) -> Any:
        """A view; None while it does not answer well."""
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"{self._url}{path}", timeout=5, verify=PLAIN)
            return answer.json() if answer.status_code == httpx.codes.OK else None
        return None

    def knows(self) -> bool:
        """Whether it knows its state; else it says in the test's output what it waits for."""
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"{self._url}/health", timeout=5, verify=PLAIN)
            if answer.status_code == httpx.codes.OK:
                return True
            self.said = answer.text
        return False

    def one(self, path: str, **wanted: str) -> dict[str, Any]:
        """The one row of a view that has these values; empty when there is none."""
        rows = (self.get(path) or {}).get(path.partition("?")[0].strip("/"), [])
        return next((row for row in rows if all(row[k] == v for k, v in wanted.items())), {})

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait(10)


class LightNode(threading.Thread):
    """A node without processes: it beats, checks the signatures of its commands, and says that it has obeyed."""

    def __init__(self, of: Settings, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.tasks: dict[str, str] = {}
        self.obeyed: list[str] = []
        self.obeys = threading.Event()
        self.obeys.set()
        self._settings = of
        self._checker = Checker(name, trust_of(control_key(of.home)))
        self._to = producer(of)
        self._end = threading.Event()
        self._number = 0

    def run(self) -> None:
        started_us = time.time_ns() // 1000
        reader = consumer(f"light-{self.name}", self._settings)
        reader.assign([TopicPartition(COMMANDS.name, 0, OFFSET_END)])
        while not self._end.is_set():
            now_us = time.time_ns() // 1000
            made = beat(self.name, now_us, dict(self.tasks), started_us=started_us, interval_s=1.0)
            self._to.produce(HEARTBEATS.name, encode(made), self.name.encode())
            for message in reader.consume(100, 0.2):
                if message.key() == self.name.encode() and self.obeys.is_set():
                    self._obey(decode(Command, message.value() or b""))
            self._to.poll(0)
        reader.close()
        flush(self._to)

    def _obey(self, command: Command) -> None:
        try:
            self._checker.check(command, time.time_ns() // 1000)
        except RefusedError as error:
            self._tell(command, "refused", reason=str(error))
            return
        self._tell(command, "accepted")
        self.obeyed.append(command.verb)
        if command.verb != "start" and self.tasks.pop(command.task, ""):
            self._tell(command, "stopped")
        if command.verb in ("start", "restart"):
            assert json.loads(command.arguments)["task"] == command.task
            self.tasks[command.task] = "running"
            self._tell(command, "started", pid=4242)
        self._tell(command, "done")

    def _tell(self, command: Command, kind: Any, **more: Any) -> None:
        self._number += 1
        id_ = f"{self.name}-{id(self)}-{self._number}"
        event = AlgoEvent(id_, self.name, command.task, kind, time.time_ns() // 1000, command.id, **more)
        self._to.produce(ALGO_EVENTS.name, encode(event), command.task.encode())

    def end(self) -> None:
        """Ends it, as a node that was switched off."""
        self._end.set()
        self.join(10)


@contextmanager
def light_node(of: Settings, name: str) -> Iterator[LightNode]:
    """A node that beats; not approved yet."""
    node = LightNode(of, name)
    node.start()
    try:
        yield node
    finally:
        node.end()


@contextmanager
def running(of: Settings, **environment: str) -> Iterator[Fleet]:
    """A fleet that knows its state; ended at the end."""
    command = [sys.executable, "-P", "-m", "streams.fleet"]
    surroundings = os.environ | {"PYTHONPATH": str(CHECKOUT)} | environment
    process = subprocess.Popen(command, cwd=CHECKOUT, env=surroundings)
    try:
        fleet = Fleet(of, process)
        until("the fleet to know its state", lambda: fleet.knows() or process.poll() is not None, 60, 0.1)
        assert process.poll() is None
        yield fleet
    except AssertionError as error:
        error.add_note(f"the fleet said last: {fleet.said}")
        raise
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def put(of: Settings, topic: str, key: str, *records: Any) -> None:
    """Writes records of a key."""
    write_all([(TOPICS[topic], 0, key, encode(record)) for record in records], of)


@pytest.fixture(scope="module")
def fleet(servers: Settings) -> Iterator[Fleet]:
    """A running fleet that has an algo, so that it does not submit the examples."""
    put(servers, "algos", "crossover", algo("crossover", submitted_us=time.time_ns() // 1000))
    with running(servers) as fleet:
        yield fleet
