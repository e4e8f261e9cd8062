"""``python -m tests.contract.node.agent``: the real agent. Only what its keepers start is the tests' own runner, and
the lease may be shorter (``TEST_LEASE_S``), so that a test does not take as long as an outage."""

import os
import sys
from pathlib import Path

from infra.errors import UserError
from streams.node import keeping
from streams.node.process import run

RUNNER = (sys.executable, "-S", "-P", str(Path(__file__).with_name("runner.py")), "task.json")

if __name__ == "__main__":
    keeping.LEASE_S = float(os.environ.get("TEST_LEASE_S", "30"))
    try:
        sys.exit(run(RUNNER))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
