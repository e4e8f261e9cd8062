"""Real servers of the benchmark's own, in a temporary home that is gone afterwards, and the processes it runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from infra.settings import CHECKOUT, Settings, settings
from tests.command_line import forget

OFFSETS = (0, 32, 42, 66, 67, 68, 69, 70, 71, 72, 80, 81, 92, 93, 94, 100, 101, 102, 103)


@contextlib.contextmanager
def home(*only: str, **environment: str) -> Iterator[Settings]:
    """Servers and services that are up (all when none is named); this process's settings point at them."""
    folder = Path(tempfile.mkdtemp(prefix="portfolio-bench-"))
    before = os.environ.copy()
    os.environ |= {"PORTFOLIO_HOME": str(folder), "PORTFOLIO_PORT_BASE": str(_free_base()), **environment}
    forget()
    try:
        portfolio("up", "--detach", *(("--only", ",".join(only)) if only else ()))
        yield settings()
    finally:
        with contextlib.suppress(SystemExit):
            portfolio("down", "--wipe")
        os.environ.clear()
        os.environ.update(before)
        forget()
        shutil.rmtree(folder, ignore_errors=True)


def portfolio(*words: str) -> Any:
    """Runs a command of the platform; what it prints, read as JSON with ``--json``. SystemExit when it fails."""
    command = [sys.executable, "-m", "infra.cli", *words]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"`./portfolio {' '.join(words)}` failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout) if "--json" in words else done.stdout


def _free_base() -> int:
    for base in range(30000, 60000, 500):
        if all(_is_free(base + offset) for offset in OFFSETS):
            return base
    raise SystemExit("No free ports between 30000 and 60000.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextlib.contextmanager
def process(*words: str, **environment: str) -> Iterator[psutil.Process]:
    """``python -m WORDS`` while the block runs; its log is shown when it ends by itself."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=CHECKOUT, env=os.environ | environment, stdout=log, stderr=log
        )
        try:
            yield psutil.Process(child.pid)
            ended = child.poll() is not None
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if ended:
            log.seek(0)
            raise SystemExit(f"`python -m {' '.join(words)}` ended by itself:\n{log.read().decode()[-3000:]}")


def wait_for(what: str, holds: Callable[[], bool], running: psutil.Process, every_s: float = 0.05) -> None:
    """Waits until a condition holds. SystemExit when it does not within five minutes."""
    until = time.monotonic() + 300
    while not holds():
        if running.status() == psutil.STATUS_ZOMBIE:
            return  # the block of ``process`` ends and shows why
        if time.monotonic() > until:
            raise SystemExit(f"The benchmark waited five minutes in vain for {what}.")
        time.sleep(every_s)
