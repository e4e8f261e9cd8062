"""What people write for an instrument, an interval and a range."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from infra.errors import UserError
from streams.archive.ask import question
from streams.archive.queries import FILE, texts

ZONE = ZoneInfo("Asia/Kolkata")


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * 1_000_000


def test_a_date_is_the_whole_of_the_exchanges_day() -> None:
    asked = question("NSE:INFY", "5m", "2023-11-15", "2023-11-15")
    assert (asked.from_us, asked.to_us) == (us("2023-11-15T00:00"), us("2023-11-16T00:00") - 1)


def test_a_naive_time_is_the_exchanges_and_an_offset_is_obeyed() -> None:
    assert question("NSE:INFY", "5m", "2023-11-15T10:15").from_us == us("2023-11-15T10:15")
    assert question("NSE:INFY", "5m", "2023-11-15T04:45Z").from_us == us("2023-11-15T10:15")
    assert question("NSE:INFY", "5m").from_us is None


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (("NSE:INFY", "7m"), "There is no interval '7m'; there are 1m, 3m"),
        (("XYZ:INFY", "1m"), "No exchange is called 'XYZ'"),
        (("NSE:INFY", "1m", "yesterday"), "--from 'yesterday' is no time; write 2026-11-20"),
        (("NSE:INFY", "1m", "", "2026-13-01"), "--to '2026-13-01' is no time"),
        (("NSE:INFY", "1m", "2026-11-21", "2026-11-20"), "--from 2026-11-21 lies after --to 2026-11-20"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_sentence(asked: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=f"^{sentence}"):
        question(*asked)


def test_every_statement_has_a_name_and_a_description() -> None:
    blocks = FILE.read_text(encoding="utf-8").split("\n-- ")[1:]
    assert len(texts()) == FILE.read_text(encoding="utf-8").count(" --\n")
    assert all(text.split()[0] in ("SELECT", "INSERT", "DELETE") for text in texts().values())
    assert len(blocks) == 2 * len(texts())
