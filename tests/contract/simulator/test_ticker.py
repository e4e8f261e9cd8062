"""The official KiteTicker against the simulator: connect, subscribe, modes, reconnect after a drop.

Its reactor starts once in a process, so there is one ticker and one test that tells its whole story.
"""

from __future__ import annotations

from typing import Any

from kiteconnect import KiteConnect, KiteTicker

from tests.contract.simulator.conftest import KEY, Simulator, until

INFY, NIFTY = 408065, 256265


def test_the_official_ticker_works_unchanged(simulator: Simulator, kite: KiteConnect) -> None:
    ticks: list[dict[str, Any]] = []
    seen: dict[str, list[Any]] = {"connect": [], "close": [], "error": []}
    ticker = KiteTicker(KEY, kite.access_token, root=simulator.ws)

    def on_connect(_: Any, response: Any) -> None:
        seen["connect"].append(response)
        ticker.subscribe([INFY, NIFTY])
        ticker.set_mode(ticker.MODE_FULL, [INFY, NIFTY])

    ticker.on_connect = on_connect
    ticker.on_ticks = lambda _, some: ticks.extend(some)
    ticker.on_close = lambda _, code, reason: seen["close"].append((code, reason))
    ticker.on_error = lambda _, code, reason: seen["error"].append((code, reason))
    ticker.connect(threaded=True)
    try:
        for token, length in ((INFY, "depth"), (NIFTY, "exchange_timestamp")):
            until(lambda token=token, key=length: any(t["instrument_token"] == token and key in t for t in ticks))
        simulator.post("/simulator/faults/error", message="a word")
        until(lambda: (0, "a word") in seen["error"])
        simulator.post("/simulator/faults/drop")
        until(lambda: len(seen["connect"]) > 1)
        count = len(ticks)
        until(lambda: len(ticks) > count + 5)
    finally:
        ticker.close()
    until(lambda: simulator.health()["connections"] == 0)
