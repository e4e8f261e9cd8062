"""The live account's gateway as a process, on real Kafka and PostgreSQL, against the simulator at Kite's place."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from infra import kafka
from infra.brake import set_brake
from infra.clock import market_clock
from infra.console_client import PLAIN
from infra.fenced import FencedWriter
from infra.settings import CHECKOUT, Settings
from producers.kite import session
from schemas.codec import decode
from schemas.order_state import OrderState, take_all
from schemas.orders import BrokerPositions, OrderEvent, OrderIntent, OrderSend, OrderVerdict
from schemas.topics import BROKER_POSITIONS, ORDER_EVENTS, ORDER_SENDS, ORDER_VERDICTS
from tests.conftest import START_WITHIN_S
from tests.wait import until

INFY = "NSE:INFY"
SPEED = {"PORTFOLIO_SIMULATOR_ORDERS_PER_S": "60", "PORTFOLIO_GATEWAY_ORDERS_PER_S": "40"}


class Platform:
    """Simulator and gateway in the home of the servers, and a test in the place of risk."""

    def __init__(self, of: Settings, logs: Path) -> None:
        self.of, self._logs = of, logs
        self.door = f"http://127.0.0.1:{of.gateway_port}"
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._risk = FencedWriter("risk", of)
        self._risk.take_charge()

    def start(self, module: str, health: str) -> None:
        with (self._logs / module).open("ab") as log:
            self.running[module] = subprocess.Popen(
                [sys.executable, "-m", module], env=os.environ | SPEED, cwd=CHECKOUT, stderr=log
            )
        until(f"{module} is ready", lambda: self._is_ready(module, health), START_WITHIN_S, every_s=0.05)

    def start_gateway(self) -> None:
        self.start("producers.kite.orders", self.door)

    @property
    def gateway(self) -> subprocess.Popen[bytes]:
        return self.running["producers.kite.orders"]

    def kill_gateway(self) -> None:
        self.gateway.kill()
        self.gateway.wait()

    def health(self) -> Any:
        return httpx.get(f"{self.door}/health", verify=PLAIN).json()

    def simulator(self, method: str, path: str, **query: Any) -> Any:
        answer = httpx.request(method, f"{self.of.kite_api_url}/simulator/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def at_simulator(self, tag: str) -> list[Any]:
        return [order for order in self.simulator("GET", "orders")["data"] if order["tag"] == tag]

    def approve(self, *intents: OrderIntent) -> None:
        verdicts = [OrderVerdict(i.id, i.account, True, "", "", "", {}, 0.0, i.at_us, 0, i) for i in intents]
        self._risk.write([(ORDER_VERDICTS, verdict.account, verdict) for verdict in verdicts])

    def events(self) -> list[OrderEvent]:
        return [decode(OrderEvent, message.value()) for message in kafka.read_compacted(ORDER_EVENTS, of=self.of)]

    def order(self, order: str) -> OrderState | None:
        return take_all(self.events()).get(order)

    def until_status(self, order: str, *statuses: str) -> OrderState:
        def reached() -> OrderState | None:
            state = self.order(order)
            return state if state and state.status in statuses else None

        found = until(f"{order} is {' or '.join(statuses)}", reached, every_s=0.1)
        assert found is not None
        return found

    def answer(self, intent: str) -> OrderEvent:
        def answered() -> OrderEvent | None:
            return next((event for event in self.events() if event.intent == intent), None)

        found = until(f"{intent} is answered", answered, every_s=0.1)
        assert found is not None
        return found

    def _is_ready(self, module: str, health: str) -> bool:
        assert self.running[module].poll() is None, (self._logs / module).read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{health}/health", verify=PLAIN).status_code == 200
        return False


@pytest.fixture(scope="module")
def platform(servers: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = Platform(servers, tmp_path_factory.mktemp("logs"))
    try:
        made.start("producers.simulator", servers.kite_api_url)
        session.log_in_at_simulator()
        made.start_gateway()
        yield made
    finally:
        set_brake(servers.home, "platform", "ACTIVE", "test")
        for process in made.running.values():
            process.kill()
            process.wait()


def wish(**more: Any) -> OrderIntent:
    """One share of INFY at the market, by an algo."""
    fields: dict[str, Any] = {
        "id": uuid4().hex[:16], "account": "live", "run": "crossover", "task": "crossover-1", "instrument": INFY,
        "side": "buy", "quantity": 1, "kind": "market", "price": 0.0, "trigger": 0.0, "trading": "live",
        "at_us": market_clock().now_us(), "product": "MIS",
    }  # fmt: skip
    return OrderIntent(**fields | more)


def below_the_market() -> float:
    token = session.stored_token()
    return round(float(session.client(token).ltp([INFY])[INFY]["last_price"]) * 0.97)


def test_an_order_is_placed_and_filled_once(platform: Platform) -> None:
    bought = wish()
    platform.approve(bought, bought)
    state = platform.until_status(bought.id, "complete")
    assert (state.filled, state.run, state.task, state.instrument) == (1, "crossover", "crossover-1", INFY)
    assert state.average_price > 0
    assert len(platform.at_simulator(bought.id)) == 1
    platform.approve(bought)
    sold = wish(side="sell")  # after it in the log: when it is done, so would the other be
    platform.approve(sold)
    platform.until_status(sold.id, "complete")
    assert len(platform.at_simulator(bought.id)) == 1
    sends = [decode(OrderSend, message.value()) for message in kafka.read_compacted(ORDER_SENDS, of=platform.of)]
    assert [send.id for send in sends].count(bought.id) == 1
    held = [decode(BrokerPositions, m.value()) for m in kafka.read_compacted(BROKER_POSITIONS, of=platform.of)]
    assert held[0].account == "live"


def test_an_order_is_changed_and_cancelled_also_while_trading_is_halted(platform: Platform) -> None:
    price = below_the_market()
    resting = wish(kind="limit", price=price, quantity=5)
    platform.approve(resting)
    platform.until_status(resting.id, "open")
    change = wish(action="modify", order=resting.id, kind="limit", price=price - 1, quantity=4)
    platform.approve(change)
    assert not platform.answer(change.id).failed
    changed = platform.order(resting.id)
    assert changed
    assert (changed.quantity, changed.price, changed.status) == (4, price - 1, "open")

    set_brake(platform.of.home, "platform", "HALTED", "a person", "enough")
    new, cancel = wish(), wish(action="cancel", order=resting.id)
    platform.approve(new, cancel)
    assert platform.until_status(new.id, "not-sent").reason == "halted by a person: enough"
    platform.until_status(resting.id, "cancelled")
    assert not platform.answer(cancel.id).failed
    set_brake(platform.of.home, "platform", "ACTIVE", "a person")
    assert platform.at_simulator(new.id) == []


def test_postbacks_are_heard_and_forged_ones_refused(platform: Platform) -> None:
    form = {"order_id": "1", "order_timestamp": "2026-01-01 10:00:00", "checksum": "0" * 64, "status": "COMPLETE"}
    assert httpx.post(f"{platform.door}/postback", json=form).status_code == 403
    assert httpx.post(f"{platform.door}/postback", content=b"{").status_code == 400
    told = wish()
    platform.approve(told)
    wanted = ('gateway_postbacks_total{outcome="heard"}', 'gateway_postbacks_total{outcome="forged"} 1.0')
    until(
        "both are counted", lambda: all(w in httpx.get(f"{platform.door}/metrics", verify=PLAIN).text for w in wanted)
    )
    platform.until_status(told.id, "complete")


def test_killed_between_the_order_and_its_answer_it_is_found_and_not_sent_again(platform: Platform) -> None:
    platform.simulator("POST", "faults/orders", kind="timeout", count=1)
    no_answer = wish(kind="limit", price=below_the_market())
    platform.approve(no_answer)
    until("the exchange has it", lambda: platform.at_simulator(no_answer.id), every_s=0.02)
    platform.kill_gateway()
    was_seen = platform.order(no_answer.id) is not None  # in an order book that was asked for just then
    platform.start_gateway()
    platform.approve(no_answer)
    state = platform.until_status(no_answer.id, "open")
    assert was_seen or "unknown" in [event.status for event in platform.events() if event.order == no_answer.id]
    assert [order["order_id"] for order in platform.at_simulator(no_answer.id)] == [state.broker_order]


def test_an_order_placed_by_hand_counts_as_external(platform: Platform) -> None:
    fields = {"exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY", "quantity": 2, "product": "MIS",
              "order_type": "MARKET", "validity": "DAY"}  # fmt: skip
    by_hand = platform.simulator("POST", "orders", **fields)["data"]["order_id"]
    state = platform.until_status(f"ext-{by_hand}", "complete")
    assert (state.run, state.filled, state.instrument) == ("EXTERNAL", 2, INFY)


def test_without_a_log_in_orders_wait_for_one(platform: Platform) -> None:
    platform.simulator("POST", "faults/expire")
    waits = wish()
    platform.approve(waits)
    until("it wants a log-in", lambda: platform.health()["waits_for_token"], every_s=0.05)
    assert platform.at_simulator(waits.id) == []
    session.log_in_at_simulator()
    platform.until_status(waits.id, "complete")
    assert platform.health()["waits_for_token"] == ""


def test_it_ends_when_told_and_when_another_is_in_charge(platform: Platform) -> None:
    platform.gateway.send_signal(signal.SIGTERM)
    assert platform.gateway.wait(15) == 0
    platform.start_gateway()
    other = FencedWriter("gateway.live", platform.of)
    other.take_charge()
    wanted = wish()
    platform.approve(wanted)
    assert platform.gateway.wait(30) == 1
    assert platform.at_simulator(wanted.id) == []
