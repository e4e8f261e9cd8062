"""The servers' jars: pinned in ``jars.lock`` by coordinates and sha256, fetched from Maven Central by jgo.

The lock names no address: jgo knows where Maven's repository is (its configuration can point to a mirror).
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import UserError
from infra.settings import CHECKOUT

if TYPE_CHECKING:
    from jgo.maven import MavenContext
    from requests import Session

LOCK = Path(__file__).parent / "jars.lock"
JARS = CHECKOUT / ".portfolio" / "jars"
# What each server is asked for; everything else follows from their poms.
ROOTS = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.1.0", "org.slf4j:slf4j-simple:1.7.36"),
    "cassandra": ("org.apache.cassandra:cassandra-all:5.0.5",),
}
OTHER_MACHINES = ("osx", "windows", "linux-riscv")  # classifiers of native parts that are never fetched
AT_ONCE = 12


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of Maven's repository. ``size`` in bytes."""

    server: str
    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str
    size: int

    @property
    def file(self) -> str:
        """Its name in the cache."""
        return f"{self.artifact}-{self.version}{'-' + self.classifier if self.classifier else ''}.jar"

    @property
    def coordinate(self) -> str:
        """Maven's name for it."""
        middle = f":jar:{self.classifier}" if self.classifier else ""
        return f"{self.group}:{self.artifact}{middle}:{self.version}"

    def fits(self, machine: str) -> bool:
        """Whether a machine (``x86_64``, ``aarch64``) can use it."""
        native = self.classifier.removeprefix("linux-").replace("aarch_64", "aarch64")
        return not self.classifier.startswith("linux-") or native == machine.replace("arm64", "aarch64")


Advance = Callable[[Jar, int], None]  # hears of a jar's next bytes


def read_lock(path: Path = LOCK) -> list[Jar]:
    """The pinned jars. ValueError for a line that cannot be read."""
    lines = (line.split("#", 1)[0].split() for line in path.read_text(encoding="utf-8").splitlines())
    return [_parse(*words) for words in lines if words]


def _parse(server: str, coordinate: str, size: str, digest: str) -> Jar:
    group, artifact, *classifier, version = coordinate.split(":")
    return Jar(server, group, artifact, version, "".join(classifier[1:]), digest.removeprefix("sha256:"), int(size))


def format_lock(jars: Iterable[Jar]) -> str:
    """The lock file's text."""
    head = "# Made by `./portfolio lock --jars`: server, Maven coordinate, size in bytes, digest of each jar.\n"
    rows = sorted(f"{jar.server} {jar.coordinate} {jar.size} sha256:{jar.sha256}\n" for jar in jars)
    return head + "".join(rows)


def needed(server: str, jars: Iterable[Jar], machine: str = platform.machine()) -> list[Jar]:
    """The jars of a server on this machine."""
    return [jar for jar in jars if jar.server == server and jar.fits(machine)]


def classpath(server: str, folder: Path = JARS) -> str:
    """Java's class path of a server."""
    return os.pathsep.join(str(folder / server / jar.file) for jar in needed(server, read_lock()))


def missing(servers: Iterable[str], folder: Path = JARS) -> list[Jar]:
    """The jars that are still to be fetched. A file of the right size was verified when it was fetched."""
    wanted = [jar for server in servers for jar in needed(server, read_lock())]
    return [jar for jar in wanted if not _is_there(folder / jar.server / jar.file, jar.size)]


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def fetch(jars: list[Jar], advance: Advance, folder: Path = JARS) -> None:
    """Fetches and verifies jars, several at once; ``advance`` hears of each chunk's bytes. UserError when it fails."""
    from jgo.maven import MavenContext
    from requests import Session
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    folder.mkdir(parents=True, exist_ok=True)
    context = MavenContext()
    largest_first = sorted(jars, key=lambda jar: -jar.size)
    with Session() as session, ThreadPoolExecutor(AT_ONCE) as pool:
        session.mount("https://", HTTPAdapter(pool_maxsize=AT_ONCE, max_retries=Retry(3, backoff_factor=0.5)))
        tasks = {pool.submit(_fetch_one, jar, context, session, folder, advance): jar for jar in largest_first}
        try:
            for task in as_completed(tasks):
                task.result()
        except BaseException as error:
            pool.shutdown(cancel_futures=True)
            if isinstance(error, OSError | RuntimeError):
                raise UserError(_why(tasks[task], error)) from error
            raise


def _why(jar: Jar, error: Exception) -> str:
    from requests import RequestException

    if isinstance(error, OSError) and error.errno == ENOSPC:
        return f"The disk is full: {jar.file} could not be stored; free some space and run the command again."
    if isinstance(error, RequestException):
        return f"{jar.file} could not be downloaded (is there a network?); run the command again to go on."
    return f"{jar.file} could not be downloaded: {error}; run the command again to go on."


def _fetch_one(jar: Jar, context: MavenContext, session: Session, folder: Path, advance: Advance) -> None:
    artifact = context.create_dependency(jar.coordinate).artifact
    path = f"{artifact.component.path_prefix.as_posix()}/{artifact.filename}"
    target = folder / jar.server / jar.file
    target.parent.mkdir(exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}.part")  # another command may fetch the same
    try:
        for repository in context.remote_repos.values():
            with session.get(f"{repository}/{path}", stream=True, timeout=30) as answer:
                if answer.status_code == 200:
                    _store(answer.iter_content(1 << 16), part, lambda count: advance(jar, count))
                    break
        else:
            raise RuntimeError(f"the repository answers {answer.status_code}")
        if (found := digest_of(part)) != jar.sha256:
            raise RuntimeError(f"its sha256 is {found[:12]}…, not {jar.sha256[:12]}… as pinned in {LOCK.name}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _store(chunks: Iterable[bytes], path: Path, advance: Callable[[int], None]) -> None:
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            advance(len(chunk))


def digest_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve(told: Callable[[str], None]) -> list[Jar]:
    """A maintainer's step: resolves the roots anew and downloads what they need, to pin it."""
    from jgo.maven import MavenContext

    pinned = []
    with tempfile.TemporaryDirectory() as place:
        context = MavenContext(repo_cache=Path(place), timeout=60)
        for server, roots in ROOTS.items():
            told(f"resolving {server}")
            inputs, more = context.resolver.resolve([context.create_dependency(root) for root in roots])
            artifacts = {dep.artifact for dep in (*inputs, *more) if not dep.classifier.startswith(OTHER_MACHINES)}
            told(f"fetching {len(artifacts)} jars of {server}")
            with ThreadPoolExecutor(AT_ONCE) as pool:
                paths = pool.map(lambda artifact: artifact.resolve(), artifacts)
            pinned += [
                Jar(server, a.groupId, a.artifactId, a.version, a.classifier, digest_of(p), p.stat().st_size)
                for a, p in zip(artifacts, paths, strict=True)
            ]
    return pinned
