"""What the console says of everything else: health, instruments, candles, its own description."""

from __future__ import annotations

from datetime import date, timedelta

import httpx

from infra.cassandra import connect
from infra.settings import Settings
from schemas.calendar import calendar_of
from schemas.market import Candle
from streams.archive.writer import CandleWriter
from tests.contract.console.conftest import until

MINUTE_US = 60_000_000
DAY = date(2026, 11, 19)


def test_health_names_every_part(console: httpx.Client) -> None:
    def healthy() -> dict[str, dict[str, str]] | None:
        said = console.get("/api/health").json()
        return said if all(said[part]["state"] == "ok" for part in ("kafka", "cassandra", "postgres")) else None

    said = until(healthy)
    assert (said["simulated"], said["speed"]) == (True, 1.0)
    assert said["candles"]["state"] in ("ok", "behind", "stopped", "unknown")  # others use the same servers
    assert said["market_time"].endswith("+05:30")


def test_instruments_are_searched_and_paged(console: httpx.Client) -> None:
    def ask(**query: object) -> dict[str, object]:
        return console.get("/api/instruments", params=query).json()  # type: ignore[arg-type]

    assert until(lambda: ask(search="console limited", exchange="nse", limit=5)["total"] == 40)
    first = ask(search="console", limit=5)["instruments"]
    second = ask(search="console", limit=5, offset=5)["instruments"]
    assert len({row["instrument"] for row in [*first, *second]}) == 10  # type: ignore[misc]
    assert ask(search="nothing of that kind") == {"total": 0, "limit": 50, "offset": 0, "instruments": []}


def test_candles_of_a_day_in_every_interval(console: httpx.Client, servers: Settings) -> None:
    opening = next(calendar_of("NSE").sessions_from(DAY)).open_us
    name = "NSE:CONSOLE20"
    minutes = [
        Candle(name, "1m", opening + n * MINUTE_US, 10 + n, 11 + n, 9 + n, 10.5 + n, 100, -1, complete=True)
        for n in range(90)
    ]
    session = connect(servers)
    try:
        writer = CandleWriter(session)
        writer.write(minutes)
        writer.mark_days(0, [(name, DAY)], [(name, DAY)])
    finally:
        session.cluster.shutdown()

    def ask(**query: object) -> list[dict[str, object]]:
        said = console.get("/api/candles", params={"instrument": "CONSOLE20"} | query)  # type: ignore[arg-type]
        assert said.status_code == httpx.codes.OK, said.text
        return said.json()["candles"]  # type: ignore[no-any-return]

    assert [row["open"] for row in ask()] == [10.0 + n for n in range(90)]
    assert (ask()[0]["start"], ask()[0]["oi"]) == ("2026-11-19T09:15:00+05:30", None)
    hours = ask(interval="60m")
    assert [(row["open"], row["close"], row["volume"], row["complete"]) for row in hours] == [
        (10.0, 69.5, 6000, True), (70.0, 99.5, 3000, True),
    ]  # fmt: skip
    assert len(ask(interval="1d")) == 1
    assert ask(interval="60m", **{"from": "2026-11-19T10:00"}) == hours[1:]  # whole candles only
    assert len(ask(**{"from": "2026-11-19T10:00", "to": "2026-11-19T10:09"})) == 10
    assert len(ask(**{"from": "2026-11-19T10:00:00+05:30"})) == 45
    assert [row["open"] for row in ask(limit=2)] == [98.0, 99.0]
    assert ask(**{"from": str(DAY + timedelta(1))}) == []
    assert ask(to=str(DAY - timedelta(1))) == []
    assert console.get("/api/candles", params={"instrument": "NSE:CONSOLE21"}).json()["candles"] == []


def test_it_describes_itself(console: httpx.Client) -> None:
    described = console.get("/api/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/health", "/api/instruments", "/api/feed", "/api/feed/workers", "/api/candles", "/api/market",
        "/api/market/stream", "/api/nodes", "/api/nodes/tokens", "/api/nodes/{node}", "/api/nodes/{node}/{verb}",
        "/api/algos", "/api/algos/{name}", "/api/runs", "/api/runs/{run}/stop", "/api/runs/{run}/restart",
        "/api/runs/{run}/logs", "/api/commands", "/api/commands/{id}",
        "/api/orders", "/api/orders/{id}", "/api/trades", "/api/positions", "/api/explain/{order}", "/api/risk",
        "/api/risk/history", "/api/risk/limits", "/api/risk/limits/history", "/api/risk/halt", "/api/risk/reduce",
        "/api/risk/resume", "/api/risk/flatten", "/api/risk/accept",
    }  # fmt: skip
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["description"]
    assert "swagger" in console.get("/api/docs").text
