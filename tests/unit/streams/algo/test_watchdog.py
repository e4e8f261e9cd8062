"""The watchdog in a real process: a callback that hangs ends it, one that works does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from infra.settings import CHECKOUT
from tests.wait import until

START = """
import sys, time, re
from streams.algo.pulse import Pulse
from streams.algo.watchdog import Watchdog
pulse = Pulse()
dog = Watchdog(pulse, {limit})
dog.start()
def callback():
    {code}
"""
CALL = 'pulse.begin("on_tick of NSE:A")\ncallback()\npulse.end()\n'


def start(code: str, then: str, limit: float = 0.4) -> subprocess.Popen[str]:
    """A process in which a callback is watched."""
    text = START.format(limit=limit, code=code) + then
    return subprocess.Popen(
        [sys.executable, "-P", "-c", text], env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_loop_without_end_is_ended_and_its_stack_told() -> None:
    process = start("while True: pass", CALL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 4
    assert "on_tick of NSE:A hangs" in err
    assert "in callback" in err


def test_a_hang_in_c_that_lets_no_thread_run_is_ended_too() -> None:
    process = start("re.match(r'(a+)+$', 'a' * 60 + 'b')", CALL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "in callback" in err


def test_many_short_callbacks_and_long_waits_between_them_are_no_hang() -> None:
    calls = "end = time.monotonic() + 1.2\nwhile time.monotonic() < end:\n    " + CALL.replace("\n", "\n    ")
    process = start("time.sleep(0.01)", calls + "\ntime.sleep(1)\ndog.stop()\nsys.exit(7)\n")
    assert process.wait(30) == 7


def test_a_process_that_was_stopped_for_long_knows_it() -> None:
    code = "import streams.algo.watchdog as w\nw.STILL_S = 1.5\nprint('up', flush=True)\n"
    watch = "while not dog.stood_still(): time.sleep(0.01)\nprint('stood still', flush=True)\n"
    process = start("pass", code + watch, limit=4)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "up\n"
        os.kill(process.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        until("it was stopped for two seconds", lambda: time.monotonic() - stopped > 2.0, every_s=0.05)
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.readline() == "stood still\n"
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
