"""What all tests share: real servers in a home of their own, started once and only when a test asks for them."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from infra.settings import Settings, settings
from tests.command_line import forget, portfolio_command

START_WITHIN_S = 240
WAITS = ("tests/contract/node/", "tests/contract/fleet/")  # for leases, beats and restarts, with little work between
THIRD = "gw2"  # the worker that has these, and no others
QUICK_JAVA = "-XX:TieredStopAtLevel=1"  # half the work at the start; what runs so briefly needs no better code


def pytest_configure(config: pytest.Config) -> None:
    """No test sees this person's settings or touches this person's home."""
    for name in [name for name in os.environ if name.startswith("PORTFOLIO_") and name != "PORTFOLIO_DATA"]:
        del os.environ[name]
    place = tempfile.TemporaryDirectory(prefix="portfolio-tests-")
    os.environ["PORTFOLIO_HOME"] = place.name
    config.add_cleanup(place.cleanup)


hypothesis.settings.register_profile("portfolio", deadline=None)  # how long it takes is the benchmark's business
hypothesis.settings.load_profile("portfolio")
ROOMS = ("journeys", "integration", "contract")  # in this order, then the unit tests: short files that even out the end


def room_of(nodeid: str) -> str:
    """The first folder below ``tests``."""
    return nodeid.split("/")[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(key=lambda item: (*ROOMS, room := room_of(item.nodeid)).index(room))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Side by side (``portfolio test``) the journeys share one worker and one platform; elsewhere a file stays whole,
    so that its processes are started once. The last of three workers has what mostly waits, and no more: two workers
    keep two processors busy, and what is timed would suffer from a third."""

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "journeys" if room_of(nodeid) == "journeys" else nodeid.partition("::")[0]

        def _assign_work_unit(self, node: Any) -> None:
            is_third = node.gateway.id == THIRD
            suits = next((scope for scope in self.workqueue if scope.startswith(WAITS) == is_third), None)
            if suits is None and is_third:
                node.shutdown()
                return
            if suits is not None:
                self.workqueue.move_to_end(suits, last=False)
            super()._assign_work_unit(node)

    return Groups(config, log)


MOST_WORKERS = 4


def free_port_base() -> int:
    """A base above which all ports of a home are free at this moment, below those that systems give to clients."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    bases = range(10000, 32000, 200)[worker::MOST_WORKERS]  # workers that ask at once must not get the same
    for base in random.sample(bases, len(bases)):  # two test runs at once should not meet
        offsets = (0, 32, 42, 66, 67, 68, 69, 70, 71, 72, 80, 81, 92, 93, 100, 101, 102)
        try:
            for offset in offsets:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports")


def portfolio(*arguments: str, home: Path, base: int, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line against a home."""
    surroundings = os.environ | {"PORTFOLIO_HOME": str(home), "PORTFOLIO_PORT_BASE": str(base)} | more
    return portfolio_command(arguments, surroundings, START_WITHIN_S)


@contextmanager
def servers_of(home: Path, only: str) -> Iterator[Settings]:
    """Real servers in a home, with topics and tables; the settings of this process point to them meanwhile."""
    base = free_port_base()
    before = {name: os.environ.get(name) for name in ("PORTFOLIO_HOME", "PORTFOLIO_PORT_BASE")}
    done = portfolio("up", "--detach", "--only", only, home=home, base=base, PORTFOLIO_JAVA_FLAGS=QUICK_JAVA)
    assert done.returncode == 0, done.stdout + done.stderr
    os.environ |= {"PORTFOLIO_HOME": str(home), "PORTFOLIO_PORT_BASE": str(base)}
    forget()
    try:
        yield settings()
    finally:
        portfolio("down", "--wipe", home=home, base=base)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        forget()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Real Kafka, Cassandra and PostgreSQL for all tests of this process that ask for them; what ``WAITS`` needs no
    Cassandra."""
    needed = "kafka,postgres" if os.environ.get("PYTEST_XDIST_WORKER") == THIRD else "kafka,cassandra,postgres"
    with servers_of(tmp_path_factory.mktemp("home"), needed) as made:
        yield made
