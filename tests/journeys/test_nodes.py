"""Several computers: they join, run parts of one run, are cut off and healed, lose their agent, have a wrong clock."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.journeys.conftest import Platform
from tests.journeys.network import Computer, computers
from tests.wait import until

WATCHED = ("NSE:INFY", "NSE:TCS", "NSE:RELIANCE", "NSE:SBIN", "NSE:ITC", "NSE:HDFCBANK")
ALGO = '''
"""Tells its instrument."""

from streams.algo import Algo, Tick


class Teller(Algo):
    """Says which instrument it has."""

    def on_start(self) -> None:
        self.log(f"mine: {self.instrument}")

    def on_tick(self, tick: Tick) -> None:
        pass
'''
AHEAD = """
import runpy, sys, time
real_ns = time.time_ns
time.time_ns = lambda: real_ns() + 60 * 10**9
time.time = lambda: time.time_ns() / 1e9
sys.argv = ["streams.node"]
runpy.run_module("streams.node", run_name="__main__", alter_sys=True)
"""  # a real agent on a computer whose clock is a minute ahead


def node(platform: Platform, name: str) -> dict[str, Any]:
    """A node's row; empty when there is none."""
    return next((row for row in platform.json("node", "list")["nodes"] if row["node"] == name), {})


def tasks(platform: Platform, run: str) -> dict[str, dict[str, Any]]:
    """A run's tasks by node."""
    return {row["node"]: row for row in platform.json("algo", "list")["tasks"] if row["run"] == run}


def state(platform: Platform, name: str) -> str:
    return str(node(platform, name).get("state", ""))


@pytest.fixture(scope="module")
def two(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Computer]]:
    """Two computers that have joined, and their agents."""
    with computers(("alpha", "beta"), tmp_path_factory.mktemp("computers")) as made:
        agents = []
        try:
            for one in made:
                token = platform.json("node", "token", "--approve", "--tag", "cloud")
                assert not token["warning"], token
                agents.append(one.start("node", "join", token["blob"], "--name", one.name))
            for one in made:
                until(f"{one.name} is up\n{one.said}", lambda one=one: state(platform, one.name) == "up")
            yield made
        finally:
            for one in made:
                for pid in agents_of(one):
                    os.kill(pid, signal.SIGTERM)
            for agent in agents:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    agent.wait(30)
                agent.kill()


def agents_of(one: Computer) -> list[int]:
    """The agents that live on a computer, by the home in their environment."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            words = process.info["cmdline"] or []
            is_agent = "streams.node" in words or AHEAD in words
            if is_agent and process.environ().get("PORTFOLIO_HOME") == str(one.home):
                found.append(process.pid)
    return found


@pytest.fixture(scope="module")
def teller(platform: Platform, two: list[Computer], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run on both computers that shares six instruments."""
    file = tmp_path_factory.mktemp("algo") / "teller.py"
    file.write_text(ALGO)
    platform.run("algo", "submit", str(file))
    platform.run("algo", "start", "teller", "--node", "alpha,beta", "-i", ",".join(WATCHED))
    until(
        "both tasks run", lambda: [row["state"] for row in tasks(platform, "teller").values()] == ["running", "running"]
    )
    return "teller"


def test_they_tell_what_they_are(platform: Platform, two: list[Computer]) -> None:
    for one in two:
        row = node(platform, one.name)
        assert one.address in row["addresses"]
        assert row["tags"] == ["cloud"]
        assert row["cores"] == os.cpu_count()
        assert row["memory_total"] > row["memory_used"] > 0
        assert abs(row["clock_offset_s"]) < 5


def test_a_token_lets_in_one_computer_only(platform: Platform, two: list[Computer], tmp_path: Path) -> None:
    token = platform.json("node", "token")  # not approved: a person does
    alpha = two[0]
    third = Computer(alpha.name, alpha.address, tmp_path / "third")
    agent = third.start("node", "join", token["blob"], "--name", "third")
    try:
        until("third waits", lambda: state(platform, "third") == "pending")
        platform.run("node", "approve", "third")
        until("third is up", lambda: state(platform, "third") == "up")
        fourth = Computer(alpha.name, alpha.address, tmp_path / "fourth")
        assert fourth.start("node", "join", token["blob"], "--name", "fourth").wait(60) != 0
        assert "used before" in fourth.said
        assert "Traceback" not in fourth.said
        platform.run("node", "remove", "third")
        assert agent.wait(60) is not None
    finally:
        agent.kill()


def test_a_run_shares_its_instruments_between_two_computers(platform: Platform, teller: str) -> None:
    def said_by(name: str) -> set[str]:
        lines = platform.run("algo", "logs", teller, "--node", name, "--json").splitlines()
        return {w for w in WATCHED for line in lines if f"mine: {w}" in json.loads(line)["text"]}

    until("each instrument has a computer", lambda: said_by("alpha") | said_by("beta") == set(WATCHED))


def test_a_computer_that_is_cut_off_is_lost_and_its_algo_on_paper_goes_on(
    platform: Platform, two: list[Computer], teller: str
) -> None:
    alpha, pid = two[0], tasks(platform, teller)["alpha"]["pid"]
    alpha.cut()
    try:
        until("alpha is lost", lambda: state(platform, "alpha") == "lost")
        assert state(platform, "beta") == "up"
        assert tasks(platform, teller)["alpha"]["state"] == "unknown"
    finally:
        alpha.heal()
    until("alpha is back", lambda: state(platform, "alpha") == "up")
    until("its task is known again", lambda: tasks(platform, teller)["alpha"]["state"] == "running")
    assert tasks(platform, teller)["alpha"]["pid"] == pid


def test_an_agent_that_is_killed_comes_back_to_its_algo(platform: Platform, two: list[Computer], teller: str) -> None:
    beta, pid = two[1], tasks(platform, teller)["beta"]["pid"]
    (old,) = agents_of(beta)
    os.kill(old, signal.SIGKILL)
    until("beta is lost", lambda: state(platform, "beta") == "lost")
    beta.start("node", "run")
    until("beta is back", lambda: state(platform, "beta") == "up")
    until("its task is known again", lambda: tasks(platform, teller)["beta"]["state"] == "running")
    assert tasks(platform, teller)["beta"]["pid"] == pid
    assert psutil.pid_exists(pid)


def test_a_wrong_clock_is_shown(platform: Platform, two: list[Computer], teller: str) -> None:
    beta = two[1]
    (old,) = agents_of(beta)
    os.kill(old, signal.SIGKILL)
    beta.run_python(("-P", "-c", AHEAD))
    until("the clock is seen", lambda: 55 < (node(platform, "beta")["clock_offset_s"] or 0) < 65)
    row = node(platform, "beta")
    assert row["state"] == "degraded"
    assert "clock" in row["reason"]


def test_draining_stops_what_runs_until_the_node_is_approved_again(platform: Platform, teller: str) -> None:
    pid = tasks(platform, teller)["alpha"]["pid"]
    platform.run("node", "drain", "alpha")
    until("alpha's task waits for its node", lambda: tasks(platform, teller)["alpha"]["state"] == "waiting")
    until("its process has ended", lambda: not psutil.pid_exists(pid))
    said = platform.run("algo", "start", "teller", "--as", "more", "--node", "alpha", "-i", "NSE:INFY", ok=False)
    assert "draining" in said
    platform.run("node", "approve", "alpha")
    until("it runs again by itself", lambda: tasks(platform, teller)["alpha"]["state"] == "running")
    platform.run("algo", "stop", teller)
