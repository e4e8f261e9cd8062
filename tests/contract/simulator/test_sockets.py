"""The simulator's websocket, by hand: refusals, limits, modes, faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from kiteconnect import KiteConnect, KiteTicker
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.contract.simulator.conftest import Simulator, patiently, until

INFY, NIFTY = 408065, 256265
PARSER = KiteTicker("key", "token")


def ask(wire: ClientConnection, verb: str, value: Any) -> None:
    wire.send(json.dumps({"a": verb, "v": value}))


def ticks_until(wire: ClientConnection, wanted: Callable[[dict[str, Any]], bool], frames: int = 400) -> dict[str, Any]:
    for _ in range(frames):
        message = wire.recv(timeout=20)
        if isinstance(message, bytes) and len(message) > 2:
            for tick in PARSER._parse_binary(message):
                if wanted(tick):
                    return tick
    raise AssertionError("no such tick")


def refusal_of(simulator: Simulator, token: str, key: str = "simulator") -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refusal, simulator.socket(token, key):
        pass
    response = refusal.value.response
    return response.status_code, json.loads(response.body)["error_type"]


def read_to_the_end(wire: ClientConnection) -> None:
    while True:
        wire.recv(timeout=20)


def is_silent(wire: ClientConnection) -> bool:
    try:
        wire.recv(timeout=2.5)
    except TimeoutError:
        return True
    return False


def text_from(wire: ClientConnection) -> dict[str, Any]:
    while True:
        message = wire.recv(timeout=20)
        if isinstance(message, str):
            return json.loads(message)


def test_a_bad_token_is_refused(simulator: Simulator, kite: KiteConnect) -> None:
    for key, token in (("simulator", "bad"), ("other", kite.access_token)):
        assert refusal_of(simulator, token, key) == (403, "TokenException")


def test_a_fourth_connection_is_refused(simulator: Simulator, kite: KiteConnect) -> None:
    until(lambda: simulator.health()["connections"] == 0)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(simulator.socket(kite.access_token))
        with simulator.socket(kite.access_token):
            assert refusal_of(simulator, kite.access_token) == (429, "NetworkException")
        until(lambda: simulator.health()["connections"] == 2)
        held.enter_context(simulator.socket(kite.access_token))


def test_modes(wire: ClientConnection) -> None:
    ask(wire, "subscribe", [INFY, NIFTY])
    assert ticks_until(wire, lambda tick: tick["instrument_token"] == INFY)["mode"] == "quote"
    for mode in ("full", "ltp", "quote"):
        ask(wire, "mode", [mode, [INFY, NIFTY]])
        for token in (INFY, NIFTY):
            wanted = (token, mode)
            ticks_until(wire, lambda tick, wanted=wanted: (tick["instrument_token"], tick["mode"]) == wanted)


def test_after_unsubscribe_only_heartbeats_come(wire: ClientConnection) -> None:
    ask(wire, "subscribe", [INFY])
    ticks_until(wire, lambda _: True)
    ask(wire, "unsubscribe", [INFY])
    assert until(lambda: wire.recv(timeout=20) == b"\x00")
    assert wire.recv(timeout=20) == b"\x00"


def test_volume_grows_by_the_trades(wire: ClientConnection) -> None:
    ask(wire, "subscribe", [INFY])
    ask(wire, "mode", ["full", [INFY]])
    ticks = [ticks_until(wire, lambda tick: tick["mode"] == "full")]
    while len(ticks) < 6:
        tick = ticks_until(wire, lambda tick: tick["mode"] == "full")
        if tick["volume_traded"] != ticks[-1]["volume_traded"]:
            assert tick["volume_traded"] - ticks[-1]["volume_traded"] == tick["last_traded_quantity"]
            ticks.append(tick)


def test_three_thousand_instruments_and_not_one_more(kite: KiteConnect, wire: ClientConnection) -> None:
    tokens = [row["instrument_token"] for row in patiently(kite.instruments)]
    ask(wire, "subscribe", tokens[:3000])
    first = wire.recv(timeout=20)
    assert isinstance(first, bytes)
    ask(wire, "subscribe", tokens[2999:3002])
    refusal = text_from(wire)
    assert refusal["type"] == "error"
    assert "3000" in refusal["data"]
    assert "2 ignored" in refusal["data"]
    ask(wire, "unsubscribe", tokens[:2990])
    ask(wire, "subscribe", [tokens[3001]])
    ticks_until(wire, lambda tick: tick["instrument_token"] == tokens[3001])


@pytest.mark.parametrize("message", ["no json", '{"a": "shout", "v": []}', '{"a": "mode", "v": ["loud", [1]]}', "[]"])
def test_nonsense_is_answered(wire: ClientConnection, message: str) -> None:
    wire.send(message)
    assert text_from(wire)["type"] == "error"


def test_unknown_tokens_are_ignored(wire: ClientConnection) -> None:
    ask(wire, "subscribe", [1, -5, 2**60, INFY])
    assert ticks_until(wire, lambda _: True)["instrument_token"] == INFY


def test_faults_silence(simulator: Simulator, wire: ClientConnection) -> None:
    ask(wire, "subscribe", [INFY])
    ticks_until(wire, lambda _: True)
    simulator.post("/simulator/faults/silent", seconds=3600)
    until(lambda: is_silent(wire))
    assert simulator.health()["silent"]
    simulator.post("/simulator/faults/silent", seconds=0)
    ticks_until(wire, lambda _: True)


@pytest.mark.parametrize("kind", ["truncated", "random", "count"])
def test_faults_garbage(simulator: Simulator, wire: ClientConnection, kind: str) -> None:
    simulator.post("/simulator/faults/garbage", kind=kind)

    def is_whole(frame: bytes) -> bool:
        at = 2
        for _ in range(int.from_bytes(frame[:2], "big")):
            at += 2 + int.from_bytes(frame[at : at + 2], "big")
        return at == len(frame)

    assert until(lambda: len(frame := wire.recv(timeout=20)) > 1 and not is_whole(frame))


def test_faults_texts(simulator: Simulator, wire: ClientConnection) -> None:
    for kind in ("error", "message"):
        simulator.post(f"/simulator/faults/{kind}", message="something")
        assert text_from(wire) == {"type": kind, "data": "something"}


def test_faults_drop(simulator: Simulator, kite: KiteConnect, wire: ClientConnection) -> None:
    assert simulator.post("/simulator/faults/drop")["connections"] >= 1
    with pytest.raises(ConnectionClosed):
        read_to_the_end(wire)
    until(lambda: simulator.health()["connections"] == 0)
    with simulator.socket(kite.access_token):
        assert simulator.health()["connections"] == 1


def test_faults_expiry(simulator: Simulator, kite: KiteConnect, wire: ClientConnection) -> None:
    simulator.post("/simulator/faults/expire")
    with pytest.raises(ConnectionClosed):
        read_to_the_end(wire)
    assert refusal_of(simulator, kite.access_token) == (403, "TokenException")
    with simulator.socket(simulator.log_in().access_token):
        assert simulator.health()["connections"] == 1
