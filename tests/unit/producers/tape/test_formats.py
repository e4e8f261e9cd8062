"""The tape reader: the real tapes, every way a file can be wrong, and a format of one's own."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import UserError
from producers.tape import formats
from producers.tape.formats import BadLineError, LeanTicks, Trades, read_tape
from tests.data import data_file

GOOD = ["34200000,1674100,100,P,20002000,0", "34200000,1674200,7,K,0,0", "34200500,1674100,1400,P,2000,1"]


def written(folder: Path, lines: Sequence[str]) -> Path:
    path = folder / "tape.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("symbol", "ticks", "volume"),
    [("spy", 250_601, 97_062_721), ("bac", 88_172, 64_411_712), ("ibm", 24_293, 3_960_352)],
)
def test_real_tapes_are_read_whole(symbol: str, ticks: int, volume: int) -> None:
    trades = read_tape(data_file(f"tape/{symbol}_20131007_tick_trade.zip"))
    assert len(trades) == ticks
    assert trades.volume[-1] == volume
    assert (np.diff(trades.since_midnight_us) >= 0).all()
    assert (np.diff(trades.volume) > 0).all()


def test_bars_are_not_taken_for_ticks() -> None:
    with pytest.raises(UserError, match=r"line 1: .* is of no known format. Known: Lean trade ticks"):
        read_tape(data_file("tape/spy_20131007_minute_trade.zip"))


def test_plain_text_and_zip_give_the_same(tmp_path: Path) -> None:
    plain = written(tmp_path, GOOD)
    packed = tmp_path / "tape.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(plain, "anything.csv")
    for path in (plain, packed):
        trades = read_tape(path)
        assert trades.since_midnight_us.tolist() == [34_200_000_000, 34_200_000_000, 34_200_500_000]
        assert trades.price.tolist() == [1_674_100, 1_674_200, 1_674_100]
        assert trades.volume.tolist() == [100, 107, 1507]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("", "line 2: the line is empty"),
        ("34200000,1674100,100,P", "line 2: it has 4 fields instead of 6"),
        ("34200000,167.41,100,P,0,0", "line 2: time, price and size must be whole numbers"),
        ("later,1674100,100,P,0,0", "line 2: time, price and size must be whole numbers"),
        ("34199999,1674100,100,P,0,0", "line 2: the time is earlier than that of the line before"),
        ("86400000,1674100,100,P,0,0", "line 2: the time is not within one day"),
        ("34200000,1674100,4294967296,P,0,0", "line 2: a number is too large"),
        ("99999999999999999999,1674100,1,P,0,0", "line 2: a number is too large"),
        ("34200000,0,100,P,0,0", "line 2: the price is not above zero"),
        ("34200000,1674100,-1,P,0,0", "line 2: the size is below zero"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, wrong: str) -> None:
    path = written(tmp_path, [GOOD[0], line, GOOD[2]])
    with pytest.raises(UserError, match=wrong) as raised:
        read_tape(path)
    assert str(path) in str(raised.value)


def test_files_that_are_no_tapes(tmp_path: Path) -> None:
    empty, binary, broken, two = (tmp_path / name for name in ("empty.csv", "picture.csv", "broken.zip", "two.zip"))
    empty.touch()
    binary.write_bytes(bytes(range(256)))
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("a.csv", GOOD[0])
        archive.writestr("b.csv", GOOD[0])
    broken.write_bytes(two.read_bytes()[:40])
    for path, wrong in (
        (tmp_path / "none.csv", "There is no file"),
        (tmp_path, "cannot be read"),
        (empty, "is empty"),
        (binary, "is not text"),
        (broken, "broken zip archive"),
        (two, "holds 2 files"),
    ):
        with pytest.raises(UserError, match=wrong):
            read_tape(path)


@given(st.lists(st.text(alphabet="0123456789,.-PxE \t#\"'", max_size=40), min_size=1, max_size=6))
def test_any_lines_are_read_or_refused(rows: list[str]) -> None:
    try:
        read = len(LeanTicks().read([*GOOD, *rows]))
    except BadLineError as error:
        read = error.number - 1
    assert len(GOOD) <= read <= len(GOOD) + len(rows)


def test_a_format_is_one_small_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Seconds:
        name = "seconds;price;size"

        def fits(self, first_line: str) -> bool:
            return first_line.count(";") == 2

        def read(self, lines: Sequence[str]) -> Trades:
            rows = np.array([[float(field) for field in line.split(";")] for line in lines])
            to_ints = (rows * [1e6, formats.PRICE_UNIT, 1]).round().astype(np.int64)
            return Trades(*to_ints.T)

    monkeypatch.setattr(formats, "FORMATS", [*formats.FORMATS, Seconds()])
    trades = read_tape(written(tmp_path, ["34200.5;167.41;100", "34201;167.42;50"]))
    assert trades.price.tolist() == [1_674_100, 1_674_200]
    assert trades.volume.tolist() == [100, 150]
