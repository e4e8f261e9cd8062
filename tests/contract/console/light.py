"""A node with no processes: it beats, checks what it is told, and answers in the log as the agent does."""

from __future__ import annotations

import threading
import time
from typing import Any
from uuid import uuid4

from confluent_kafka import OFFSET_END, TopicPartition

from infra.kafka import consumer, produce_all
from infra.settings import Settings
from schemas.codec import decode
from schemas.fleet import AlgoEvent, Command, EventKind, Heartbeat, Node
from schemas.topics import ALGO_EVENTS, COMMANDS, HEARTBEATS, NODES
from streams.fleet.signing import Checker, RefusedError, control_key, trust_of

BEAT_S = 0.5


def now_us() -> int:
    return time.time_ns() // 1000


def beat(name: str, tasks: dict[str, str] | None = None, **more: Any) -> Heartbeat:
    values: dict[str, Any] = {
        "started_us": now_us(), "interval_s": 5.0, "version": "0.1.0", "python": "3.11.9", "host": f"{name}.home",
        "addresses": ["10.0.0.7"], "tags": ["light"], "cores": 4, "cpu": 0.25, "load": 0.5, "memory_used": 4 << 30,
        "memory_total": 16 << 30, "disk_used": 90 << 30, "disk_total": 250 << 30, "received_bps": 1200.0,
        "sent_bps": 300.0, "agent_memory": 60 << 20,
    }  # fmt: skip
    return Heartbeat(node=name, at_us=now_us(), tasks=dict(tasks or {}), **(values | more))


class LightNode:
    """Used as a context: it is there within it, and approved unless ``standing`` says otherwise."""

    def __init__(self, name: str, of: Settings, standing: Any = "approved", **more: Any) -> None:
        self.name = name
        self.refuses = ""  # when set, the reason with which it refuses everything
        self.is_deaf = False  # when set, it answers nothing
        self.obeyed: list[Command] = []
        self._of = of
        self._more = more
        self._tasks: dict[str, str] = {}
        self._checker = Checker(name, trust_of(control_key(of.home)))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._reader = consumer(f"light-{name}", of)
        produce_all([(NODES, 0, name, Node(name, standing, now_us(), "tests"))], of)

    def __enter__(self) -> LightNode:
        end = self._reader.get_watermark_offsets(TopicPartition(COMMANDS.name, 0), timeout=10)[1]
        self._reader.assign([TopicPartition(COMMANDS.name, 0, end if end >= 0 else OFFSET_END)])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._reader.close()

    def _run(self) -> None:
        due = 0.0
        while not self._over.is_set():
            if time.monotonic() >= due:
                due = time.monotonic() + BEAT_S
                produce_all([(HEARTBEATS, 0, self.name, beat(self.name, self._tasks, **self._more))], self._of)
            message = self._reader.poll(0.1)
            if message is not None and not message.error() and not self.is_deaf:
                command = decode(Command, message.value())
                if command.node == self.name:
                    self._answer(command)

    def _answer(self, command: Command) -> None:
        try:
            self._checker.check(command, now_us())
            if self.refuses:
                raise RefusedError(self.refuses)
        except RefusedError as error:
            self._tell(command, "refused", reason=str(error))
            return
        self.obeyed.append(command)
        self._tell(command, "accepted")
        starts = command.verb in ("start", "restart")
        if starts:
            self._tasks[command.task] = "running"
        else:
            self._tasks.pop(command.task, None)
        self._tell(command, "started" if starts else "stopped", pid=4242 if starts else 0)
        self._tell(command, "done")

    def _tell(self, command: Command, kind: EventKind, **more: Any) -> None:
        event = AlgoEvent(uuid4().hex, self.name, command.task, kind, now_us(), command.id, **more)
        produce_all([(ALGO_EVENTS, 0, command.task, event)], self._of)
