"""``python -m streams.node``: this computer's agent."""

from __future__ import annotations

import sys

from infra.errors import UserError
from streams.node.process import run

if __name__ == "__main__":
    try:
        sys.exit(run())
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
