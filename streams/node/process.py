"""Runs this computer's agent until SIGTERM, Ctrl-C or its removal."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from infra.errors import UserError
from infra.libc import share_arenas
from infra.settings import settings
from streams.node.agent import Agent
from streams.node.health import serve
from streams.node.identity import folder_of, identity_of
from streams.node.journal import Journal
from streams.node.keeping import RUNNER
from streams.node.minder import SOON_S
from streams.node.tasks import AGENT_STOPPED

STOP_WITHIN_S = SOON_S + 3
TELL_WITHIN_S = 2.0
HEARD_WITHIN_S = 1.0  # a removal comes with the commands that end the node's tasks, from another topic


def run(runner: Sequence[str] = RUNNER) -> int:
    """The exit status: 0 after a stop or a removal. UserError when the agent cannot run here.

    ``runner`` is the command that is started for each algo; tests have their own.
    """
    if sys.platform != "linux":
        raise UserError("A node needs Linux (in a container or a virtual machine, if need be).")
    share_arenas()
    chosen, log = settings(), Journal("node")
    folder = folder_of(chosen.home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = hold(folder / "lock")
    try:
        identity = identity_of(chosen)
        agent = Agent(identity, chosen, log, runner)
        if not serve(chosen.node_port, agent.report):
            log.warning("no health page: the port is taken", port=chosen.node_port)
        log.info("agent", node=identity.name, kafka=identity.kafka)
        return _until_told(agent)
    finally:
        os.close(lock)


def _until_told(agent: Agent) -> int:
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda sign, _: told.append(sign))
    while not told and not agent.shall_leave:
        agent.round()
    agent.stop_all("resume" if told else "", AGENT_STOPPED if told else "the node was removed")
    end = time.monotonic() + STOP_WITHIN_S
    heard = time.monotonic() + (0.0 if told else HEARD_WITHIN_S)
    while (agent.has_processes and time.monotonic() < end) or time.monotonic() < heard:
        agent.round()
    agent.settle(TELL_WITHIN_S)
    if not told:
        sys.stderr.write(f"This node was removed{': ' + agent.why if agent.why else ''}. Its algos are stopped.\n")
    return 0


def hold(path: Path) -> int:
    """The lock of this home's agent. UserError when another has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise UserError(f"Another node agent runs in {path.parent}.") from None
    return lock
