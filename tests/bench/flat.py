"""A drawdown limit breaks: how long until its algo on another computer is stopped and flat.

Times are Kafka's own of the records: the breach, the algo's end, the position of nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from infra.kafka import consumer, end_offsets
from infra.settings import Settings
from schemas.codec import decode
from schemas.fleet import AlgoEvent
from schemas.orders import Position
from schemas.risk import Breach
from schemas.topics import ALGO_EVENTS, BREACHES, POSITIONS
from tests.bench.measure import Line
from tests.bench.servers import home, portfolio
from tests.journeys.network import HOST, computers
from tests.journeys.test_trading import HOLDER, STOCK

PATIENCE_S = 90.0
RUN = "holder"


def run(quick: bool) -> list[Line]:
    """``flat_s``, ``stopped_s``: the worst of some rounds."""
    with home(PORTFOLIO_NODES_HOST=HOST) as chosen, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{RUN}.py"
        file.write_text(HOLDER)
        with computers(("delta",), Path(folder)) as (delta,):
            token = portfolio("node", "token", "--approve", "--json")
            agent = delta.start("node", "join", token["blob"], "--name", "delta")
            try:
                _until("delta", lambda: _state(chosen, "nodes", node="delta") == "up")
                portfolio("algo", "submit", str(file))
                rounds = [_round(chosen) for _ in range(1 if quick else 5)]
            finally:
                portfolio("node", "remove", "delta")
                agent.wait(60)
    flat, stopped = (sorted(each) for each in zip(*rounds, strict=True))
    return [
        Line("flat_s", flat[-1], f"least {flat[0]:.2f} s", required=3.0, at_most=True),
        Line("stopped_s", stopped[-1], f"least {stopped[0]:.2f} s", required=3.0, at_most=True),
    ]


def _round(of: Settings) -> tuple[float, float]:
    portfolio("algo", "start", RUN, "--node", "delta", "-i", STOCK, "--live")
    _until("its shares", lambda: _held(of) == 100)
    reader: Consumer = consumer("bench-flat", of, {"fetch.wait.max.ms": 20})
    topics = (BREACHES, ALGO_EVENTS, POSITIONS)
    reader.assign([TopicPartition(t.name, 0, end_offsets(t.name, [0])[0]) for t in topics])
    portfolio("risk", "set", f"algo:{RUN}", "drawdown", "1", "--action", "flatten")
    broke = flat = stopped = 0
    until = time.monotonic() + PATIENCE_S
    while not (broke and flat and stopped):
        if time.monotonic() > until:
            raise SystemExit(f"It did not come to an end: broken {broke}, flat {flat}, stopped {stopped}.")
        message = reader.poll(0.1)
        if message is None or message.error():
            continue
        at_ms, value = message.timestamp()[1], message.value() or b""
        if message.topic() == BREACHES.name and decode(Breach, value).scope == f"algo:{RUN}":
            broke = broke or at_ms
        elif message.topic() == POSITIONS.name and (there := decode(Position, value)).run == RUN:
            flat = at_ms if broke and not there.quantity else flat
        elif message.topic() == ALGO_EVENTS.name and (event := decode(AlgoEvent, value)).task.startswith(f"{RUN}@"):
            stopped = at_ms if broke and event.kind == "stopped" else stopped
    reader.close()
    portfolio("risk", "unset", f"algo:{RUN}", "drawdown")
    _until("the end of flattening", _resumed)
    return (flat - broke) / 1e3, (stopped - broke) / 1e3


def _resumed() -> bool:
    portfolio("risk", "resume", f"algo:{RUN}")
    return True


def _get(of: Settings, path: str, **query: str) -> Any:
    return httpx.get(f"{of.console_url}/api{path}", params=query, timeout=30).raise_for_status().json()


def _state(of: Settings, what: str, **wanted: str) -> str:
    rows = _get(of, f"/{what}")[what]
    return next((str(row["state"]) for row in rows if all(row[k] == v for k, v in wanted.items())), "")


def _held(of: Settings) -> int:
    return sum(abs(row["quantity"]) for row in _get(of, "/positions", algo=RUN)["positions"])


def _until(what: str, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            raise SystemExit(f"The benchmark waited {PATIENCE_S:.0f} s in vain for {what}.")
        time.sleep(0.2)
