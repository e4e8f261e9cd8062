"""The first start of all: the local node is let in, and the real agent runs the two examples on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.clock import start_clock
from infra.kafka import write_all
from infra.settings import CHECKOUT, Settings
from schemas.topics import ALGOS
from tests.contract.fleet.conftest import running
from tests.wait import until

NODE = "newcomer"


@pytest.mark.skipif(sys.platform != "linux", reason="a node needs Linux")
def test_a_newcomer_has_two_algos_running(servers: Settings, tmp_path: Path) -> None:
    write_all([(ALGOS, 0, name, None) for name in ("crossover", "spread")], servers)
    start_clock(tmp_path, 1.0)
    more = {
        "PORTFOLIO_HOME": str(tmp_path),
        "PORTFOLIO_PORT_BASE": str(servers.port_base),
        "PORTFOLIO_FEED_POOL": NODE,
    }
    of = servers.model_copy(update={"home": tmp_path, "feed_pool": NODE})
    with running(of, **more) as fleet:
        until("the local node", lambda: fleet.one("/nodes", node=NODE, standing="approved"), 60, 0.2)
        tasks = [f"crossover@{NODE}", f"spread@{NODE}"]
        until("the examples", lambda: all(fleet.one("/tasks", task=task, state="waiting") for task in tasks), 10)
        surroundings = os.environ | {"PYTHONPATH": str(CHECKOUT)} | more
        agent = subprocess.Popen([sys.executable, "-P", "-m", "streams.node"], cwd=CHECKOUT, env=surroundings)
        try:
            for task in tasks:
                until(f"{task} to run", lambda task=task: fleet.one("/tasks", task=task, state="running"), 60, 0.2)
            row = fleet.one("/nodes", node=NODE)
            assert (row["state"], row["running"], row["wanted"], row["actor"]) == ("up", tasks, tasks, "local")
            for task in tasks:

                def fates(task: str = task) -> list[str]:
                    return [command["fate"] for command in fleet.get(f"/commands?task={task}")["commands"]]

                until(f"{task} to be done", lambda fates=fates: fates() == ["done"], 10, 0.2)
        finally:
            agent.terminate()
            agent.wait(60)
