"""Fifty nodes with ten algos each: commands reach their nodes, the list stays true; and what one real agent costs.

The nodes are light: one process that beats and obeys for all of them, so that what is measured is the log, the fleet's
fold and the console. The agent is the real one that ``portfolio up`` starts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import httpx
import numpy as np
import psutil

from infra.kafka import produce_all
from infra.settings import Settings
from schemas.fleet import Node
from schemas.topics import NODES
from streams.fleet.signing import control_key, trust_of
from tests.bench.light_agents import names
from tests.bench.measure import Line
from tests.bench.servers import CHECKOUT, home, portfolio

COUNT, RUNS = 50, 10
PATIENCE_S = 120.0
IDLE_S = 30.0


def run(quick: bool) -> list[Line]:
    """``command_p99_s``, ``fleet_list_s``, ``agent_*``."""
    only = ("kafka", "postgres", "simulator", "feed", "console", "fleet", "node")
    with home(*only) as settings, httpx.Client(base_url=f"{settings.console_url}/api", timeout=60) as console:
        _until("the examples", lambda: _there(console, "algos", 2))
        lines = _agent_costs(_agent(), 8 if quick else IDLE_S)
        return lines + _commands(settings, console, 2 if quick else RUNS)


def _agent() -> psutil.Process:
    rows = portfolio("status", "--json")["services"]
    return psutil.Process(next(row["pid"] for row in rows if row["name"] == "node"))


def _agent_costs(agent: psutil.Process, seconds: float) -> list[Line]:
    """Memory of the agent by itself, and its share of a core while its two example algos run and nothing is asked."""
    before = sum(agent.cpu_times()[:2])
    time.sleep(seconds)
    share = (sum(agent.cpu_times()[:2]) - before) / seconds
    return [
        Line("agent_rss_mb", agent.memory_info().rss / 1e6, required=80, at_most=True),
        Line("agent_idle_cpu_share", share, required=0.02, at_most=True),
    ]


def _commands(settings: Settings, console: httpx.Client, runs: int) -> list[Line]:
    trust = trust_of(control_key(settings.home))
    produce_all((NODES, None, name, Node(name, "approved", time.time_ns() // 1000, "bench")) for name in names(COUNT))
    words = [sys.executable, "-m", "tests.bench.light_agents", str(COUNT), trust]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as agents:
        try:
            _until("all nodes to be up", lambda: _up(console) == COUNT)
            began = time.monotonic()
            for number in range(runs):
                _ask(
                    console,
                    "/runs",
                    algo="crossover",
                    run=f"bench-{number}",
                    nodes=names(COUNT),
                    instruments=["NSE:INFY"],
                )
            _until("all tasks to run", lambda: _running(console) == COUNT * runs)
            shown_s = time.monotonic() - began
            for number in range(runs):  # one by one, as people do it
                for node in names(COUNT):
                    _ask(console, f"/runs/bench-{number}/restart", nodes=[node])
            _until("all tasks to run", lambda: _running(console) == COUNT * runs)
            stays = _up(console) == COUNT
        finally:
            agents.terminate()
            said = agents.communicate(timeout=20)[0]
    took = np.array(json.loads(said))
    p50, p99 = np.percentile(took, [50, 99])
    return [
        Line("command_p99_s", float(p99), f"p50 {p50 * 1e3:.1f} ms", f"{len(took)} commands", 1.0, at_most=True),
        Line("fleet_list_true_after_s", shown_s, f"{COUNT} nodes, {COUNT * runs} tasks"),
        Line("fleet_nodes_up", float(COUNT if stays else _up(console)), required=COUNT),
    ]


def _ask(console: httpx.Client, path: str, **asked: Any) -> None:
    answer = console.post(path, json=asked)
    if answer.is_error:
        raise SystemExit(f"The console refused {path}: {answer.text}")


def _there(console: httpx.Client, what: str, count: int) -> bool:
    return len(console.get(f"/{what}").raise_for_status().json()[what]) >= count


def _up(console: httpx.Client) -> int:
    rows = console.get("/nodes").raise_for_status().json()["nodes"]
    return sum(row["state"] == "up" for row in rows if row["node"] in set(names(COUNT)))


def _running(console: httpx.Client) -> int:
    rows = console.get("/algos").raise_for_status().json()["tasks"]
    return sum(row["state"] == "running" for row in rows if row["run"].startswith("bench-"))


def _until(what: str, holds: Any) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            raise SystemExit(f"The benchmark waited {PATIENCE_S:.0f} s in vain for {what}.")
        time.sleep(0.2)
