"""Reading a file of recorded trades into columns.

A format is one small class with a name, a test on the file's first line and a reader of its lines, entered in
``FORMATS``. The file may be plain text or a zip archive that holds one.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from infra.errors import UserError

DAY_MS = 86_400_000
LARGEST = 2**32 - 1  # what a packet can carry
PRICE_UNIT = 10_000  # prices of a tape are held as whole ten-thousandths, exact where float64 is only near


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """The trades of one instrument and one day in their order, each column of shape ``(n,)``, n > 0."""

    since_midnight_us: NDArray[np.int64]  # local time of the exchange
    price: NDArray[np.int64]  # x PRICE_UNIT
    quantity: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.price)

    @property
    def volume(self) -> NDArray[np.int64]:
        """The day's cumulative volume after each trade."""
        return np.cumsum(self.quantity)


class BadLineError(ValueError):
    """A line that does not fit its format. ``number`` counts from 1."""

    def __init__(self, number: int, wrong: str) -> None:
        super().__init__(wrong)
        self.number = number


class TapeFormat(Protocol):
    """How one kind of file is read."""

    name: str  # what a person calls it, with its columns

    def fits(self, first_line: str) -> bool:
        """Whether a file that begins so is of this format."""
        ...

    def read(self, lines: Sequence[str]) -> Trades:
        """The trades of the file's lines. BadLineError at the first one that does not fit."""
        ...


class LeanTicks:
    """Rows of QuantConnect's Lean: ms since local midnight, price x 10000, size, exchange, condition, suspicious."""

    name = "Lean trade ticks (milliseconds,price x 10000,size,exchange,condition,suspicious)"

    def fits(self, first_line: str) -> bool:
        """Six fields, the fourth a letter: the same project's bars have a number there."""
        fields = first_line.split(",")
        return len(fields) == 6 and fields[3].isalpha() and fields[0].strip().isdigit()

    def read(self, lines: Sequence[str]) -> Trades:
        """Every row counts, whatever its condition: what to leave out is the reader's business, not the tape's."""
        for number, line in enumerate(lines, 1):
            if line.count(",") != 5:
                wrong = f"it has {line.count(',') + 1} fields instead of 6" if line.strip() else "the line is empty"
                raise BadLineError(number, wrong)
        try:
            table = np.loadtxt(lines, np.int64, delimiter=",", usecols=(0, 1, 2), comments=None, ndmin=2)
        except ValueError:  # find out where
            table = np.array([self._row(number, line) for number, line in enumerate(lines, 1)], np.int64)
        large = ((table > LARGEST) | (table < -LARGEST)).any(axis=1)
        if large.any():
            raise BadLineError(int(large.argmax()) + 1, "a number is too large")
        return Trades(table[:, 0] * 1000, table[:, 1], table[:, 2])

    def _row(self, number: int, line: str) -> tuple[int, int, int]:
        try:
            time, price, size = (int(field) for field in line.split(",")[:3])
        except ValueError:
            raise BadLineError(number, f"time, price and size must be whole numbers, not {line[:60]!r}") from None
        if max(abs(time), abs(price), abs(size)) > LARGEST:
            raise BadLineError(number, "a number is too large")
        return time, price, size


FORMATS: list[TapeFormat] = [LeanTicks()]


def read_tape(path: Path) -> Trades:
    """The trades of a file. UserError names the file, the line and what is wrong with it."""
    lines = _lines(path)
    if not lines:
        raise UserError(f"{path} is empty.")
    found = next((known for known in FORMATS if known.fits(lines[0])), None)
    if found is None:
        known = "; ".join(form.name for form in FORMATS)
        raise UserError(f"{path}, line 1: {lines[0][:60]!r} is of no known format. Known: {known}.")
    try:
        trades = found.read(lines)
        _check(trades)
    except BadLineError as error:
        raise UserError(f"{path}, line {error.number}: {error}.") from error
    return trades


def _check(trades: Trades) -> None:
    """What holds for every format."""
    wrong = {
        "the time is not within one day": (trades.since_midnight_us < 0) | (trades.since_midnight_us >= DAY_MS * 1000),
        "the price is not above zero": trades.price <= 0,
        "the size is below zero": trades.quantity < 0,
        "the time is earlier than that of the line before": np.diff(trades.since_midnight_us, prepend=0) < 0,
    }
    for what, rows in wrong.items():
        if rows.any():
            raise BadLineError(int(rows.argmax()) + 1, what)


def _lines(path: Path) -> list[str]:
    try:
        return _text(path).splitlines()
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text; give a CSV file of trades or a zip archive that holds one.") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise UserError(f"{path} is a broken zip archive ({error}); fetch it again.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error


def _text(path: Path) -> str:
    if path.suffix.lower() != ".zip" and not zipfile.is_zipfile(path):
        return path.read_text(encoding="ascii")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise UserError(f"{path} holds {len(names)} files; a tape archive holds exactly one.")
        return archive.read(names[0]).decode("ascii")
