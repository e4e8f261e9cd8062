"""The exchange as a whole: ticks in batches, what is held, and that it is the same again after a kill."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway.book import Book
from producers.gateway.broker import RefusedError
from producers.gateway.errand import Now
from producers.gateway.search import Search
from producers.paper.exchange import Exchange, Held
from producers.paper.order import PaperOrder
from producers.paper.past import Past
from schemas.market import TickKind
from schemas.orders import BrokerPosition, OrderEvent, OrderVerdict
from schemas.ticks import COLUMNS, DEPTH, TickBatch
from tests.unit.producers.paper.market import CLOSE_US, INFY, NOW_US, OPEN_US, intent

TCS = "NSE:TCS"


def ticks(
    *rows: tuple[str, float, float], volume: int = 0, kind: TickKind = TickKind.FULL, size: int = 100
) -> TickBatch:
    """A batch of (instrument, seconds after ``NOW_US``, price), a paisa and five beside the price on each side."""
    names = tuple(dict.fromkeys(name for name, _, _ in rows))
    columns: dict[str, Any] = {name: np.zeros(len(rows), dtype) for name, dtype in COLUMNS.items()}
    columns["instrument"][:] = [names.index(name) for name, _, _ in rows]
    columns["kind"][:] = kind
    columns["receive_us"][:] = [NOW_US + int(at_s * 1_000_000) for _, at_s, _ in rows]
    columns["last_price"][:] = [price for _, _, price in rows]
    columns["volume"][:] = volume if kind != TickKind.LTP else -1
    shown = len(rows) if kind == TickKind.FULL else 0
    columns |= {name: np.zeros((shown, 10), dtype) for name, dtype in DEPTH.items()}
    for row, (_, _, price) in enumerate(rows[:shown]):
        columns["depth_price"][row] = [price - 0.05 * n for n in range(1, 6)] + [price + 0.05 * n for n in range(1, 6)]
        columns["depth_quantity"][row] = size
    return TickBatch("kite", "local-1", 0, names, **columns)


def at(seconds: float) -> int:
    """So many seconds after ``NOW_US``."""
    return NOW_US + int(seconds * 1_000_000)


def test_orders_are_filled_from_batches() -> None:
    exchange = Exchange()
    exchange.ticks(ticks((INFY, 0, 100.0), (TCS, 0, 50.0)))
    assert [each.status for each in exchange.place(intent(), at(1))] == ["accepted"]
    assert exchange.place(intent(), at(1)) == []  # twice the same is once
    assert exchange.time(at(1.01)) == []
    (done,) = exchange.time(at(1.1))
    assert (done.status, done.average_price) == ("complete", 100.05)
    assert exchange.positions() == [BrokerPosition(INFY, "MIS", 100, 100.05)]
    exchange.place(intent("o2", side="sell", kind="limit", price=50.1, instrument=TCS, quantity=30), at(2))
    exchange.time(at(3))
    (sold,) = exchange.ticks(ticks((INFY, 4, 99.0), (TCS, 4, 50.15)))
    assert (sold.id, sold.status, sold.average_price) == ("o2", "complete", 50.1)
    assert [(p.instrument, p.quantity) for p in exchange.positions()] == [(INFY, 100), (TCS, -30)]
    assert [order.broker_order for order in exchange.shown()] == ["Po1", "Po2"]
    assert exchange.live == 0


def test_the_spread_that_is_assumed_is_in_the_instruments_ticks() -> None:
    exchange = Exchange()
    exchange.tick_sizes[INFY] = 0.5
    exchange.ticks(ticks((INFY, 0, 100.0), kind=TickKind.LTP))
    exchange.place(intent(), at(1))
    (done,) = exchange.time(at(2))
    assert done.average_price == 100.5


def test_the_last_tick_is_the_latest_not_the_last_read() -> None:
    exchange = Exchange()
    exchange.ticks(ticks((INFY, 2, 100.0)))
    exchange.ticks(ticks((INFY, 1, 90.0)))
    exchange.ticks(ticks((INFY, 3, float("nan"))))
    assert exchange.table.quote(INFY) is None
    exchange.ticks(ticks((INFY, 4, 101.0), (INFY, 5, 102.0)))
    quote = exchange.table.quote(INFY)
    assert quote is not None
    assert (quote.last, quote.bids[0], quote.asks[4]) == (102.0, (101.95, 100), (102.25, 100))


def test_refusals() -> None:
    exchange = Exchange()
    exchange.ticks(ticks((INFY, 0, 100.0)))
    with pytest.raises(RefusedError, match="must be above the last price"):
        exchange.place(intent(kind="stop", trigger=99.0), at(1))
    with pytest.raises(RefusedError, match="must be below"):
        exchange.place(intent(kind="stop", side="sell", trigger=101.0), at(1))
    for closed in (CLOSE_US, OPEN_US - 86_400_000_000):  # after hours, and a Sunday
        with pytest.raises(RefusedError, match="closed"):
            exchange.place(intent(), closed)
    with pytest.raises(RefusedError, match="closed"):
        exchange.place(intent(instrument="MOON:CHEESE"), at(1))
    with pytest.raises(RefusedError, match="quantity"):
        exchange.place(intent(quantity=0), at(1))
    with pytest.raises(RefusedError, match="no order"):
        exchange.cancel("Pwhat", at(1))
    assert exchange.orders == {}
    exchange.place(intent(), at(1))
    exchange.time(at(2))
    with pytest.raises(RefusedError, match="complete already"):
        exchange.cancel("Po1", at(3))


def test_the_order_book_is_the_days() -> None:
    exchange = Exchange()
    exchange.ticks(ticks((INFY, 0, 100.0)))
    exchange.place(intent(), at(1))
    exchange.place(intent("rests", kind="limit", price=90.0), at(1))
    exchange.time(CLOSE_US - 1)
    (ended,) = exchange.time(OPEN_US + 86_400_000_000)  # the next opening follows at once
    assert (ended.id, ended.status) == ("rests", "cancelled")
    assert [order.id for order in exchange.orders.values()] == ["rests"]  # it ended just now
    exchange.time(OPEN_US + 2 * 86_400_000_000)
    assert exchange.orders == {}
    assert exchange.positions() == [BrokerPosition(INFY, "MIS", 100, 100.05)]


def test_average_cost() -> None:
    held = Held().after(10, 1000.0).after(10, 1200.0)
    assert held == Held(20, 110.0)
    assert held.after(-5, 100.0) == Held(15, 110.0)
    assert held.after(-25, 25 * 90.0) == Held(-5, 90.0)
    assert held.after(-20, 1.0) == Held()


class Log:
    """What a gateway writes of the orders that it hears of."""

    def __init__(self) -> None:
        self.search = Search(Book("paper"))
        self.verdicts: list[OrderVerdict] = []
        self.events: list[OrderEvent] = []

    def approve(self, wanted: Any, at_us: int) -> None:
        verdict = OrderVerdict(wanted.id, "paper", True, "", "", "", {}, 0.0, at_us, 0, wanted)
        self.verdicts.append(verdict)
        self.search.book.take_verdict(verdict)

    def hear(self, changed: Iterable[PaperOrder], at_us: int) -> None:
        for order in changed:
            self.events += self.search.news(order.shown(), Now(0.0, at_us))

    def past(self, now_us: int, twice: int = 0) -> Exchange:
        past = Past("paper", now_us)
        for verdict in self.verdicts:
            past.take_verdict(verdict)
        for event in [*self.events, *self.events[len(self.events) - twice :]]:
            past.take_event(event)
        return past.restored()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.sampled_from([INFY, TCS]), st.integers(1980, 2020).map(lambda n: n / 20)),
        st.tuples(
            st.just("place"),
            st.sampled_from([INFY, TCS]),
            st.fixed_dictionaries(
                {
                    "side": st.sampled_from(["buy", "sell"]),
                    "quantity": st.integers(1, 700),
                    "kind": st.sampled_from(["market", "limit", "limit"]),
                    "price": st.integers(1980, 2020).map(lambda n: n / 20),
                }
            ),
        ),
    ),
    min_size=2,
    max_size=25,
)


@given(steps, st.data())
def test_after_a_kill_it_is_as_the_log_says_and_goes_on(told: list[tuple[str, str, Any]], data: st.DataObject) -> None:
    exchange, log = Exchange(), Log()
    kill = data.draw(st.integers(0, len(told)))
    for number, (what, instrument, more) in enumerate(told):
        now_us = at(number)
        if number == kill:
            shown = {order.tag: order for order in exchange.shown()}
            positions = {(p.instrument, p.product): p for p in exchange.positions()}
            exchange = log.past(now_us, data.draw(st.integers(0, len(log.events))))
            for order in exchange.shown():
                assert replace(order, average_price=0.0) == replace(shown[order.tag], average_price=0.0, validity="DAY")
                assert order.average_price == pytest.approx(shown[order.tag].average_price)
            assert len(exchange.shown()) == len(shown)
            for position in exchange.positions():
                known = positions.pop((position.instrument, position.product))
                assert position.quantity == known.quantity
                assert position.average_price == pytest.approx(known.average_price)
            assert positions == {}
        if what == "tick":
            log.hear(exchange.ticks(ticks((instrument, number, more), volume=number * 50)), now_us)
        else:
            price = more["price"] if more["kind"] == "limit" else 0.0
            wanted = intent(f"o{number}", instrument=instrument, **(more | {"price": price}))
            log.approve(wanted, now_us)
            log.hear(exchange.place(wanted, now_us), now_us)
        log.hear(exchange.time(now_us + 500_000), now_us + 500_000)
    log.hear(exchange.time(CLOSE_US), CLOSE_US)
    assert exchange.live == 0
    net: dict[str, int] = {}
    for state in log.search.book.orders.values():
        assert state.filled <= state.quantity
        assert not state.is_live
        assert state.filled == exchange.orders[state.order].filled
        net[state.instrument] = net.get(state.instrument, 0) + state.filled * (1 if state.side == "buy" else -1)
    assert {p.instrument: p.quantity for p in exchange.positions()} == {k: v for k, v in net.items() if v}


def test_bookings_are_not_the_exchanges() -> None:
    log = Log()
    log.events.append(
        OrderEvent(
            "e", "paper", "adj-1", "complete", INFY, "buy", "MIS", 10, 10, 5.0, NOW_US, run="EXTERNAL", source="risk"
        )
    )
    assert log.past(NOW_US).positions() == []


def test_a_fill_that_was_not_written_is_made_again_and_once() -> None:
    exchange, log = Exchange(), Log()
    exchange.ticks(ticks((INFY, 0, 100.0)))
    wanted = intent(kind="limit", price=99.0)
    log.approve(wanted, at(1))
    log.hear(exchange.place(wanted, at(1)), at(1))
    log.hear(exchange.time(at(2)), at(2))
    deal = ticks((INFY, 3, 98.9))
    assert [order.status for order in exchange.ticks(deal)] == ["complete"]  # and the process dies here
    again = log.past(at(5))
    assert [order.status for order in again.ticks(deal)] == ["complete"]
    log.hear(again.orders.values(), at(5))
    third = log.past(at(6))
    assert third.ticks(deal) == []
    assert [position.quantity for position in third.positions()] == [100]
