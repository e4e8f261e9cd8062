"""Orders through the official client: one simulator for the file, with an address for its postbacks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import requests
from kiteconnect import KiteConnect
from kiteconnect.exceptions import InputException, NetworkException

from tests.contract.simulator.conftest import SECRET, Process, Simulator, patiently, until

INFY = {"tradingsymbol": "INFY", "exchange": "NSE", "transaction_type": "BUY", "product": "MIS"}


@dataclass
class Place:
    """The simulator, a client, and the postbacks that came."""

    process: Process
    kite: KiteConnect
    postbacks: queue.Queue[dict[str, Any]]

    @property
    def simulator(self) -> Simulator:
        return self.process.simulator

    def order(self, order_id: str) -> dict[str, Any]:
        return next(order for order in self.kite.orders() if order["order_id"] == order_id)

    def tagged(self, tag: str) -> list[dict[str, Any]]:
        """All that the simulator ever took with a tag, whatever its client was told."""
        listed = httpx.get(f"{self.simulator.rest}/simulator/orders").json()["data"]
        return [order for order in listed if order["tag"] == tag]


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """An address that takes postbacks."""
    came: queue.Queue[dict[str, Any]] = queue.Queue()

    class Taker(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            came.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/postback", came
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with listening() as (url, postbacks):
        raised = {"PORTFOLIO_SIMULATOR_ORDERS_PER_S": "1000", "PORTFOLIO_SIMULATOR_POSTBACK": url}
        small = {"PORTFOLIO_SIMULATOR_INSTRUMENTS": "200"}
        process = Process(tmp_path_factory.mktemp("orders"), **raised, **small)
        with contextlib.closing(process):
            yield Place(process, process.simulator.log_in(), postbacks)


def near(kite: KiteConnect, share: float) -> float:
    """A price that is this share of the last one, in whole rupees: below 1 a buyer waits there for long."""
    return float(round(patiently(lambda: kite.ltp("NSE:INFY"))["NSE:INFY"]["last_price"] * share))


def buy(kite: KiteConnect, quantity: int = 1, **more: Any) -> str:
    usual = INFY | {"order_type": "MARKET", "market_protection": -1, "quantity": quantity}
    made: str = kite.place_order("regular", **(usual | more))
    return made


def frames_of(wire: Any, order_id: str, last: str) -> list[dict[str, Any]]:
    """The frames of an order up to one of a status."""
    made: list[dict[str, Any]] = []
    while not made or made[-1]["status"] != last:
        message = wire.recv(timeout=20)
        if isinstance(message, str) and (frame := json.loads(message))["type"] == "order":
            made += [frame["data"]] if frame["data"]["order_id"] == order_id else []
    return made


def postback_of(place: Place, order_id: str) -> dict[str, Any]:
    while (came := place.postbacks.get(timeout=20))["order_id"] != order_id:
        pass
    return came


def test_an_order_from_the_request_to_the_position(place: Place) -> None:
    kite = place.kite
    with place.simulator.socket(kite.access_token) as wire:
        until(lambda: place.simulator.health()["connections"] == 1)
        order_id = buy(kite, 3, tag="abc123")
        frames = frames_of(wire, order_id, "COMPLETE")
    assert [frame["status"] for frame in frames] == ["OPEN", "COMPLETE"]
    assert (frames[-1]["tag"], frames[-1]["filled_quantity"]) == ("abc123", 3)
    order = place.order(order_id)
    assert (order["status"], order["filled_quantity"], order["tag"]) == ("COMPLETE", 3, "abc123")
    assert isinstance(order["order_timestamp"], datetime)
    history = kite.order_history(order_id)
    assert [entry["status"] for entry in history] == [
        "PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN", "COMPLETE",
    ]  # fmt: skip
    trades = kite.order_trades(order_id)
    assert sum(trade["quantity"] for trade in trades) == 3
    assert sum(t["quantity"] * t["average_price"] for t in trades) / 3 == pytest.approx(order["average_price"])
    assert trades[-1] in kite.trades()
    positions = kite.positions()
    assert [p["quantity"] for p in positions["net"]] == [p["quantity"] for p in positions["day"]] == [3]
    assert kite.holdings() == []
    money = kite.margins("equity")
    assert money["net"] < money["available"]["opening_balance"]
    postback = postback_of(place, order_id)
    signed = f"{order_id}{postback['order_timestamp']}{SECRET}".encode()
    assert postback["checksum"] == hashlib.sha256(signed).hexdigest()
    assert postback["status"] == "COMPLETE"


def test_modifying_and_cancelling(place: Place) -> None:
    kite, price = place.kite, near(place.kite, 0.93)
    limit = {"order_type": "LIMIT", "market_protection": None}
    order_id = buy(kite, 5, price=price, **limit)
    assert kite.modify_order("regular", order_id, price=price - 1, quantity=4) == order_id
    order = place.order(order_id)
    assert (order["price"], order["quantity"], order["status"], order["modified"]) == (price - 1, 4, "OPEN", True)
    assert kite.cancel_order("regular", order_id) == order_id
    assert postback_of(place, order_id)["status"] == "UPDATE"
    assert postback_of(place, order_id)["status"] == "CANCELLED"
    with pytest.raises(InputException, match="CANCELLED"):
        kite.cancel_order("regular", order_id)
    high = near(kite, 1.05)
    stop = buy(kite, order_type="SL", price=high + 1, trigger_price=high, market_protection=None)
    assert place.order(stop)["status"] == "TRIGGER PENDING"


REFUSED: list[tuple[Callable[[KiteConnect], object], str]] = [
    (lambda kite: kite.place_order("co", quantity=1, order_type="MARKET", market_protection=-1, **INFY), "`co`"),
    (lambda kite: kite.place_order("amo", quantity=1, order_type="MARKET", market_protection=-1, **INFY), "`amo`"),
    (lambda kite: buy(kite, market_protection=None), "market protection"),
    (lambda kite: buy(kite, tradingsymbol="NIFTY 50"), "index"),
    (lambda kite: kite.get_gtts(), "GTT"),
    (lambda kite: kite.order_history("1"), "order_id"),
]


@pytest.mark.parametrize(("ask", "says"), REFUSED)
def test_what_is_refused(place: Place, ask: Callable[[KiteConnect], object], says: str) -> None:
    with pytest.raises(InputException, match=says) as refusal:
        ask(place.kite)
    assert refusal.value.code == 400


def test_what_is_rejected(place: Place) -> None:
    order = place.order(buy(place.kite, 95_000, product="CNC"))
    assert order["status"] == "REJECTED"
    assert order["status_message"].startswith("Insufficient funds. Required margin is")
    assert order["exchange_order_id"] is None


def test_an_order_whose_answer_never_comes_was_taken(place: Place) -> None:
    place.simulator.post("/simulator/faults/orders", kind="timeout", count=1)
    hasty = KiteConnect(place.kite.api_key, place.kite.access_token, root=place.simulator.rest, timeout=0.5)
    with pytest.raises(requests.exceptions.ReadTimeout):
        buy(hasty, tag="unanswered")
    assert [order["status"] for order in place.tagged("unanswered")] == ["COMPLETE"]
    place.simulator.post("/simulator/faults/orders", kind="error", count=1)
    with pytest.raises(NetworkException) as refusal:
        buy(place.kite, tag="refused")
    assert refusal.value.code == 502
    assert place.tagged("refused") == []


def test_an_order_by_hand_has_no_tag_and_is_told_to_all(place: Place) -> None:
    with place.simulator.socket(place.kite.access_token) as wire:
        until(lambda: place.simulator.health()["connections"] == 1)
        fields = INFY | {"order_type": "MARKET", "quantity": "1", "tag": "ignored"}
        order_id = place.simulator.post("/simulator/orders", **fields)["data"]["order_id"]
        assert frames_of(wire, order_id, "COMPLETE")[-1]["tag"] is None
    assert place.order(order_id)["tags"] == []


def test_a_killed_simulator_knows_its_orders_again(place: Place) -> None:
    kite = place.kite
    waiting = buy(kite, 2, order_type="LIMIT", market_protection=None, price=near(kite, 0.93), tag="kept")
    money = patiently(lambda: kite.margins("equity"))["available"]["live_balance"]
    before, trades, held = kite.orders(), kite.trades(), [p["quantity"] for p in kite.positions()["net"]]
    place.process.kill()
    place.process.start()
    live = {"OPEN", "TRIGGER PENDING"}  # these may be filled meanwhile
    after = {order["order_id"]: order for order in kite.orders()}
    assert [o for o in before if o["status"] not in live] == [
        after[o["order_id"]] for o in before if o["status"] not in live
    ]
    assert kite.trades()[: len(trades)] == trades
    assert [p["quantity"] for p in kite.positions()["net"]] == held
    assert kite.margins("equity")["available"]["live_balance"] == pytest.approx(money, rel=0.01)
    assert kite.cancel_order("regular", waiting) == waiting
    assert buy(kite) not in {order["order_id"] for order in before}
