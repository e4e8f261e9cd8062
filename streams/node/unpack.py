"""Unpacks an algo's package: a zip archive that somebody else made, so nothing in it is believed."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from infra.errors import UserError

MOST_BYTES = 20 << 20  # unpacked
MOST_FILES = 500
MOST_RATIO = 200  # of a file's size to its packed size
LONGEST_NAME = 200
CHUNK = 65536


class BrokenPackageError(UserError):
    """A package that is not unpacked; the message says why."""


def unpack(archive: bytes, to: Path) -> None:
    """Unpacks into the folder ``to``, which must not exist: it appears in one step, complete.

    BrokenPackageError when anything in the archive is not as a package's must be; then nothing is left behind.
    """
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = Path(tempfile.mkdtemp(prefix="unpack-", dir=to.parent))
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            entries = checked(opened.infolist())
            left = MOST_BYTES
            for entry in entries:
                left -= _write(opened, entry, fresh, left)
        _appear(fresh, to)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BrokenPackageError(f"the package is no zip archive that can be read: {error}") from None
    except OSError as error:
        raise BrokenPackageError(f"the package cannot be unpacked: {error.strerror or error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _appear(fresh: Path, to: Path) -> None:
    try:
        fresh.rename(to)
    except OSError:
        if not to.is_dir():  # another unpacked the same bytes first
            raise


def checked(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The files of an archive, if all its names and sizes are allowed. BrokenPackageError else."""
    if len(entries) > MOST_FILES:
        raise BrokenPackageError(f"the package has {len(entries)} files; {MOST_FILES} are allowed")
    seen: set[str] = set()
    for entry in entries:
        _check(entry)
        name = entry.filename.rstrip("/").casefold()  # some file systems do not tell cases apart
        if name in seen:
            raise BrokenPackageError(f"the package has {entry.filename!r} twice")
        seen.add(name)
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise BrokenPackageError(f"the package is larger than {MOST_BYTES >> 20} MB when unpacked")
    return [entry for entry in entries if not entry.is_dir()]


def _check(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename  # as it is in the archive: `filename` ends at the first NUL
    path = PurePosixPath(name)
    mode = entry.external_attr >> 16
    if (
        not path.parts or len(name) > LONGEST_NAME or path.is_absolute() or ".." in path.parts
        or any(sign in name for sign in "\\\0:") or not name.isprintable()
    ):  # fmt: skip
        raise BrokenPackageError(f"the package has a file with the name {name[:80]!r}, which is not allowed")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BrokenPackageError(f"the package has {name!r}, which is a link or no ordinary file")
    if entry.flag_bits & 0x1:
        raise BrokenPackageError(f"the package has {name!r}, which is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BrokenPackageError(f"the package has {name!r}, which is compressed in an unusual way")
    if entry.file_size > MOST_RATIO * max(entry.compress_size, 64):
        raise BrokenPackageError(f"the package has {name!r}, which is far larger unpacked than packed")


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, most: int) -> int:
    """Writes one file; how many bytes. What the archive says of its sizes is not believed either."""
    path = folder / PurePosixPath(entry.filename)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    size = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with opened.open(entry) as source, os.fdopen(descriptor, "wb") as target:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > most:
                raise BrokenPackageError(f"the package is larger than {MOST_BYTES >> 20} MB when unpacked")
            target.write(chunk)
    return size
