"""Records of a small fleet, for tests."""

from __future__ import annotations

import json
from typing import Any

from schemas.fleet import Algo, AlgoEvent, Command, Heartbeat, Node, Task
from streams.fleet.fold import FleetState, fold_all

NOW = 1_763_617_500_000_000
S = 1_000_000
PARAMETERS = [
    {"name": "fast", "type": "int", "default": 5, "low": 2, "high": 50, "choices": [], "help": "candles"},
    {"name": "share", "type": "float", "default": 0.5, "low": 0.0, "high": None, "choices": [], "help": ""},
    {"name": "side", "type": "str", "default": "both", "low": None, "high": None, "choices": ["long", "both"]},
    {"name": "loud", "type": "bool", "default": False},
]


def node(name: str = "desk", standing: Any = "approved", at_us: int = NOW, **more: Any) -> Node:
    return Node(name, standing, at_us, "asha", **more)


def beat(name: str = "desk", at_us: int = NOW, tasks: dict[str, str] | None = None, **more: Any) -> Heartbeat:
    values: dict[str, Any] = {
        "started_us": NOW - 60 * S, "interval_s": 5.0, "version": "0.1.0", "python": "3.11.9", "host": f"{name}.home",
        "addresses": ["10.0.0.7"], "tags": ["big"], "cores": 4, "cpu": 0.25, "load": 0.5, "memory_used": 4 << 30,
        "memory_total": 16 << 30, "disk_used": 90 << 30, "disk_total": 250 << 30, "received_bps": 1.0,
        "sent_bps": 2.0, "agent_memory": 60 << 20,
    }  # fmt: skip
    return Heartbeat(node=name, at_us=at_us, tasks=tasks or {}, **(values | more))


def algo(name: str = "crossover", package: str = "ab" * 32, **more: Any) -> Algo:
    values: dict[str, Any] = {
        "entry": "crossover.py:Crossover", "description": "Two averages.", "parameters": json.dumps(PARAMETERS),
        "inputs": ["candles:1m"], "python": "3.11", "files": 1, "size": 800, "submitted_us": NOW, "actor": "asha",
    }  # fmt: skip
    return Algo(name, package, **(values | more))


def task(name: str = "crossover@desk", wanted: Any = "running", at_us: int = NOW, **more: Any) -> Task:
    run, _, where = name.partition("@")
    return Task(name, run, more.pop("algo", "crossover"), "ab" * 32, where, wanted, at_us, "asha", **more)


def command(id_: str = "c-1", verb: Any = "start", of: str = "crossover@desk", at_us: int = NOW) -> Command:
    where = of.partition("@")[2]
    return Command(id_, where, verb, of, "", "{}", "console-1", at_us, at_us, at_us + 60 * S, "asha", b"x")


def event(kind: Any, id_: str = "", of: str = "crossover@desk", at_us: int = NOW, **more: Any) -> AlgoEvent:
    return AlgoEvent(id_ or f"e-{kind}-{at_us}", of.partition("@")[2], of, kind, at_us, **more)


def fleet(*records: Any, at_us: int = NOW) -> FleetState:
    """The fold of records that Kafka got a millisecond after each other, the last at ``at_us``; a pair brings its
    own time."""
    first = at_us - 1000 * (len(records) - 1)
    timed = (r if isinstance(r, tuple) else (r, first + 1000 * n) for n, r in enumerate(records))
    return fold_all(FleetState(), timed)


READY = (node(), beat(), algo())
