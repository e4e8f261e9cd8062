"""What people read of records."""

from __future__ import annotations

import orjson

from schemas.codec import decode_any, encode
from schemas.market import Candle, DeadLetter, FeedGap
from streams.prices.lines import plain, record_text, rows_of, tick_json, tick_text
from tests.unit.streams.prices.batches import OPEN_US, Tick, batch_of

BATCH = batch_of([Tick("NSE:INFY", OPEN_US + 17_123_000, 1523.4, volume=1_234_567), Tick("NSE:TCS", OPEN_US, 3000.0)])


def test_a_tick_is_a_line() -> None:
    text = tick_text(BATCH, 0)
    assert text.split() == ["09:15:17.123", "NSE:INFY", "1,523.40", "5", "1,234,567"]


def test_depth_shows_the_best_bid_and_ask() -> None:
    assert tick_text(batch_of([Tick("NSE:INFY", OPEN_US, 1.0)], depth=True), 0).endswith("1 × 1.00 | 1.00 × 1")


def test_one_instruments_rows() -> None:
    assert (rows_of(BATCH, ""), rows_of(BATCH, "NSE:TCS"), rows_of(BATCH, "NSE:SBIN")) == ([0, 1], [1], [])


def test_json_leaves_out_what_the_packet_had_not() -> None:
    made = orjson.loads(orjson.dumps(tick_json(BATCH, 0)))
    assert (made["instrument"], made["last_price"], made["volume"], made["kind"]) == (
        "NSE:INFY",
        1523.4,
        1_234_567,
        "full",
    )
    assert "oi" not in made
    assert "bids" not in made
    deep = tick_json(batch_of([Tick("NSE:INFY", OPEN_US, 1.0)], depth=True), 0)
    assert len(deep["bids"]) == len(deep["asks"]) == 5


def test_a_candle_is_a_line() -> None:
    candle = Candle("NSE:INFY", "1m", OPEN_US, 1, 2, 0.5, 1.5, 1000, -1, complete=True, gap=True, revision=2)
    text = record_text("NSE:INFY", decode_any(encode(candle)))
    assert text.startswith("2026-11-20 09:15  NSE:INFY")
    assert text.endswith("O 1.00  H 2.00  L 0.50  C 1.50  V 1,000  gap, complete, revision 2")


def test_a_dead_letter_says_what_where_and_why() -> None:
    letter = DeadLetter("ticks", 3, 17, "a broken TickBatch", b"\xc3\x01" + bytes(100), "candles-0", OPEN_US)
    text = record_text("", decode_any(encode(letter)))
    assert text.startswith("09:15:00.000  ticks[3]@17 (candles-0): a broken TickBatch; 102 bytes: c301")
    words = DeadLetter("subscriptions", 0, -1, "a JSON message that is none", b'{"a": 1', at_us=OPEN_US)
    assert record_text("", decode_any(encode(words))).endswith(
        "from a socket: a JSON message that is none; 7 bytes: '{\"a\": 1'"
    )


def test_any_other_record_is_its_fields() -> None:
    gap = FeedGap("1", "kite", "local-1", 3, ["NSE:A"] * 7, OPEN_US, OPEN_US + 1_000_000, "silence of 5 s")
    text = record_text("3", decode_any(encode(gap)))
    assert "instruments=NSE:A,NSE:A,NSE:A,NSE:A,NSE:A,… (7)" in text
    assert "start_us=09:15:00.000" in text
    assert record_text("NSE:INFY", None) == "NSE:INFY  removed"


def test_bytes_have_a_form_in_json() -> None:
    assert orjson.dumps({"payload": b"\xff"}, default=plain) == b'{"payload":"ff"}'
