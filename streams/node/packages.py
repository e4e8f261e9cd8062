"""Packages of algos: fetched from the log by their hash, checked, and unpacked once."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

from confluent_kafka import KafkaException

from infra.errors import UserError
from infra.kafka import read_compacted
from infra.libc import give_back_freed_memory
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.fleet import Package
from schemas.topics import PACKAGES
from streams.node.unpack import unpack

SMALL = {"queued.max.messages.kbytes": 8192, "fetch.message.max.bytes": 5 << 20}  # a package is at most 4 MB


class Packages:
    """The unpacked packages of this node, each in a folder called by its hash."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._fetching: dict[str, threading.Thread] = {}
        self._failed: dict[str, str] = {}

    def place(self, sha256: str) -> Path:
        """Where it is, or will be."""
        return self._folder / sha256

    def ask(self, sha256: str) -> bool:
        """True when it is here; else it is being fetched. UserError when it could not be: asking again tries again."""
        if self.place(sha256).is_dir():
            return True
        if reason := self._failed.pop(sha256, ""):
            raise UserError(reason)
        if sha256 not in self._fetching:
            thread = threading.Thread(target=self._fetch, args=(sha256,), name="package", daemon=True)
            self._fetching[sha256] = thread
            thread.start()
        return False

    def keep_only(self, used: Iterable[str]) -> None:
        """Removes those that no task uses any more."""
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name not in {*used, *self._fetching}:
                shutil.rmtree(path, ignore_errors=True)

    def _fetch(self, sha256: str) -> None:
        try:
            unpack(self._read(sha256), self.place(sha256))
        except UserError as error:
            self._failed[sha256] = str(error).rstrip(".")
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits for it must hear of it
            self._failed[sha256] = f"the package cannot be had: {type(error).__name__}: {error}"
        finally:
            give_back_freed_memory()
            del self._fetching[sha256]

    def _read(self, sha256: str) -> bytes:
        """The archive. UserError when the log does not have it, or has other bytes under its hash."""
        try:
            for message in read_compacted(PACKAGES, of=self._settings, config=SMALL):
                if message.key() != sha256.encode():
                    continue
                with contextlib.suppress(UndecodableError):  # as bytes of another hash: not the package
                    archive = decode(Package, message.value() or b"").archive
                    if hashlib.sha256(archive).hexdigest() == sha256:
                        return archive
        except KafkaException as error:
            raise UserError(f"Kafka did not give the package: {error.args[0].str()}") from None
        raise UserError(f"package {sha256[:12]} is not in the log, or its bytes are not those of its hash")
