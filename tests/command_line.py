"""The command line without waiting for its imports: a server that has them forks a process for each command.

A command of a person takes half a second to import what it needs; the suite runs well over a thousand of them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from infra.clock import market_clock
from infra.settings import CHECKOUT, settings

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.command_line", "tests.warm"])


def forget() -> None:
    """Makes this process read its settings and its clock anew."""
    settings.cache_clear()
    market_clock.cache_clear()


def portfolio_command(
    arguments: tuple[str, ...], surroundings: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Runs ``portfolio`` with these arguments and environment. TimeoutExpired when it takes longer: it is killed."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        for file in (out, err):
            file.touch()
        process = _forks.Process(target=_command, args=(arguments, dict(surroundings), out, err))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout_s, out.read_text(), err.read_text())
        return subprocess.CompletedProcess(arguments, process.exitcode, out.read_text(), err.read_text())


def _command(arguments: tuple[str, ...], surroundings: dict[str, str], out: Path, err: Path) -> None:
    """In the forked process: as ``python -m infra.cli`` in the checkout."""
    from infra.cli.entrance import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(CHECKOUT)
    os.environ.clear()
    os.environ.update(surroundings)
    forget()
    for number, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY)
        os.dup2(file, number)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process lives
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.exit(main(list(arguments)))
