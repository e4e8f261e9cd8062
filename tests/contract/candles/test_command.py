"""`portfolio candles` against a real archive, run as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from infra.cassandra import connect
from infra.settings import Settings
from schemas.market import Candle
from streams.archive.days import day_of
from streams.archive.writer import CandleWriter
from tests.command_line import portfolio_command
from tests.unit.streams.candles.ticks import MINUTE, OPENING

NAME = "NSE:SHOWN"


@pytest.fixture(scope="module", autouse=True)
def minutes(servers: Settings) -> list[Candle]:
    """Twenty minutes of one instrument."""
    session = connect(servers)
    writer = CandleWriter(session)
    made = [
        Candle(
            NAME, "1m", OPENING + n * MINUTE, 100 + n, 102 + n, 99 + n, 101.5 + n, 10, -1, complete=n < 19, gap=n == 4
        )
        for n in range(20)
    ]
    writer.write(made)
    writer.mark_days(0, [(NAME, day_of(NAME, OPENING))])
    session.cluster.shutdown()
    return made


def candles(*arguments: str) -> subprocess.CompletedProcess[str]:
    return portfolio_command(("candles", *arguments), os.environ, 60)


def test_json_has_what_machines_need() -> None:
    done = candles(NAME, "--interval", "5m", "--json")
    rows = json.loads(done.stdout)
    assert [row["time"] for row in rows] == [f"2023-11-15T09:{m}:00+05:30" for m in (15, 20, 25, 30)]
    assert rows[0] == {
        "instrument": NAME, "interval": "5m", "time": "2023-11-15T09:15:00+05:30", "open": 100.0, "high": 106.0,
        "low": 99.0, "close": 105.5, "volume": 50, "oi": -1, "complete": True, "gap": True, "revision": 0,
        "source": "ticks",
    }  # fmt: skip
    assert rows[3]["complete"] is False


def test_a_range_is_inclusive_and_in_the_exchanges_time() -> None:
    done = candles(NAME, "--from", "2023-11-15T09:16", "--to", "2023-11-15T09:18", "--csv")
    assert [line.split(",")[2] for line in done.stdout.splitlines()] == [
        "time", *(f"2023-11-15T09:{m}:00+05:30" for m in (16, 17, 18)),
    ]  # fmt: skip


def test_a_table_for_people() -> None:
    shown = candles(NAME).stdout
    assert "09:15" in shown
    assert "gap" in shown
    assert "open" in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (NAME, "--from", "2024-01-01"),
            "There are no candles of NSE:SHOWN in that range; there are some on 2023-11-15",
        ),
        ((NAME, "--interval", "7m"), "There is no interval '7m'"),
        (("NSE:NOWHERE",), "NSE:NOWHERE"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence_and_a_status(arguments: tuple[str, ...], sentence: str) -> None:
    done = candles(*arguments)
    assert done.returncode == 1
    assert sentence in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
