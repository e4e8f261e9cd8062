"""The paper account's process on real Kafka: filled from ticks, killed, and again as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np

from infra import kafka
from infra.clock import market_clock
from infra.fenced import FencedWriter
from infra.settings import CHECKOUT, Settings
from schemas.codec import decode
from schemas.order_state import OrderState, take_all
from schemas.orders import BrokerPositions, OrderEvent, OrderIntent, OrderVerdict
from schemas.ticks import TickBatch
from schemas.topics import BROKER_POSITIONS, ORDER_EVENTS, ORDER_VERDICTS, TICKS, Topic
from tests.unit.producers.paper.market import intent
from tests.unit.producers.paper.test_exchange import ticks
from tests.wait import until

TAG = uuid4().hex[:12]
INSTRUMENT = f"NSE:{TAG.upper()}"


def health(of: Settings) -> str:
    """How the gateway is; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{of.paper_port}/health", timeout=2) as answer:
            return str(json.load(answer)["state"])
    except OSError:
        return ""


@contextmanager
def running(of: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in charge; killed at the end if it still runs."""
    process = subprocess.Popen([sys.executable, "-m", "producers.paper"], cwd=CHECKOUT, env=os.environ)
    try:
        until("it is in charge", lambda: health(of) == "in charge" or process.poll() is not None, every_s=0.1)
        assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait(30)


def tick(price: float) -> None:
    """The instrument ticks now."""
    now_us = market_clock().now_us()
    batch: TickBatch = ticks((INSTRUMENT, 0, price), volume=now_us // 1000)
    kafka.produce_all([(TICKS, 0, "", replace(batch, receive_us=np.array([now_us])))])


def approve(of: Settings, wanted: list[OrderIntent]) -> None:
    """What risk would write."""
    risk = FencedWriter("risk", of)
    risk.take_charge()
    verdicts = [OrderVerdict(w.id, "paper", True, "", "", "", {}, 0.0, w.at_us, 0, w) for w in wanted]
    risk.write([(ORDER_VERDICTS, "paper", verdict) for verdict in verdicts])


def wish(name: str, **fields: Any) -> OrderIntent:
    """An intent of this moment."""
    return intent(f"{TAG}{name}", instrument=INSTRUMENT, at_us=market_clock().now_us(), valid_s=300.0, **fields)


def read(topic: Topic, record: type[Any]) -> list[Any]:
    """The account's records so far."""
    return [decode(record, m.value() or b"") for m in kafka.read_compacted(topic) if m.key() == b"paper"]


def states() -> dict[str, OrderState]:
    """Our orders as everybody knows them, by name."""
    events = [event for event in read(ORDER_EVENTS, OrderEvent) if event.order.startswith(TAG)]
    return {order.removeprefix(TAG): state for order, state in take_all(events).items()}


def held() -> int | None:
    """What the broker said last that is held of our instrument; None when it has not said anything."""
    said: list[BrokerPositions] = read(BROKER_POSITIONS, BrokerPositions)
    return sum(p.quantity for p in said[-1].positions if p.instrument == INSTRUMENT) if said else None


def is_status(**wanted: str) -> bool:
    """Whether our orders have these statuses."""
    known = states()
    return all(name in known and known[name].status == status for name, status in wanted.items())


def test_filled_from_ticks_killed_and_filled_once(servers: Settings) -> None:
    tick(100.0)
    market, rests = wish("m"), wish("r", kind="limit", price=99.0)
    stop = wish("s", kind="stop", side="sell", trigger=90.0)
    approve(servers, [market, rests, stop])  # they are placed in the instant in which the account is there
    with running(servers) as first:
        until("they are in the book", lambda: is_status(m="complete", r="open", s="trigger-pending"))
        assert states()["m"].average_price == 100.05
        first.kill()
        first.wait(30)
        before = states()
        with running(servers) as second:
            until("it knows again what is held", lambda: held() == 100)
            assert states() == before
            until("the limit is filled", lambda: tick(98.9) or is_status(r="complete"))
            approve(servers, [wish("c", action="cancel", order=stop.id, side="sell"), market])  # and once more
            until("the stop is cancelled", lambda: is_status(s="cancelled"))
            until("the broker says what is held", lambda: held() == 200)
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
    known = states()
    assert {name: state.filled for name, state in known.items()} == {"m": 100, "r": 100, "s": 0}
    assert known["r"].average_price == 99.0
    assert {state.broker_order for state in known.values()} == {f"P{TAG}{name}" for name in "mrs"}
