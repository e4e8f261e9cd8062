"""The archive's own binding against the driver's, and candles that go through Cassandra unchanged."""

from __future__ import annotations

from dataclasses import astuple, replace

from infra.cassandra import connect
from infra.settings import Settings
from schemas.market import Candle
from streams.archive.days import day_of
from streams.archive.queries import Queries
from streams.archive.reader import PAGE, CandleReader
from streams.archive.writer import CandleWriter, bind_candle
from tests.unit.streams.candles.ticks import MINUTE, OPENING

CANDLE = Candle(
    "NSE:BÖUND", "1m", OPENING, 1.25, 2.5, -0.75, 1e9, 12, 3, (OPENING, -1, 5), (6, 7, 1 << 60), -1, 99, True, False, 4
)


def test_our_binding_is_the_drivers(servers: Settings) -> None:
    session = connect(servers)
    put = Queries(session)["put_candle"]
    for candle in (CANDLE, replace(CANDLE, complete=False, gap=True, source="history", instrument="NSE:M&M")):
        name, _, *values = astuple(candle)
        theirs = put.bind((name, day_of(name, candle.start_us), *values))
        assert list(bind_candle(put, candle).values) == list(theirs.values)
        assert bind_candle(put, candle).routing_key == theirs.routing_key
    session.cluster.shutdown()


def test_what_is_written_is_read(servers: Settings) -> None:
    session = connect(servers)
    reader, writer = CandleReader(session), CandleWriter(session)
    name, day = CANDLE.instrument, day_of(CANDLE.instrument, OPENING)
    candles = [replace(CANDLE, start_us=OPENING + n * MINUTE, volume=n) for n in range(3 * PAGE)]
    writer.write(candles)
    writer.mark_days(77, [(name, day)])
    assert reader.open_days(77) == [(name, day)]
    assert reader.days(name) == reader.latest_days(name, 5) == [day]
    assert reader.candles(name, OPENING + MINUTE, OPENING + 3 * MINUTE) == candles[1:4]
    newest, lots, nothing = reader.newest(
        [
            (name, day, 1 << 62, OPENING + (3 * PAGE - 2) * MINUTE),
            (name, day, 1 << 62, OPENING + MINUTE),
            ("NSE:NONE", day, 1 << 62, 0),
        ]
    )
    assert newest == (candles[: -PAGE - 1 : -1], candles[-PAGE].start_us)
    assert lots == (candles[::-1], 0)
    assert nothing == ([], 0)
    writer.mark_days(77, (), [(name, day)])
    assert reader.open_days(77) == []
    session.cluster.shutdown()
