"""The live view on screens of several sizes."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streams.console.models import Market, MarketRow, MarketTotals, Session, WorkerRow
from streams.console.screen import View, age, draw, line, money, rows_that_fit, short, sparkline
from streams.console.watch import Ranking

AT = datetime.fromisoformat("2026-11-20T10:42:17.000+05:30")
AT_US = int(AT.timestamp()) * 1_000_000


def row(name: str, price: float = 1500.0, close: float | None = 1490.0, **more: object) -> MarketRow:
    values: dict[str, object] = {
        "open": 1495.0, "high": 1510.0, "low": 1485.0, "volume": 1_234_567, "ticks": 9, "ticks_per_s": 1.9,
        "last_tick_us": AT_US, "age_s": 0.4, "worker": "local-1", "mode": "full",
    } | more  # fmt: skip
    change = None if close is None else price - close
    percent = None if close is None else (price / close - 1) * 100
    return MarketRow(
        instrument=name, last_price=price, close=close, change=change, change_percent=percent, **values  # type: ignore[arg-type]
    )  # fmt: skip


def worker(number: int, state: str = "streaming", detail: str = "") -> WorkerRow:
    return WorkerRow(
        worker=f"local-{number}", state=state, detail=detail, instruments=1000, slots=[1], ticks=5, ticks_per_s=600.0,
        pid=4000 + number, host="desk", covered_age_s=0.2,
    )  # fmt: skip


def market(rows: list[MarketRow], workers: list[WorkerRow], **totals: object) -> Market:
    values: dict[str, object] = {
        "subscribed": len(rows), "live": len(rows), "ticks": 1_234_567, "ticks_per_s": 5823.2, "batches_per_s": 30.0,
        "workers_wanted": 3, "workers_streaming": len(workers), "candles_lag": 12, "candles_lag_s": 0.43,
        "bad_records": 0,
    } | totals  # fmt: skip
    return Market(
        market_us=AT_US,
        market_time=AT.isoformat(timespec="milliseconds"),
        speed=1.0,
        simulated=True,
        session=Session(state="open", day="2026-11-20", open_us=0, close_us=AT_US + 17_260_000_000),
        totals=MarketTotals(**values),  # type: ignore[arg-type]
        instruments=rows,
        workers=workers,
    )


def shown(now: Market, width: int, height: int, problem: str = "") -> list[str]:
    ranking = Ranking()
    for _ in range(3):
        rows = ranking.take(now.instruments, rows_that_fit(height, len(now.workers)))
    out = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    with out.capture() as captured:
        out.print(draw(now, View(width, height, rows, ranking.history, "http://127.0.0.1:19000", problem=problem)))
    return captured.get().splitlines()


NAMES = [f"NSE:SYMBOL{n}" for n in range(200)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (130, 34), (160, 50), (220, 60), (60, 15)])
@pytest.mark.parametrize("workers", [0, 1, 3, 12])
def test_it_fills_a_screen_and_no_more(width: int, height: int, workers: int) -> None:
    lines = shown(market([row(name) for name in NAMES], [worker(n) for n in range(workers)]), width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width


def test_a_small_screen_has_all_that_matters() -> None:
    refused = worker(3, "waiting-for-token", "Kite refused the token")
    text = "\n".join(shown(market([row("NSE:INFY")], [worker(1), worker(2), refused]), 80, 24))
    for wanted in ("10:42:17 IST", "NSE open, 4:47 left", "simulated", "5,823 ticks/s", "3/3 workers",
                   "0.4 s candle lag", "NSE:INFY", "1,500.00", "+10.00", "+0.67", "12.35 L", "local-2",
                   "Kite refused the token", "http://127.0.0.1:19000/api/docs", "Ctrl-C stops"):  # fmt: skip
        assert wanted in text


def test_it_says_what_is_missing() -> None:
    assert "./portfolio feed add NSE:INFY" in "\n".join(shown(market([], [], subscribed=0, candles_lag_s=None), 80, 24))
    waiting = "\n".join(shown(market([], [], subscribed=5, candles_lag_s=None), 80, 24))
    assert "Waiting for the first ticks" in waiting
    assert "no candle worker yet" in waiting
    assert "No feed worker has spoken yet" in waiting
    assert "does not answer" in shown(market([row("NSE:INFY")], []), 80, 24, "The console does not answer.")[-1]


def test_what_a_packet_does_not_tell_is_a_dash() -> None:
    bare = row("NSE:INFY", close=None, open=None, high=None, low=None, volume=None, mode="ltp")
    (text,) = (text for text in shown(market([bare], [worker(1)]), 160, 50) if "NSE:INFY" in text)
    assert text.count("–") >= 5


def test_rows_keep_their_places_while_they_are_shown() -> None:
    ranking = Ranking()
    rows = [row(name) for name in NAMES[:30]]
    first = [r.instrument for r in ranking.take(rows, 10)]
    for _ in range(30):
        rows = rows[1:10] + rows[:1] + rows[10:]  # the same ten, in another order of activity
        assert [r.instrument for r in ranking.take(rows, 10)] == first
    assert len(ranking.take(rows, 20)) == 20  # a larger screen is filled at once
    ranking.take(rows[5:], 20)  # five are subscribed no more
    assert set(ranking.history) == {r.instrument for r in rows[5:]}


def test_the_great_indices_come_first() -> None:
    index = row("NSE:NIFTY IT", volume=None)
    nifty = row("NSE:NIFTY 50", volume=None)
    names = [r.instrument for r in Ranking().take([index, row("NSE:INFY"), row("NSE:TCS"), nifty], 10)]
    assert names == ["NSE:NIFTY 50", "NSE:INFY", "NSE:TCS", "NSE:NIFTY IT"]


@pytest.mark.parametrize(
    ("price", "text"),
    [(0.05, "0.05"), (83.2125, "83.2125"), (1523.4, "1,523.40"), (24512.35, "24,512.35"), (124512.35, "1,24,512.35"),
     (12345678.9, "1,23,45,678.90"), (-1523.4, "-1,523.40"), (0.0, "0.00"), (999.999, "999.999")],
)  # fmt: skip
def test_money_is_grouped_as_in_india(price: float, text: str) -> None:
    assert money(price) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (99_999, "99,999"), (456_000, "4.56 L"), (12_300_000, "1.23 Cr"), (10**10, "1,000.00 Cr")],
)
def test_large_numbers_are_said_as_in_india(count: int, text: str) -> None:
    assert short(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.44, "0.4 s"), (12.3, "12 s"), (125, "2 m"), (7300, "2 h")])
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text


@given(st.lists(st.floats(0.05, 1e6)), st.integers(1, 40))
def test_a_sparkline_is_as_long_as_it_may_be(prices: list[float], width: int) -> None:
    assert len(sparkline(prices, width)) == min(len(prices), width)


def test_the_plain_line() -> None:
    text = line(market([row("NSE:INFY")], [worker(1)]), [row("NSE:INFY")])
    assert text == (
        "2026-11-20 10:42:17 IST  1 instruments  5,823 ticks/s  workers 1/3  candles 0.4 s behind"
        "  NSE:INFY 1,500.00 +0.67%"
    )
