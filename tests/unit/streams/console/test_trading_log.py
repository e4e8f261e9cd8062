"""The console's fold of orders, positions and risk."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import encode
from schemas.fleet import Node
from schemas.orders import OrderEvent, OrderIntent, OrderSend, OrderVerdict, Position
from schemas.risk import Breach, Limit
from schemas.topics import ORDER_EVENTS, ORDER_INTENTS, POSITIONS, RISK_POINTS
from streams.console import trading_log
from streams.console.trading_log import TradingLog
from streams.console.trading_rows import change_state, order_row
from tests.unit.streams.console.trading import (
    NOW,
    S,
    change,
    event,
    folded,
    intent,
    point,
    position,
    send,
    trading_day,
    verdict,
)

OF_ORDERS = (OrderIntent, OrderVerdict, OrderSend, OrderEvent)
ORDERS = [record for record in trading_day() if isinstance(record, OF_ORDERS)]


def told(log: TradingLog) -> dict[str, Any]:
    """What people see of every order."""
    return {id_: order_row(order).model_dump() for id_, order in log.orders.items()}


@given(st.permutations(ORDERS), st.lists(st.sampled_from(ORDERS)))
def test_orders_are_the_same_however_their_records_come(mixed: list[Any], again: list[Any]) -> None:
    log = TradingLog()
    for record in [*mixed, *again]:
        log.put(record)
    assert told(log) == told(folded(ORDERS))


def test_a_status_says_how_far_an_order_is() -> None:
    one = intent()
    steps: list[tuple[Any, str, bool]] = [
        (one, "asked", True), (verdict(one), "requested", True), (event(one, "unknown"), "unknown", True),
        (event(one, "open", 4), "open", True), (event(one, "complete", 10), "complete", False),
    ]  # fmt: skip
    log = TradingLog()
    for record, status, is_live in steps:
        log.put(record)
        assert (log.orders["o1"].status, log.orders["o1"].is_live) == (status, is_live)
    refused = folded([intent("o2"), verdict(intent("o2"), "NO_PRICE", "There is no price.")]).orders["o2"]
    row = order_row(refused)
    assert (row.status, row.code, row.reason, row.live) == ("refused", "NO_PRICE", "There is no price.", False)


def test_what_risk_filled_in_counts() -> None:
    bare = intent(product="", quantity=10)
    row = order_row(folded([bare, verdict(intent(product="MIS"))]).orders["o1"])
    assert row.product == "MIS"


def test_a_market_order_stays_one_whatever_the_broker_makes_of_it() -> None:
    one = intent(kind="market", price=0.0)
    row = order_row(folded([one, event(one, "complete", 10, kind="limit", price=1530.0)]).orders["o1"])
    assert (row.kind, row.price, row.average_price) == ("market", 0.0, 1519.75)


def test_the_first_verdict_of_an_id_counts() -> None:
    one = intent()
    first, second = verdict(one), verdict(one, "LATE", "Too late.", at_us=NOW + S)
    assert {folded(records).orders["o1"].status for records in ([first, second], [second, first])} == {"requested"}


def test_a_change_has_a_state_of_its_own() -> None:
    one, wish = intent(), change("m1", "modify", price=1519.0)
    so_far: list[Any] = [one, verdict(one), event(one, "open")]
    steps: list[tuple[Any, str]] = [(wish, "asked"), (verdict(wish), "approved"), (send(wish), "sent")]
    for record, state in steps:
        so_far.append(record)
        order = folded(so_far).orders["o1"]
        assert change_state(order, order.changes["m1"])[0] == state
    for failed, state in ((True, ("failed", "too late")), (False, ("done", ""))):
        answer = event(one, "open", intent="m1", failed=failed, reason="too late" * failed)
        order = folded([*so_far, answer]).orders["o1"]
        assert change_state(order, order.changes["m1"]) == state
    refused = folded([one, wish, verdict(wish, "ORDER_DONE", "It is over.")]).orders["o1"]
    assert change_state(refused, refused.changes["m1"]) == ("refused", "ORDER_DONE: It is over.")


def test_limits_keep_who_changed_what() -> None:
    log = folded(
        [Limit("platform", "notional", 5.0, actor="asha", at_us=1), Limit("platform", "notional", 7.0, actor="ravi"),
         Limit("platform", "notional", 7.0, removed=True)]
    )  # fmt: skip
    assert log.limits == {}
    seen = [(c.before and c.before.value, c.limit.value, c.limit.removed, c.at_us) for c in log.limit_changes]
    assert seen == [(None, 5.0, False, 1), (5.0, 7.0, False, NOW), (7.0, 7.0, True, NOW)]


def test_a_limit_is_broken_until_it_holds_again() -> None:
    values: tuple[Any, ...] = ("algo:a", "drawdown", 1.0, 2.0, "rupees", "stop")
    broke, over = Breach("b1", *values, NOW, "broke", "broken"), Breach("b2", *values, NOW + S, "holds", "over")
    assert [b.id for b in folded([broke]).broken()] == ["b1"]
    assert folded([broke, over]).broken() == []


def test_bytes_are_decoded_when_they_are_looked_at() -> None:
    log = TradingLog()
    log.take(RISK_POINTS.name, b"platform", b"rubbish", 0, 5.0)
    log.take(RISK_POINTS.name, b"algo:a", encode(point("algo:a")), 1, 6.0)
    assert (log.heard_s, log.scopes) == (6.0, ["algo:a", "platform"])
    assert [p.scope for p in log.points()] == ["algo:a"]
    assert (log.point("platform"), log.point("nothing"), log.bad_records) == (None, None, 1)
    log.take(ORDER_EVENTS.name, b"paper", b"rubbish", 0)
    assert log.bad_records == 2
    held: Position = position()
    log.take(POSITIONS.name, b"paper/crossover/NSE:INFY/MIS", encode(held), 0)
    assert log.positions == {"paper/crossover/NSE:INFY/MIS": held}
    log.take(POSITIONS.name, b"paper/crossover/NSE:INFY/MIS", None, 1)
    assert log.positions == {}
    with pytest.raises(TypeError):
        log.put(Node("a", "pending", 1, "me"))


def test_the_oldest_that_are_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trading_log, "MOST_ORDERS", 10)
    log = TradingLog()
    for n in range(25):
        one = intent(f"o{n}")
        log.take(ORDER_INTENTS.name, b"paper", encode(one), n)
        log.put(event(one, "open" if n == 3 else "complete"), n)
        assert log.is_whole is (n < 10)
    assert "o3" in log.orders
    assert "o24" in log.orders
    assert len(log.orders) <= 10


def test_whether_every_order_is_there_is_known_by_the_first_record() -> None:
    late, whole = TradingLog(), TradingLog()
    late.put(intent(), 17)
    whole.put(intent(), 0)
    assert (TradingLog().is_whole, late.is_whole, whole.is_whole) == (False, False, True)
    whole.put(event(intent("o0"), "complete"), 9)  # but the events go further back
    assert not whole.is_whole
