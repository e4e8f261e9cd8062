"""Packages: an algo's file or folder as a zip archive, always the same bytes for the same files; and what is in one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from infra.errors import UserError
from infra.settings import CHECKOUT
from schemas.topics import PACKAGE_BYTES
from streams.node.unpack import MOST_BYTES, MOST_FILES, unpack

DESCRIBE_WITHIN_S = 20
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive can hold


def pack(path: Path) -> bytes:
    """The archive of a Python file, or of a folder without its ``__pycache__`` and hidden files. UserError."""
    files = _files_of(path)
    size = sum(file.stat().st_size for file in files.values())
    if len(files) > MOST_FILES:
        raise UserError(f"{path} has {len(files):,} files; an algo's package has at most {MOST_FILES}.")
    if size > MOST_BYTES:
        raise UserError(f"{path} has {size / 2**20:.1f} MB; an algo's package has at most {MOST_BYTES >> 20} MB.")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    if made.tell() > PACKAGE_BYTES:
        raise UserError(f"{path} has {made.tell() / 2**20:.1f} MB packed; at most {PACKAGE_BYTES >> 20} MB are taken.")
    return made.getvalue()


def _files_of(path: Path) -> dict[str, Path]:
    """The files by their names in the archive."""
    if path.is_file():
        if path.suffix != ".py":
            raise UserError(f"{path} is no Python file: an algo is one file that ends with .py, or a folder of them.")
        return {path.name: path}
    if not path.is_dir():
        raise UserError(f"There is no file or folder {path}.")
    found = {}
    for file in sorted(path.rglob("*")):
        inner = file.relative_to(path)
        if any(part.startswith(".") or part == "__pycache__" for part in inner.parts):
            continue
        if file.is_symlink():
            raise UserError(f"{file} is a link: an algo's package has the files themselves.")
        if file.is_file():
            found[inner.as_posix()] = file
    if not any(name.endswith(".py") and "/" not in name for name in found):
        raise UserError(f"{path} has no Python file at its top, so there is no algo in it.")
    return found


def describe(of: Path | bytes) -> dict[str, Any]:
    """What an algo is: ``entry, description, parameters, inputs, python, files`` of the record Algo.

    Of a file or folder, or of an archive. The author's code runs in a process of its own, with nothing of this one's
    environment and for 20 s at most. UserError with one sentence for whatever is wrong.
    """
    archive = of if isinstance(of, bytes) else pack(of)
    if len(archive) > PACKAGE_BYTES:
        raise UserError(f"The package has {len(archive) / 2**20:.1f} MB; at most {PACKAGE_BYTES >> 20} MB are taken.")
    with tempfile.TemporaryDirectory(prefix="algo-") as place:
        unpack(archive, Path(place) / "files")
        status, out, err = _run(Path(place))
    if status == 0:
        with contextlib.suppress(ValueError):
            return dict(json.loads(out))
    last = (err.strip().splitlines() or [""])[-1]
    if status == 2 and last:
        raise UserError(last)
    raise UserError(f"The algo's file cannot be imported: Python ended with status {status}. {last}".strip())


def _run(place: Path) -> tuple[int, str, str]:
    command = [sys.executable, "-P", "-B", "-m", "streams.algo.describe", "files"]
    surroundings = {
        "PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "HOME": str(place), "TMPDIR": str(place),
        "PYTHONPATH": str(CHECKOUT), "PORTFOLIO_HOME": str(place), "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        command, cwd=place, env=surroundings, start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=DESCRIBE_WITHIN_S)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"Importing the algo's file took more than {DESCRIBE_WITHIN_S} s: work belongs into callbacks."
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also what it may have started
        process.wait()
    return process.returncode, out, err
