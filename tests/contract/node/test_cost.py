"""What an idle agent costs the computer it runs on."""

from __future__ import annotations

import time

import psutil

from tests.contract.node.computer import Computer
from tests.contract.node.programs import POLITE
from tests.wait import until

MOST_MEMORY = 80_000_000
MOST_CPU = 0.02  # of a core


def test_an_idle_agent_takes_little_memory_and_hardly_any_processor(computer: Computer) -> None:
    task, _ = computer.run("once", POLITE)  # so that it has done everything that it can once
    computer.wait(task, "started")
    until("its lines", lambda: computer.lines(task))
    computer.fate(computer.tell("stop", task), "done")
    assert computer.process is not None
    agent = psutil.Process(computer.process.pid)
    before, began = sum(agent.cpu_times()[:2]), time.monotonic()
    until("ten seconds", lambda: time.monotonic() - began > 10, 20)
    cpu, memory = (sum(agent.cpu_times()[:2]) - before) / (time.monotonic() - began), agent.memory_info().rss
    print(f"idle agent: {cpu:.2%} of a core, {memory / 1e6:.1f} MB")
    assert cpu < MOST_CPU
    assert memory < MOST_MEMORY
