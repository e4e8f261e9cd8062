"""Timer slack reaches children that are started meanwhile, and no others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from infra.libc import timer_slack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="timer slack is Linux's")
SHOW = "import ctypes; print(ctypes.CDLL(None).prctl(30, 0, 0, 0, 0))"  # PR_GET_TIMERSLACK


def slack_of_a_child() -> int:
    return int(subprocess.run([sys.executable, "-c", SHOW], check=True, capture_output=True, text=True).stdout)


def test_children_inherit_it_only_meanwhile() -> None:
    usual = slack_of_a_child()
    with timer_slack(1_234_567):
        assert slack_of_a_child() == 1_234_567
    assert slack_of_a_child() == usual
