"""Whatever a person sends, the answer is one sentence with a fitting status."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

FEED, WORKERS = "/api/feed", "/api/feed/workers"
BODIES: list[tuple[str, str, Any, int, str]] = [
    ("POST", FEED, {"instruments": ["NSE:CONSOLE0X"]}, 404, "did you mean NSE:CONSOLE0"),
    ("POST", FEED, {"instruments": ["NSE:CONSOLE0", "NSE:NOSUCHTHING"]}, 404, "NSE:NOSUCHTHING"),
    ("POST", FEED, {"instruments": ["TWICE"]}, 409, "BSE:TWICE or MCX:TWICE"),
    ("POST", FEED, {"instruments": []}, 422, "at least one"),
    ("POST", FEED, {}, 422, "instruments"),
    ("POST", FEED, [], 422, "JSON object"),
    ("POST", FEED, "NSE:CONSOLE0", 422, "JSON object"),
    ("POST", FEED, None, 422, "JSON object"),
    ("POST", FEED, {"instruments": "NSE:CONSOLE0"}, 422, "instruments"),
    ("POST", FEED, {"instruments": [1]}, 422, "instruments.0"),
    ("POST", FEED, {"instruments": [None]}, 422, "instruments.0"),
    ("POST", FEED, {"instruments": [""]}, 422, "instruments.0"),
    ("POST", FEED, {"instruments": ["   "]}, 422, "instruments.0"),
    ("POST", FEED, {"instruments": ["N" * 65]}, 422, "instruments.0"),
    ("POST", FEED, {"instruments": ["NSE:CONSOLE0"] * 30_001}, 422, "instruments"),
    ("POST", FEED, {"instruments": ["\u0000"]}, 404, "No instrument"),
    ("POST", FEED, {"instruments": ["नमस्ते"]}, 404, "No instrument"),
    ("POST", FEED, {"instruments": ["NSE:CONSOLE0"], "mode": "fast"}, 422, "mode"),
    ("POST", FEED, {"instruments": ["NSE:CONSOLE0"], "mode": None}, 422, "mode"),
    ("POST", FEED, {"instruments": ["NSE:CONSOLE0"], "mod": "full"}, 422, "'mod'"),
    ("DELETE", FEED, {"instruments": ["NSE:CONSOLE39"]}, 404, "not subscribed"),
    ("DELETE", FEED, {"instruments": ["NSE:NOSUCHTHING"]}, 404, "NOSUCHTHING"),
    ("DELETE", FEED, {"instruments": []}, 422, "at least one"),
    ("DELETE", FEED, None, 422, "JSON object"),
    ("PUT", WORKERS, {"workers": -1}, 422, "workers"),
    ("PUT", WORKERS, {"workers": 4}, 409, "Kite allows 3 connections"),
    ("PUT", WORKERS, {"workers": 13}, 409, "12 slots"),
    ("PUT", WORKERS, {"workers": 10**30}, 409, "12 slots"),
    ("PUT", WORKERS, {"workers": 1.5}, 422, "workers"),
    ("PUT", WORKERS, {"workers": "2"}, 422, "workers"),
    ("PUT", WORKERS, {"workers": True}, 422, "workers"),
    ("PUT", WORKERS, {}, 422, "workers"),
    ("PUT", WORKERS, {"workers": 1, "pool": "other"}, 422, "'pool'"),
    ("PUT", FEED, {"workers": 1}, 405, "does not take PUT"),
    ("POST", "/api/health", {}, 405, "does not take POST"),
    ("POST", "/api/candles", {}, 405, "does not take POST"),
]
ADDRESSES: list[tuple[str, int, str]] = [
    ("/", 404, "/api/docs"),
    ("/api", 404, "/api/docs"),
    ("/api/nothing", 404, "/api/docs"),
    ("/api/feed/../../etc/passwd", 404, "/api/docs"),
    ("/api/instruments?limit=0", 422, "limit"),
    ("/api/instruments?limit=5001", 422, "limit"),
    ("/api/instruments?limit=ten", 422, "limit"),
    ("/api/instruments?offset=-1", 422, "offset"),
    ("/api/instruments?serach=x", 422, "'serach'"),
    (f"/api/instruments?search={'x' * 101}", 422, "search"),
    ("/api/candles", 422, "instrument"),
    ("/api/candles?instrument=", 422, "instrument"),
    ("/api/candles?instrument=NSE:NOSUCHTHING", 404, "NOSUCHTHING"),
    ("/api/candles?instrument=TWICE", 409, "BSE:TWICE or MCX:TWICE"),
    ("/api/candles?instrument=NSE:CONSOLE0&interval=7m", 422, "interval"),
    ("/api/candles?instrument=NSE:CONSOLE0&from=yesterday", 400, "yesterday"),
    ("/api/candles?instrument=NSE:CONSOLE0&to=99999999999999999", 400, "is no time"),
    ("/api/candles?instrument=NSE:CONSOLE0&from=2026-11-20&to=2026-11-19", 400, "after"),
    ("/api/candles?instrument=NSE:CONSOLE0&limit=-5", 422, "limit"),
    ("/api/candles?instrument=NSE:CONSOLE0&intervall=1m", 422, "'intervall'"),
    ("/api/market?limit=x", 422, "limit"),
    ("/api/market?sort=fast", 422, "sort"),
    ("/api/market/stream?limit=0", 422, "limit"),
]


def check(answer: httpx.Response, status: int, words: str) -> None:
    body = answer.json()
    assert (answer.status_code, list(body)) == (status, ["error"]), body
    sentence = body["error"]
    assert words in sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert sentence.endswith((".", "?"))


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), BODIES)
def test_bodies(console: httpx.Client, method: str, path: str, body: Any, status: int, words: str) -> None:
    before = console.get("/api/feed").json()["instruments"]
    check(console.request(method, path, json=body), status, words)
    assert console.get("/api/feed").json()["instruments"] == before


@pytest.mark.parametrize(("path", "status", "words"), ADDRESSES)
def test_addresses(console: httpx.Client, path: str, status: int, words: str) -> None:
    check(console.get(path), status, words)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [(b'{"instr', "application/json", 400), (b"\xff\xfe", "application/json", 400), (b"", "application/json", 422),
     (b"instruments=INFY", "application/x-www-form-urlencoded", 422), (b"[" * 100_000, "application/json", 400)],
)  # fmt: skip
def test_bytes_that_are_no_json(console: httpx.Client, content: bytes, kind: str, status: int) -> None:
    answer = console.post("/api/feed", content=content, headers={"content-type": kind})
    check(answer, status, "JSON")


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}])
def test_only_this_machine_may_ask(console: httpx.Client, headers: dict[str, str]) -> None:
    check(console.get("/api/health", headers=headers), 403, "only to this machine")


def test_a_page_of_this_machine_may(console: httpx.Client) -> None:
    assert console.get("/api/health", headers={"origin": "http://localhost:5173"}).status_code == httpx.codes.OK
