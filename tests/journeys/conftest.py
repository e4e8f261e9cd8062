"""The whole platform as a newcomer starts it, in a home of its own, for all journeys."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.console_client import PLAIN
from tests.conftest import QUICK_JAVA, free_port_base, portfolio
from tests.data import CHECKOUT
from tests.journeys import network
from tests.wait import until


@dataclass(frozen=True)
class Platform:
    """A running platform and the hands of a person on it."""

    home: Path
    base: int

    def run(self, *arguments: str, ok: bool = True) -> str:
        """What a command prints; it must succeed (or, with ``ok=False``, fail without a traceback)."""
        done = portfolio(*arguments, home=self.home, base=self.base)
        said = done.stdout + done.stderr
        assert (done.returncode == 0) == ok, f"{' '.join(arguments)}: exit {done.returncode}\n{said}"
        assert "Traceback" not in said, said
        return said if not ok else done.stdout

    def json(self, *arguments: str) -> Any:
        """A command's answer for machines."""
        return json.loads(self.run(*arguments, "--json"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on beside the test."""
        surroundings = os.environ | {"PORTFOLIO_HOME": str(self.home), "PORTFOLIO_PORT_BASE": str(self.base)}
        return subprocess.Popen(
            [CHECKOUT / ".portfolio/venv/bin/python", "-m", "infra.cli", *arguments],
            env=surroundings, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def service(self, name: str) -> dict[str, Any]:
        """A service's row of ``status``."""
        row: dict[str, Any] = next(r for r in self.json("status")["services"] if r["name"] == name)
        return row

    def api(self, path: str, **query: Any) -> Any:
        """The console's answer."""
        answer = httpx.get(f"http://127.0.0.1:{self.base}/api{path}", params=query, timeout=30, verify=PLAIN)
        return answer.raise_for_status().json()

    def loads(self) -> dict[str, int]:
        """Instruments by streaming worker, as ``feed list`` says."""
        rows = self.json("feed", "list")["instruments"]
        loads: dict[str, int] = {}
        for row in rows:
            if row["state"] == "streaming":
                loads[row["worker"]] = loads.get(row["worker"], 0) + 1
        return loads

    def workers(self, count: int) -> None:
        """Asks for a number of workers and waits until the instruments are shared evenly among them."""
        self.run("feed", "workers", str(count))
        total = len(self.json("feed", "list")["instruments"])
        until(
            f"{count} workers share {total} instruments",
            lambda: (
                len(loads := self.loads()) == count
                and sum(loads.values()) == total
                and max(loads.values()) - min(loads.values()) <= 1
            ),
            timeout_s=90,
        )


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """``./portfolio up --detach`` in a fresh home; everything is stopped and wiped at the end.

    Its Kafka has a door for nodes at an address that exists while a test makes other computers (``network``).
    """
    made = Platform(tmp_path_factory.mktemp("platform"), free_port_base())
    (made.home / "settings.toml").write_text(
        f'nodes_host = "{network.HOST}"\ngateway_orders_per_s = 400\nsimulator_orders_per_s = 1000\n'
    )
    try:
        done = portfolio("up", "--detach", home=made.home, base=made.base, PORTFOLIO_JAVA_FLAGS=QUICK_JAVA)
        assert done.returncode == 0, done.stdout + done.stderr
        yield made
    finally:
        portfolio("down", "--wipe", home=made.home, base=made.base)
