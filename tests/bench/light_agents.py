"""Many nodes in one process: each beats and obeys like the real agent, but its algos are only names.

``python -m tests.bench.light_agents NODES TRUST`` until SIGTERM; then one line of JSON: the seconds that each command
took from its signature to its node.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from uuid import uuid4

from confluent_kafka import OFFSET_END, TopicPartition

from infra.kafka import consumer, producer
from schemas.codec import decode, encode
from schemas.fleet import AlgoEvent, Command, Heartbeat
from schemas.topics import ALGO_EVENTS, COMMANDS, HEARTBEATS
from streams.fleet.signing import Checker

BEAT_S = 5.0


class LightAgent:
    """One node."""

    def __init__(self, name: str, trust: str) -> None:
        self.name = name
        self.tasks: dict[str, str] = {}
        self._checker = Checker(name, trust)
        self._started_us = _now_us()

    def beat(self) -> Heartbeat:
        """Its heartbeat now."""
        return Heartbeat(
            self.name, _now_us(), self._started_us, BEAT_S, "0", "3.11.0", self.name, ["10.0.0.1"], ["light"], 4, 0.1,
            0.1, 1 << 30, 8 << 30, 1 << 30, 64 << 30, 0.0, 0.0, 60 << 20, dict(self.tasks),
        )  # fmt: skip

    def obey(self, command: Command) -> list[AlgoEvent]:
        """What the real agent would tell."""
        self._checker.check(command, _now_us())
        self.tasks[command.task] = "stopped" if command.verb == "stop" else "running"
        life = "stopped" if command.verb == "stop" else "started"
        kinds = (("accepted", command.id), (life, command.id), ("done", command.id))
        return [
            AlgoEvent(uuid4().hex, self.name, command.task, kind, _now_us(), id_, pid=4242)  # type: ignore[arg-type]
            for kind, id_ in kinds
        ]


def main(count: int, trust: str) -> None:
    """Until SIGTERM."""
    agents = {name: LightAgent(name, trust) for name in names(count)}
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    reader, to = consumer("light-agents"), producer()
    reader.assign([TopicPartition(COMMANDS.name, 0, OFFSET_END)])
    took_s: list[float] = []
    beats = {name: time.monotonic() + BEAT_S * n / count for n, name in enumerate(agents)}
    while not stop:
        for message in reader.consume(100, 0.05):
            if message.error() is None:
                command = decode(Command, message.value())
                if agent := agents.get(command.node):
                    took_s.append((_now_us() - command.issued_us) / 1e6)
                    for event in agent.obey(command):
                        to.produce(ALGO_EVENTS.name, encode(event), event.task.encode(), 0)
        for name, due in beats.items():
            if time.monotonic() >= due:
                beats[name] = due + BEAT_S
                to.produce(HEARTBEATS.name, encode(agents[name].beat()), name.encode(), 0)
        to.poll(0)
    reader.close()
    to.flush(5)
    print(json.dumps(took_s))


def names(count: int) -> list[str]:
    """What the nodes are called."""
    return [f"light-{n:02}" for n in range(count)]


def _now_us() -> int:
    return time.time_ns() // 1000


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
