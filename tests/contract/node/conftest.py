"""An approved computer whose agent runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import Settings
from tests.contract.node.computer import Computer


@pytest.fixture
def idle(servers: Settings, tmp_path: Path) -> Iterator[Computer]:
    """A computer whose agent was not started yet, and of which nothing was decided."""
    made = Computer(servers, tmp_path)
    yield made
    made.close()


@pytest.fixture
def computer(idle: Computer) -> Computer:
    idle.decide("approved")
    idle.start()
    return idle
