"""What a newcomer sees after ``./portfolio up``: a market that moves, stored candles, help with mistakes.

It comes, by its name, after the first minutes of market and before the journeys that interrupt the feed: it needs whole
minutes without a gap.
"""

from __future__ import annotations

import json

import pytest

from tests.journeys.conftest import Platform
from tests.wait import until


def test_all_services_run_and_a_second_up_says_so(platform: Platform) -> None:
    services = platform.json("status")["services"]
    everything = "kafka cassandra postgres simulator feed candles console fleet node risk gateway paper"
    assert {s["name"] for s in services} == set(everything.split())
    assert {s["state"] for s in services} == {"running"}
    assert all(isinstance(s["pid"], int) and isinstance(s["port"], int) and s["ready_s"] >= 0 for s in services)
    assert "runs" in platform.run("up", "--detach") or "running" in platform.run("up", "--detach")


def test_the_market_moves_and_its_candles_are_stored(platform: Platform) -> None:
    def infy() -> object:
        return [r for r in platform.api("/market", limit=200)["instruments"] if r["instrument"] == "NSE:INFY"]

    (first,) = until("a price of NSE:INFY", infy)
    until("NSE:INFY ticks on", lambda: infy()[0]["ticks"] > first["ticks"])  # type: ignore[index]
    candles = until("stored candles of NSE:INFY", lambda: platform.json("candles", "NSE:INFY", "--interval", "1m"))
    for candle in candles:
        assert candle["low"] <= min(candle["open"], candle["close"])
        assert candle["high"] >= max(candle["open"], candle["close"])
    csv = platform.run("candles", "NSE:INFY", "--interval", "5m", "--csv").splitlines()
    assert "open" in csv[0]
    assert len(csv) >= 2


def test_candles_of_ticks_are_those_that_the_exchange_tells(platform: Platform) -> None:
    """Two complete minutes from ticks against the same minutes of the simulator's historical interface."""
    name = "NSE:RELIANCE"

    def complete() -> list[dict[str, object]]:
        rows = platform.json("candles", name, "--interval", "1m")
        return [row for row in rows if row["complete"] and not row["gap"]][1:]  # the first began before we came

    ours = until("a whole minute", complete, timeout_s=200)[:2]
    token = platform.api("/instruments", search="RELIANCE", limit=200)
    number = next(i["token"] for i in token["instruments"] if i["instrument"] == name)
    history = {row[0][:16]: row for row in historical(platform, number, str(ours[0]["time"])[:10])}
    for row in ours:
        told = history[str(row["time"])[:16]]
        assert [row[f] for f in ("open", "high", "low", "close", "volume")] == told[1:6]


def historical(platform: Platform, token: int, day: str) -> list[list[object]]:
    """The simulator's minute candles of a day, through the official client."""
    import httpx
    from kiteconnect import KiteConnect

    root = f"http://127.0.0.1:{platform.base + 80}"
    sent = httpx.post(f"{root}/connect/login", data={"api_key": "simulator"})
    kite = KiteConnect("simulator", root=root)
    kite.generate_session(sent.headers["location"].split("request_token=")[1].split("&")[0], "simulator-secret")
    rows = kite.historical_data(token, f"{day} 09:15:00", f"{day} 15:30:00", "minute")
    return [[row["date"].isoformat(), *(row[f] for f in ("open", "high", "low", "close", "volume"))] for row in rows]


def test_tail_shows_records_as_lines(platform: Platform) -> None:
    lines = platform.run("tail", "ticks", "--instrument", "NSE:NIFTY 50", "--count", "2", "--json").splitlines()
    assert [json.loads(line)["instrument"] for line in lines] == ["NSE:NIFTY 50"] * 2
    assert len(platform.run("tail", "instruments", "--from-start", "--count", "3").splitlines()) == 3


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["candles", "NSE:NOSUCH", "--interval", "1m"], "NSE:NOSUCH"),
        (["candles", "NSE:INFY", "--interval", "7m"], "7m"),
        (["candles", "NSE:INFY", "--interval", "1m", "--from", "yesterday"], "yesterday"),
        (["tail", "nosuch"], "nosuch"),
        (["feed", "add", "NSE:INFFY"], "NSE:INFY"),
        (["feed", "add", "NSE:INFY", "--mode", "fast"], "'ltp', 'quote' or 'full'"),
        (["feed", "remove", "NSE:NOSUCH"], "NSE:NOSUCH"),
        (["feed", "workers", "4"], "3"),
        (["feed", "workers", "40"], "12"),
        (["tape", "play", "/nowhere.zip", "--instrument", "NYSE:SPY", "--date", "2013-10-07"], "/nowhere.zip"),
        (["logs", "nosuch"], "nosuch"),
    ],
)
def test_a_mistake_gets_one_clear_sentence(platform: Platform, command: list[str], says: str) -> None:
    said = platform.run(*command, ok=False)
    assert says in said
