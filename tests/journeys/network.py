"""Several computers on one machine: network namespaces on a bridge, each with nothing but a way to the platform."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.data import CHECKOUT

HOST = "10.231.7.1"  # the platform's address on the bridge
BRIDGE = "pf-bridge"


def ip(*words: str, check: bool = True) -> bool:
    done = subprocess.run(("ip", *words), capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.returncode == 0


@dataclass(frozen=True)
class Computer:
    """One of them: a network namespace with its own folder."""

    name: str
    address: str
    home: Path

    @property
    def space(self) -> str:
        return f"pf-{self.name}"

    def start(self, *words: str, more: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """``portfolio WORDS`` on that computer, with nothing of this process's Portfolio settings."""
        return self.run_python(("-P", "-m", "infra.cli", *words), more)

    def run_python(self, words: Sequence[str], more: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Python on that computer."""
        self.home.mkdir(parents=True, exist_ok=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PORTFOLIO_")}
        log = (self.home / "agent.txt").open("a")
        return subprocess.Popen(
            ("ip", "netns", "exec", self.space, sys.executable, *words),
            env=kept | {"PORTFOLIO_HOME": str(self.home)} | dict(more or {}),
            cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    @property
    def said(self) -> str:
        """All that its processes printed."""
        return (self.home / "agent.txt").read_text()

    def cut(self) -> None:
        """Pulls its plug."""
        ip("link", "set", f"{self.space}-o", "down")

    def heal(self) -> None:
        """Plugs it in again."""
        ip("link", "set", f"{self.space}-o", "up")


@contextlib.contextmanager
def computers(names: Sequence[str], folder: Path) -> Iterator[list[Computer]]:
    """Computers of these names; the test is skipped where namespaces are not permitted."""
    made = [Computer(name, f"10.231.7.{10 + n}", folder / name) for n, name in enumerate(names)]
    try:
        try:
            ip("link", "add", BRIDGE, "type", "bridge")
            ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
            ip("link", "set", BRIDGE, "up")
            for one in made:
                _plug_in(one)
        except (RuntimeError, FileNotFoundError) as error:
            pytest.skip(f"network namespaces are not permitted here: {error}")
        yield made
    finally:
        for one in made:
            ip("netns", "del", one.space, check=False)
            ip("link", "del", f"{one.space}-o", check=False)
        ip("link", "del", BRIDGE, check=False)


def _plug_in(one: Computer) -> None:
    inner, outer = f"{one.space}-i", f"{one.space}-o"
    ip("netns", "add", one.space)
    ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", one.space)
    ip("link", "set", outer, "master", BRIDGE, "up")
    ip("-n", one.space, "addr", "add", f"{one.address}/24", "dev", inner)
    ip("-n", one.space, "link", "set", inner, "up")
    ip("-n", one.space, "link", "set", "lo", "up")
