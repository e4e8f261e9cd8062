"""``python -m tests.contract.node.agent``: the real agent; only what its keepers start is the tests' own runner."""

import sys
from pathlib import Path

from infra.errors import UserError
from streams.node.process import run

RUNNER = (sys.executable, "-S", "-P", str(Path(__file__).with_name("runner.py")), "task.json")

if __name__ == "__main__":
    try:
        sys.exit(run(RUNNER))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
