"""The official REST client against the simulator."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest
from kiteconnect import KiteConnect
from kiteconnect.exceptions import GeneralException, InputException, NetworkException, TokenException

from tests.contract.simulator.conftest import KEY, SECRET, Simulator, patiently

INFY = 408065


def today(simulator: Simulator) -> date:
    return date.fromisoformat(simulator.health()["day"])


def test_log_in_and_out(simulator: Simulator) -> None:
    client = KiteConnect(KEY, root=simulator.rest)
    session = patiently(lambda: client.generate_session(simulator.request_token(), SECRET))
    assert session["user_id"] == patiently(client.profile)["user_id"]
    assert isinstance(session["login_time"], datetime)
    assert patiently(lambda: client.margins("equity"))["enabled"]
    assert set(patiently(client.margins)) == {"equity", "commodity"}
    patiently(client.invalidate_access_token)
    with pytest.raises(TokenException) as refusal:
        patiently(client.profile)
    assert refusal.value.code == 403


def test_the_login_page_is_a_form_that_works(simulator: Simulator) -> None:
    page = httpx.get(f"{simulator.rest}/connect/login", params={"api_key": KEY, "v": "3"})
    assert 'method="post" action="/connect/login"' in page.text
    there = {"api_key": KEY, "redirect_url": "http://127.0.0.1:9/done?x=1"}
    answer = httpx.post(f"{simulator.rest}/connect/login", data=there)
    assert answer.headers["location"].startswith("http://127.0.0.1:9/done?x=1&action=login")
    elsewhere = httpx.post(f"{simulator.rest}/connect/login", data=there | {"redirect_url": "https://example.com/"})
    assert elsewhere.json()["error_type"] == "InputException"
    finish = httpx.post(f"{simulator.rest}/connect/login", data={"api_key": KEY}, follow_redirects=True)
    assert "Logged in" in finish.text


def test_wrong_secrets_and_tokens(simulator: Simulator) -> None:
    client = KiteConnect(KEY, root=simulator.rest)
    with pytest.raises(TokenException):
        patiently(lambda: client.generate_session(simulator.request_token(), "wrong"))
    token = simulator.request_token()
    patiently(lambda: client.generate_session(token, SECRET))
    with pytest.raises(TokenException):
        patiently(lambda: client.generate_session(token, SECRET))
    with pytest.raises(TokenException):
        KiteConnect(KEY, "x" * 32, root=simulator.rest).profile()


def test_instruments(kite: KiteConnect) -> None:
    listed = patiently(kite.instruments)
    by_token = {row["instrument_token"]: row for row in listed}
    assert len(by_token) == len(listed) == 3200
    assert sum(row["exchange"] == "NSE" for row in listed) >= 3000
    assert by_token[INFY]["tradingsymbol"] == "INFY"
    assert by_token[256265]["segment"] == "INDICES"
    contracts = patiently(lambda: kite.instruments("NFO"))
    assert {row["instrument_type"] for row in contracts} == {"FUT", "CE", "PE"}
    assert all(isinstance(row["expiry"], date) for row in contracts)


def test_quotes(kite: KiteConnect) -> None:
    names = ["NSE:INFY", "NSE:NIFTY 50", "NSE:NO SUCH"]
    quotes = patiently(lambda: kite.quote(names))
    assert set(quotes) == set(names[:2])
    infy = quotes["NSE:INFY"]
    assert infy["instrument_token"] == INFY
    assert infy["ohlc"]["low"] <= infy["last_price"] <= infy["ohlc"]["high"]
    assert len(infy["depth"]["buy"]) == len(infy["depth"]["sell"]) == 5
    assert isinstance(infy["last_trade_time"], datetime)
    assert set(patiently(lambda: kite.ohlc("NSE:INFY"))["NSE:INFY"]) == {"instrument_token", "last_price", "ohlc"}
    assert patiently(lambda: kite.ltp("NSE:INFY"))["NSE:INFY"]["last_price"] > 0


@pytest.mark.parametrize(("call", "most"), [("quote", 500), ("ohlc", 1000), ("ltp", 1000)])
def test_quotes_of_too_many(kite: KiteConnect, call: str, most: int) -> None:
    with pytest.raises(InputException, match=str(most)):
        patiently(lambda: getattr(kite, call)(["NSE:INFY"] * (most + 1)))


def call_many(kite: KiteConnect) -> None:
    for _ in range(50):
        kite.ltp("NSE:INFY")


def test_requests_beyond_the_limit_are_refused(kite: KiteConnect) -> None:
    patiently(lambda: kite.ltp("NSE:INFY"))
    with pytest.raises(NetworkException) as refusal:
        call_many(kite)
    assert refusal.value.code == 429


def history(kite: KiteConnect, start: Any, end: Any, interval: str = "minute", **more: Any) -> list[dict[str, Any]]:
    candles: list[dict[str, Any]] = patiently(lambda: kite.historical_data(INFY, start, end, interval, **more))
    return candles


def test_history_has_both_ends_and_starts_at_the_open(simulator: Simulator, kite: KiteConnect) -> None:
    day = today(simulator)
    minutes = history(kite, f"{day} 09:15:00", f"{day} 09:24:00")
    assert [row["date"].strftime("%H:%M") for row in minutes] == [f"09:{m}" for m in range(15, 25)]
    assert minutes[0]["date"].utcoffset() == timedelta(hours=5.5)
    five = history(kite, f"{day} 09:15:00", f"{day} 09:24:00", "5minute", oi=True)
    assert [row["volume"] for row in five] == [
        sum(row["volume"] for row in part) for part in (minutes[:5], minutes[5:])
    ]
    assert five[0]["open"] == minutes[0]["open"]
    assert five[1]["close"] == minutes[-1]["close"]
    assert five[0]["oi"] == 0


def test_history_of_days(simulator: Simulator, kite: KiteConnect) -> None:
    day = today(simulator)
    candles = history(kite, f"{day - timedelta(days=1990)} 09:15:00", f"{day} 15:30:00", "day")
    assert len(candles) > 1200
    assert candles[-1]["date"].date() == day
    quote = patiently(lambda: kite.quote("NSE:INFY"))["NSE:INFY"]
    assert candles[-2]["close"] == quote["ohlc"]["close"]
    assert candles[-1]["open"] == quote["ohlc"]["open"]


@pytest.mark.parametrize(
    ("interval", "start", "end", "says"),
    [
        ("minute", "2026-01-01 09:15:00", "2026-04-01 09:15:00", "60 days"),
        ("60minute", "2024-01-01 09:15:00", "2026-04-01 09:15:00", "400 days"),
        ("2minute", "2026-01-01 09:15:00", "2026-01-02 09:15:00", "interval"),
        ("day", "2026-01-02 09:15:00", "2026-01-01 09:15:00", "after"),
        ("day", "yesterday", "2026-01-01 09:15:00", "from"),
    ],
)
def test_history_that_cannot_be(kite: KiteConnect, interval: str, start: str, end: str, says: str) -> None:
    with pytest.raises(InputException, match=says):
        history(kite, start, end, interval)


def test_what_is_not_there(simulator: Simulator, kite: KiteConnect) -> None:
    with pytest.raises(GeneralException) as refusal:
        kite.mf_orders()
    assert refusal.value.code == 404
    assert httpx.delete(f"{simulator.rest}/quote").json()["status"] == "error"
