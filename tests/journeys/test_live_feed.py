"""Instruments and workers changed live: evenly shared, nobody disturbed, nothing lost."""

from __future__ import annotations

import os
import signal
from typing import Any

import httpx
import pytest

from infra.kafka import produce_all, read_compacted
from infra.settings import Settings
from schemas.codec import decode
from schemas.market import FeedGap, Subscription
from schemas.topics import FEED_GAPS, SUBSCRIPTIONS, TICKS
from tests.journeys import tape
from tests.journeys.conftest import Platform
from tests.wait import until


def settings_of(platform: Platform) -> Settings:
    return Settings(home=platform.home, port_base=platform.base)


def gaps(platform: Platform) -> list[FeedGap]:
    return [decode(FeedGap, m.value()) for m in read_compacted(FEED_GAPS, of=settings_of(platform))]


def rows(platform: Platform) -> dict[str, dict[str, Any]]:
    return {row["instrument"]: row for row in platform.json("feed", "list")["instruments"]}


def fill_up_to(platform: Platform, count: int) -> None:
    """Subscribes equities until so many instruments are streamed in all."""
    there = rows(platform)
    found = platform.api("/instruments", kind="EQ", limit=400)["instruments"]
    new = [i["instrument"] for i in found if i["instrument"] not in there and i["exchange"] == "NSE"]
    platform.run("feed", "add", *new[: count - len(there)])


def test_a_hundred_instruments_over_three_workers_are_33_33_34(platform: Platform) -> None:
    fill_up_to(platform, 100)
    platform.workers(3)
    assert sorted(platform.loads().values()) == [33, 33, 34]
    platform.workers(2)
    assert sorted(platform.loads().values()) == [50, 50]
    platform.workers(3)


def test_a_killed_worker_is_replaced_and_only_its_share_has_a_gap(platform: Platform) -> None:
    platform.workers(3)
    before = rows(platform)
    victim = next(w for w in platform.json("feed", "list")["workers"] if w["worker"] == "local-2")
    share = {name for name, row in before.items() if row["worker"] == "local-2"}
    told = {gap.id for gap in gaps(platform)}
    os.kill(victim["pid"], signal.SIGKILL)

    def is_back() -> bool:
        rows = [row for row in platform.json("feed", "list")["workers"] if row["worker"] == "local-2"]
        return any(row["pid"] != victim["pid"] and row["state"] == "streaming" for row in rows)

    until("worker local-2 is back", is_back)
    until("its share goes on", lambda: {n for n, r in rows(platform).items() if r["worker"] == "local-2"} == share)
    new = until("the gap is told", lambda: [gap for gap in gaps(platform) if gap.id not in told])
    assert {name for gap in new for name in gap.instruments} <= share


def test_instruments_that_all_went_come_back_over_the_connections_that_are_there(platform: Platform) -> None:
    names = sorted(rows(platform))
    platform.workers(3)  # as many as an API key may have connections
    for _ in range(2):
        platform.run("feed", "remove", *names)
        until("nothing is subscribed", lambda: not rows(platform))
        platform.run("feed", "add", *names)
        until("all stream again", lambda: sorted(rows(platform)) == names and all_stream(platform))


def test_changes_beside_a_playing_tape_lose_none_of_its_trades(platform: Platform) -> None:
    platform.workers(1)
    name = "NASDAQ:IBMTWO"
    playing = platform.start(*tape.arguments("ibm", name, "900"))
    try:
        until("the tape is streamed", lambda: rows(platform).get(name, {}).get("age_s") is not None)
        told = {gap.id for gap in gaps(platform)}
        platform.workers(3)
        platform.run("feed", "remove", "NSE:TCS", "NSE:ITC")
        platform.run("feed", "add", "NSE:TCS", "NSE:ITC", "--mode", "quote")
        platform.workers(2)
        assert playing.wait(150) == 0, playing.stdout.read() if playing.stdout else ""
    finally:
        playing.kill()
    assert not [gap for gap in gaps(platform) if gap.id not in told and name in gap.instruments]
    until(
        "the stored candles equal the oracle",
        lambda: tape.differences(platform, "ibm", name)[0].empty,
        timeout_s=60,
        every_s=2,
    )


def test_a_record_written_by_hand_subscribes_and_a_tombstone_unsubscribes(platform: Platform) -> None:
    by_hand = settings_of(platform)
    name = "NSE:HDFCBANK"
    platform.run("feed", "remove", name)
    produce_all([(SUBSCRIPTIONS, None, name, Subscription(name, mode="quote"))], by_hand)
    row = until(
        "it streams", lambda: (r := rows(platform).get(name)) and r["state"] == "streaming" and r["age_s"] and r
    )
    assert row["mode"] == "quote"  # type: ignore[index]
    produce_all([(SUBSCRIPTIONS, None, name, None)], by_hand)  # in whatever partition Kafka's partitioner chose
    until("it is gone", lambda: name not in rows(platform))
    platform.run("feed", "add", name)


def test_unknown_names_written_by_hand_are_put_aside_with_a_reason(platform: Platform) -> None:
    produce_all([(SUBSCRIPTIONS, None, "NSE:NOSUCH", Subscription("NSE:NOSUCH"))], settings_of(platform))
    until("it is gone", lambda: "NSE:NOSUCH" not in rows(platform))
    said = platform.run("tail", "subscriptions-dlq", "--from-start", "--count", "1")
    assert "no instrument NSE:NOSUCH is known" in said


def fault(platform: Platform, path: str) -> None:
    """Makes the simulated exchange misbehave."""
    httpx.post(f"http://127.0.0.1:{platform.base + 80}/simulator/faults/{path}").raise_for_status()


def all_stream(platform: Platform) -> bool:
    return {row["state"] for row in rows(platform).values()} == {"streaming"}


def test_a_silent_socket_is_told_and_opened_anew(platform: Platform) -> None:
    told = {gap.id for gap in gaps(platform)}
    fault(platform, "silent?seconds=8")
    until("silence is told", lambda: [g for g in gaps(platform) if g.id not in told and "for 5 s" in g.reason])
    until("all stream again", lambda: all_stream(platform), timeout_s=90)


def test_a_dead_token_is_replaced_without_a_restart(platform: Platform) -> None:
    pids = {worker["worker"]: worker["pid"] for worker in platform.json("feed", "list")["workers"]}
    told = {gap.id for gap in gaps(platform)}
    fault(platform, "expire")
    until("the interruption is told", lambda: [g for g in gaps(platform) if g.id not in told])
    until("all stream again", lambda: all_stream(platform), timeout_s=90)
    now = {worker["worker"]: worker["pid"] for worker in platform.json("feed", "list")["workers"]}
    assert {w: p for w, p in now.items() if w in pids} == {w: p for w, p in pids.items() if w in now}


@pytest.mark.parametrize("kind", ["truncated", "random", "count"])
def test_a_broken_frame_is_put_aside_and_the_stream_goes_on(platform: Platform, kind: str) -> None:
    of = settings_of(platform)
    before = sum(1 for _ in read_compacted(TICKS.dead_letters, of=of))
    fault(platform, f"garbage?kind={kind}")
    until("it is put aside", lambda: sum(1 for _ in read_compacted(TICKS.dead_letters, of=of)) > before)
    assert all_stream(platform)
