import re
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from infra.errors import UserError
from infra.local import jars
from infra.local.jars import Jar

PLAIN = Jar("kafka", "org.slf4j", "slf4j-api", "1.7.36", "", "ab" * 32, 41)
NATIVE = replace(PLAIN, artifact="netty", classifier="linux-aarch_64")


def test_a_lock_reads_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "jars.lock"
    path.write_text(jars.format_lock([NATIVE, PLAIN]), encoding="utf-8")
    assert set(jars.read_lock(path)) == {PLAIN, NATIVE}


def test_the_lock_pins_every_root_and_names_no_address() -> None:
    pinned = jars.read_lock()
    for server, roots in jars.ROOTS.items():
        assert set(roots) <= {jar.coordinate for jar in pinned if jar.server == server}
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) and jar.size > 0 for jar in pinned)
    assert "://" not in jars.LOCK.read_text(encoding="utf-8")


def test_two_jars_of_a_server_never_have_the_same_name() -> None:
    names = [(jar.server, jar.file) for jar in jars.read_lock()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("machine", "fits"), [("aarch64", True), ("arm64", True), ("x86_64", False)])
def test_native_parts_fit_only_their_machine(machine: str, fits: bool) -> None:
    assert NATIVE.fits(machine) is fits
    assert PLAIN.fits(machine)


def test_a_jar_cut_short_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / PLAIN.file).write_bytes(b"x" * (PLAIN.size - 1))
    with patch.object(jars, "read_lock", return_value=[PLAIN]):
        assert jars.missing(["kafka"], tmp_path) == [PLAIN]


class Answer:
    """What the repository gives."""

    def __init__(self, body: bytes, status_code: int = 200) -> None:
        self.body, self.status_code = body, status_code

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None: ...

    def iter_content(self, _: int) -> list[bytes]:
        return [self.body]


@pytest.mark.parametrize(("answer", "said"), [(Answer(b"not the jar"), "as pinned"), (Answer(b"", 404), "answers 404")])
def test_a_wrong_download_is_refused_in_a_sentence_and_leaves_nothing(
    tmp_path: Path, answer: Answer, said: str
) -> None:
    with patch("requests.Session.get", return_value=answer), pytest.raises(UserError, match=said):
        jars.fetch([PLAIN], lambda jar, count: None, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
