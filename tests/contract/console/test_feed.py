"""Changing the feed: what is answered, what lies in Kafka, and what is read back."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from infra.clock import market_clock
from infra.kafka import produce_all, read_compacted
from infra.settings import Settings
from schemas.codec import decode
from schemas.market import FeedPool, FeedStatus, Subscription
from schemas.topics import FEED_POOLS, FEED_STATUS, SUBSCRIPTIONS, TICKS
from tests.contract.console.conftest import until
from tests.unit.streams.prices.batches import Tick, batch_of


def subscribed(servers: Settings, prefix: str = "NSE:CONSOLE") -> dict[str, tuple[int, Subscription]]:
    """What topic ``subscriptions`` says, read anew."""
    found: dict[tuple[str, int], Subscription | None] = {}
    for message in read_compacted(SUBSCRIPTIONS, of=servers):
        value = message.value()
        found[message.key().decode(), message.partition()] = decode(Subscription, value) if value else None
    return {name: (slot, record) for (name, slot), record in found.items() if record and name.startswith(prefix)}


def rows(console: httpx.Client) -> dict[str, dict[str, Any]]:
    return {row["instrument"]: row for row in console.get("/api/feed").json()["instruments"]}


def remove(console: httpx.Client, *names: str) -> httpx.Response:
    return console.request("DELETE", "/api/feed", json={"instruments": list(names)})


@pytest.fixture(autouse=True)
def nothing_left(console: httpx.Client, stocks: list[str]) -> Any:
    yield
    remove(console, *stocks)


def test_an_instrument_comes_changes_and_goes(console: httpx.Client, servers: Settings) -> None:
    added = console.post("/api/feed", json={"instruments": ["console1", " nse:console2 "], "mode": "quote"}).json()
    assert (added["added"], added["changed"], added["unchanged"]) == (["NSE:CONSOLE1", "NSE:CONSOLE2"], [], [])
    first = rows(console)["NSE:CONSOLE1"]  # at once
    slot, record = subscribed(servers)["NSE:CONSOLE1"]
    assert (record.mode, record.token, record.partition, slot) == (
        "quote",
        4_000_256,
        first["partition"],
        first["slot"],
    )
    assert (first["worker"], first["age_s"], first["name"]) == (None, None, "CONSOLE1 LIMITED")

    changed = console.post("/api/feed", json={"instruments": ["NSE:CONSOLE1"], "mode": "ltp"}).json()
    assert (changed["added"], changed["changed"]) == ([], ["NSE:CONSOLE1"])
    assert subscribed(servers)["NSE:CONSOLE1"] == (
        slot,
        Subscription(record.instrument, "kite", 4_000_256, "ltp", record.partition),
    )
    again = console.post("/api/feed", json={"instruments": ["NSE:CONSOLE1"], "mode": "ltp"}).json()
    assert again["unchanged"] == ["NSE:CONSOLE1"]

    gone = remove(console, "NSE:CONSOLE1", "NSE:CONSOLE5").json()
    assert gone == {"removed": ["NSE:CONSOLE1"], "not_subscribed": ["NSE:CONSOLE5"]}
    assert "NSE:CONSOLE1" not in rows(console)
    assert list(subscribed(servers)) == ["NSE:CONSOLE2"]


def test_instruments_are_shared_evenly(console: httpx.Client, servers: Settings, stocks: list[str]) -> None:
    console.post("/api/feed", json={"instruments": stocks})
    assert set(subscribed(servers)) == set(stocks)
    there = subscribed(servers, "")  # with what other tests left, which counts too
    slots = Counter(slot for slot, _ in there.values())
    partitions = Counter(record.partition for _, record in there.values())
    assert max(slots.values()) - min(slots.values()) <= 1
    assert max(partitions.values()) - min(partitions.values()) <= 1
    assert len(slots) == len(partitions) == servers.partitions


def test_people_who_ask_at_once_get_each_their_own(console: httpx.Client, servers: Settings, stocks: list[str]) -> None:
    with ThreadPoolExecutor(8) as people:
        done = people.map(lambda name: console.post("/api/feed", json={"instruments": [name]}).status_code, stocks)
    assert set(done) == {200}
    slots = Counter(slot for slot, _ in subscribed(servers, "").values())
    assert max(slots.values()) - min(slots.values()) <= 1


def test_records_written_by_hand_are_shown(console: httpx.Client, servers: Settings) -> None:
    produce_all([(SUBSCRIPTIONS, 4, "NSE:CONSOLE7", Subscription("NSE:CONSOLE7"))], servers)
    row = until(lambda: rows(console).get("NSE:CONSOLE7"))
    assert (row["slot"], row["partition"], row["token"]) == (4, None, 4_000_000 + 7 * 256)
    assert remove(console, "NSE:CONSOLE7").json()["removed"] == ["NSE:CONSOLE7"]
    assert "NSE:CONSOLE7" not in subscribed(servers)


def test_an_instrument_in_two_slots_is_removed_from_both(console: httpx.Client, servers: Settings) -> None:
    record = Subscription("NSE:CONSOLE8", partition=1)
    produce_all([(SUBSCRIPTIONS, slot, "NSE:CONSOLE8", record) for slot in (2, 3)], servers)
    until(lambda: rows(console).get("NSE:CONSOLE8"))
    remove(console, "NSE:CONSOLE8")
    assert "NSE:CONSOLE8" not in rows(console)
    assert "NSE:CONSOLE8" not in subscribed(servers)


def test_workers_are_a_record_for_the_supervisor(console: httpx.Client, servers: Settings) -> None:
    answer = console.put("/api/feed/workers", json={"workers": 2}).json()
    assert (answer["pool"], answer["workers"], answer["warning"]) == ("local", 2, "")
    *_, last = (message for message in read_compacted(FEED_POOLS, of=servers) if message.key() == b"local")
    assert decode(FeedPool, last.value()) == FeedPool("local", 2)
    assert console.get("/api/feed").json()["capacity"] == 6000
    assert console.put("/api/feed/workers", json={"workers": 0}).json()["workers"] == 0
    assert console.put("/api/feed/workers", json={"workers": 1}).json()["workers"] == 1


def test_ticks_and_the_workers_word_are_seen(console: httpx.Client, servers: Settings) -> None:
    console.post("/api/feed", json={"instruments": ["NSE:CONSOLE9"]})
    mine = rows(console)["NSE:CONSOLE9"]
    now = market_clock().now_us()
    status = FeedStatus(mine["slot"], "tests-1", "streaming", "", 1, 5, now, 4242, "desk")
    ticks = batch_of([Tick("NSE:CONSOLE9", now, 1523.4, volume=10, close=1500.0)], worker="tests-1")
    produce_all(
        [(FEED_STATUS, mine["slot"], str(mine["slot"]), status), (TICKS, mine["partition"], "", ticks)], servers
    )
    row = until(lambda: (found := rows(console)["NSE:CONSOLE9"])["last_price"] and found["worker"] and found)
    assert (row["last_price"], row["worker"], row["state"], row["last_tick_us"]) == (
        1523.4,
        "tests-1",
        "streaming",
        now,
    )
    assert row["age_s"] >= 0
    market = console.get("/api/market").json()
    (shown,) = (found for found in market["instruments"] if found["instrument"] == "NSE:CONSOLE9")
    assert (shown["change"], shown["volume"], shown["worker"]) == (23.4, 10, "tests-1")
    (worker,) = (found for found in market["workers"] if found["worker"] == "tests-1")
    assert (worker["pid"], worker["host"], worker["slots"]) == (4242, "desk", [mine["slot"]])


def test_unreadable_ticks_are_counted_and_passed_over(console: httpx.Client, servers: Settings) -> None:
    from infra.kafka import flush, producer

    before = console.get("/api/market").json()["totals"]["bad_records"]
    to = producer(servers)
    to.produce(TICKS.name, b"\xc3\x01 not a batch", partition=0)
    flush(to)
    console.post("/api/feed", json={"instruments": ["NSE:CONSOLE3"]})
    produce_all([(TICKS, 0, "", batch_of([Tick("NSE:CONSOLE3", market_clock().now_us(), 7.0)]))], servers)
    until(lambda: rows(console)["NSE:CONSOLE3"]["last_price"] == 7.0)
    assert console.get("/api/market").json()["totals"]["bad_records"] == before + 1


def test_the_stream_says_the_market_each_second(console: httpx.Client) -> None:
    began = time.monotonic()
    with console.stream("GET", "/api/market/stream", params={"limit": 1}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in answer.iter_lines() if line)
        first, second = next(lines), next(lines)
    assert first.startswith('data: {"market_us":')
    assert second > first  # market time goes on
    assert time.monotonic() - began < 60
