"""Packages that were made to harm: each is refused in one sentence, and nothing is left of it."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.node.unpack import MOST_BYTES, MOST_FILES, BrokenPackageError, unpack

Make = Callable[[zipfile.ZipFile], None]


def packed(make: Make) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        make(made)
    return out.getvalue()


def named(*names: str) -> Make:
    def make(made: zipfile.ZipFile) -> None:
        for name in names:
            made.writestr(name, "x")

    return make


def linked(made: zipfile.ZipFile) -> None:
    made.writestr("main.py", "x")
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    made.writestr(link, "/etc/passwd")


def device(made: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("pipe")
    entry.external_attr = (stat.S_IFIFO | 0o777) << 16
    made.writestr(entry, "")


def bomb(made: zipfile.ZipFile) -> None:
    made.writestr("zeros", b"\0" * (MOST_BYTES - 1))


def large(made: zipfile.ZipFile) -> None:
    for number in range(6):
        made.writestr(zipfile.ZipInfo(f"noise{number}"), bytes(4 << 20), zipfile.ZIP_STORED)


def unusual(made: zipfile.ZipFile) -> None:
    made.writestr("main.py", "x" * 1000, zipfile.ZIP_LZMA)


def nul(made: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("main.py")
    entry.filename = "main.py\0.txt"
    made.writestr(entry, "x")


def lying() -> bytes:
    """An archive whose directory tells a far smaller size than the file has."""
    whole = packed(lambda made: made.writestr("main.py", "y" * 50_000))
    size = (50_000).to_bytes(4, "little")
    assert whole.count(size) == 2
    return whole.replace(size, (10).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (named("/etc/cron.d/x"), "not allowed"),
        (named("../x"), "not allowed"),
        (named("a/../../x"), "not allowed"),
        (named("a\\..\\x"), "not allowed"),
        (named("C:x"), "not allowed"),
        (named("a\nb"), "not allowed"),
        (named("n" * 300), "not allowed"),
        (nul, "not allowed"),
        (linked, "link"),
        (device, "no ordinary file"),
        (bomb, "far larger"),
        (large, "larger than 20 MB"),
        (unusual, "unusual"),
        (named("main.py", "MAIN.py"), "twice"),
        (named("a", "a/b"), "cannot be unpacked"),
        (named(*(f"f{n}" for n in range(MOST_FILES + 1))), f"{MOST_FILES} are allowed"),
    ],
)
def test_a_harmful_archive_is_refused_whole(tmp_path: Path, make: Make, why: str) -> None:
    with pytest.raises(BrokenPackageError, match=why):
        unpack(packed(make), tmp_path / "packages" / "p")
    assert list((tmp_path / "packages").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["packages"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenPackageError, match="twice"):
        unpack(packed(named("main.py", "main.py")), tmp_path / "p")


def test_sizes_in_the_archive_are_not_believed(tmp_path: Path) -> None:
    with pytest.raises(BrokenPackageError):
        unpack(lying(), tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_an_encrypted_one_is_refused(tmp_path: Path) -> None:
    whole = bytearray(packed(named("main.py")))
    whole[6] |= 1  # the flags of the file's own header, then those in the directory
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BrokenPackageError, match="encrypted"):
        unpack(bytes(whole), tmp_path / "p")


@given(cut=st.integers(min_value=0, max_value=300), at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_broken_bytes_are_refused_or_unpacked_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int, at: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("p")
    whole = bytearray(packed(named("main.py", "more/data.txt")))
    del whole[len(whole) - cut :]
    if whole:
        whole[at % len(whole)] = byte
    try:
        unpack(bytes(whole), folder / "p")
    except BrokenPackageError:
        assert list(folder.iterdir()) == []
    else:
        assert (folder / "p").is_dir()


def test_a_good_one_appears_complete_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    archive = packed(named("main.py", "deep/er/data.txt"))
    unpack(archive, tmp_path / "p")
    unpack(archive, tmp_path / "p")  # another was first: the same bytes
    assert sorted(p.relative_to(tmp_path / "p").as_posix() for p in (tmp_path / "p").rglob("*.*")) == [
        "deep/er/data.txt", "main.py",
    ]  # fmt: skip
    assert stat.S_IMODE((tmp_path / "p" / "main.py").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
