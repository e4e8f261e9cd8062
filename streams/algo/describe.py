"""``python -m streams.algo.describe FOLDER``: what the algo in an unpacked package is, as JSON on standard output.

It imports the author's code, so it is a process of its own (``streams.algo.package.describe`` starts it).
Exit status 2 and one sentence on standard error when there is something wrong with the package.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from infra.errors import UserError
from streams.algo.load import load

CPU_S, MEMORY = 20, 2 << 30


def describe(folder: Path) -> dict[str, Any]:
    """The fields of the record Algo that the package itself tells. UserError."""
    loaded = load(folder)
    definition = loaded.definition
    return {
        "entry": loaded.entry,
        "description": definition.description,
        "parameters": json.dumps([parameter.to_json() for parameter in definition.parameters]),
        "inputs": definition.inputs,
        "python": loaded.python,
        "files": sum(1 for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts),
    }


def main() -> int:
    """The process."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the file prints while it is imported is not the answer
    try:
        with answer:
            json.dump(describe(Path(sys.argv[1])), answer)
    except UserError as error:
        sys.stderr.write(f"\n{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
