"""Orders on a market in the test's hand: what is taken, refused, rejected, filled, told and kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import UserError
from producers.simulator.errors import KiteError
from producers.simulator.orders.desk import MOST_CHANGES, Desk
from producers.simulator.orders.journal import NAME
from producers.simulator.orders.records import DONE, Order
from tests.unit.producers.simulator.orders.stand import (
    CALL,
    FUTURE,
    INFY,
    NIFTY,
    TCS,
    Stand,
    limit,
    look,
    request,
    whole,
)

BOOK = look(100, bids=[(99.95, 100), (99.9, 200)], asks=[(100.05, 100), (100.1, 200)])


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    looks = {INFY: BOOK, TCS: BOOK, FUTURE: look(25000, [(24999.9, 150)], [(25000.1, 150)])}
    looks |= {CALL: look(200, [(199.95, 750)], [(200.05, 750)]), NIFTY: look(25000)}
    return Stand(tmp_path, {instrument.instrument: made for instrument, made in looks.items()})


@pytest.fixture
def desk(stand: Stand) -> Desk:
    return stand.desk()


def place(desk: Desk, fields: dict[str, str]) -> Order:
    return desk.book.find(desk.place(fields))


def test_a_market_order_is_filled_and_its_history_and_news_tell_how(stand: Stand, desk: Desk) -> None:
    order = place(desk, request(quantity=150, tag="abc123"))
    assert [entry.status for entry in order.entries] == [
        "PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN", "COMPLETE",
    ]  # fmt: skip
    assert [(trade.quantity, trade.price) for trade in order.trades] == [(100, 10_005), (50, 10_010)]
    assert order.now.value == 100 * 10_005 + 50 * 10_010
    assert (order.now.terms.kind, order.now.terms.price) == ("LIMIT", 10_200)  # 2 % of protection
    assert stand.statuses(order.placed.id) == ["OPEN", "COMPLETE"]
    assert stand.told[0][1].filled == 0
    assert order.placed.tag == "abc123"
    assert order.placed.id == "261123000000001"


def test_what_the_depth_does_not_show_is_filled_from_the_next(stand: Stand, desk: Desk) -> None:
    order = place(desk, request(quantity=1000))
    assert (order.now.status, order.now.filled) == ("OPEN", 300)
    assert stand.statuses(order.placed.id) == ["OPEN", "UPDATE"]
    stand.show(desk, INFY, look(100, asks=[(100.15, 500)]))
    assert order.now.filled == 800
    assert order.trades[-1].price == 10_015
    stand.show(desk, INFY, look(103, asks=[(103, 5000)]))  # beyond the protection: now it waits at its price
    assert order.now.filled == 800
    stand.show(desk, INFY, look(101, asks=[(101, 5000)]))
    assert (order.now.status, order.trades[-1].price) == ("COMPLETE", 10_200)


def test_a_limit_order_waits_until_the_market_comes(stand: Stand, desk: Desk) -> None:
    order = place(desk, limit(99, quantity=10))
    assert (order.now.status, order.left) == ("OPEN", 10)
    stand.show(desk, INFY, look(99.5, asks=[(99.05, 5)]))
    assert order.now.filled == 0
    stand.show(desk, INFY, look(99.2, asks=[(98.9, 4)]))
    assert (order.now.filled, order.trades[0].price) == (4, 9_900)
    stand.show(desk, INFY, look(98.9, asks=[(99.3, 4)], volume=100))
    assert order.now.status == "COMPLETE"
    assert desk.book.live == {}


def test_own_orders_are_served_by_price_and_then_by_time(stand: Stand, desk: Desk) -> None:
    low, first, second = (place(desk, limit(price, quantity=10)) for price in (98, 99, 99))
    stand.show(desk, INFY, look(97, asks=[(97, 15)]))
    assert [order.now.filled for order in (low, first, second)] == [0, 10, 5]


def test_ioc(stand: Stand, desk: Desk) -> None:
    order = place(desk, limit(100.05, quantity=150, validity="IOC"))
    assert (order.now.status, order.now.filled, order.now.cancelled) == ("CANCELLED", 100, 50)
    assert stand.statuses(order.placed.id) == ["OPEN", "UPDATE", "CANCELLED"]


@pytest.mark.parametrize(("kind", "price", "becomes"), [("SL", 98.5, ("SL", 9_850)), ("SL-M", None, ("LIMIT", 9_675))])
def test_stops(stand: Stand, desk: Desk, kind: str, price: float | None, becomes: tuple[str, int]) -> None:
    protection = 1 if kind == "SL-M" else None
    order = place(
        desk, request(transaction_type="SELL", order_type=kind, price=price, trigger_price=99, quantity=10,
                      market_protection=protection),
    )  # fmt: skip
    assert order.now.status == "TRIGGER PENDING"
    stand.show(desk, INFY, look(99.05, bids=[(99, 4)]))
    assert order.now.status == "TRIGGER PENDING"
    stand.show(desk, INFY, look(97.7 if kind == "SL-M" else 99, bids=[(98.95, 4)]))
    assert (order.now.status, order.now.filled) == ("OPEN", 4)
    assert (order.now.terms.kind, order.now.terms.price) == becomes
    assert stand.statuses(order.placed.id) == ["TRIGGER PENDING", "OPEN", "UPDATE"]


def test_modifying(stand: Stand, desk: Desk) -> None:
    order, other = place(desk, limit(99, quantity=10)), place(desk, limit(99, quantity=10))
    desk.modify(order.placed.id, {"quantity": "8"})
    stand.show(desk, INFY, look(99, asks=[(99, 5)]))
    assert (order.now.filled, other.now.filled) == (5, 0)  # who asks for less keeps the place
    desk.modify(order.placed.id, {"price": "98.9"})
    desk.modify(order.placed.id, {"price": "99"})
    stand.show(desk, INFY, look(99.1, asks=[(99, 6)]))
    assert (order.now.filled, other.now.filled) == (5, 6)
    desk.modify(order.placed.id, {"price": "99.6", "quantity": "9"})
    assert (order.now.status, order.left, order.now.terms.price) == ("OPEN", 4, 9_960)
    assert [entry.status for entry in order.entries][4:8] == [
        "MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED", "OPEN",
    ]  # fmt: skip
    assert "UPDATE" in stand.statuses(order.placed.id)
    with pytest.raises(KiteError, match="traded"):
        desk.modify(order.placed.id, {"quantity": "5"})
    desk.modify(order.placed.id, {"order_type": "MARKET", "market_protection": "3"})
    stand.show(desk, INFY, look(99.1, asks=[(99.7, 60)]))
    assert order.now.status == "COMPLETE"


def test_a_stop_is_modified_until_it_is_triggered(stand: Stand, desk: Desk) -> None:
    order = place(desk, request(order_type="SL", price=102, trigger_price=101, market_protection=None))
    desk.modify(order.placed.id, {"trigger_price": "101.5"})
    assert (order.now.status, order.now.terms.trigger) == ("TRIGGER PENDING", 10_150)
    stand.show(desk, INFY, look(101.5, asks=[(103, 1)]))
    assert order.now.status == "OPEN"
    desk.modify(order.placed.id, {"price": "103", "order_type": "SL", "trigger_price": "101.5"})
    assert order.now.status == "COMPLETE"
    waiting = place(desk, limit(99))
    with pytest.raises(KiteError, match="stoploss"):
        desk.modify(waiting.placed.id, {"order_type": "SL", "trigger_price": "104", "price": "105"})


def test_at_most_so_many_modifications(desk: Desk) -> None:
    order = place(desk, limit(99))
    for n in range(MOST_CHANGES):
        desk.modify(order.placed.id, {"price": str(98 + n % 2)})
    with pytest.raises(KiteError, match="Maximum allowed order modifications exceeded"):
        desk.modify(order.placed.id, {"price": "97"})
    desk.cancel(order.placed.id)


def test_cancelling(stand: Stand, desk: Desk) -> None:
    order = place(desk, limit(99, quantity=7))
    desk.cancel(order.placed.id)
    assert [entry.status for entry in order.entries[-2:]] == ["CANCEL PENDING", "CANCELLED"]
    assert order.now.cancelled == 7
    for call in (desk.cancel, lambda number: desk.modify(number, {"price": "98"})):
        with pytest.raises(KiteError, match="it is CANCELLED"):
            call(order.placed.id)
    with pytest.raises(KiteError, match="order_id"):
        desk.cancel("1")
    assert desk.book.account.blocked == 0


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"exchange": None}, "exchange"),
    ({"tradingsymbol": "NO SUCH"}, "does not exist"),
    ({"tradingsymbol": "NIFTY 50"}, "index"),
    ({"transaction_type": "HOLD"}, "transaction_type"),
    ({"product": "NRML"}, "product"),
    ({"product": "MTF"}, "product"),
    ({"order_type": "STOP"}, "order_type"),
    ({"validity": "TTL"}, "validity"),
    ({"quantity": None}, "quantity"),
    ({"quantity": "0"}, "quantity"),
    ({"quantity": "-5"}, "quantity"),
    ({"quantity": "1.5"}, "quantity"),
    ({"disclosed_quantity": "2"}, "disclosed_quantity"),
    ({"market_protection": None}, "market protection"),
    ({"market_protection": "0"}, "market protection"),
    ({"market_protection": "101"}, "market protection"),
    ({"market_protection": "nan"}, "market protection"),
    ({"market_protection": "True"}, "expected decimal"),
    ({"order_type": "LIMIT"}, "price"),
    ({"order_type": "LIMIT", "price": "inf"}, "price"),
    ({"order_type": "LIMIT", "price": "100.02"}, "Tick size for this instrument is 0.05"),
    ({"order_type": "LIMIT", "price": "100.001"}, "decimals"),
    ({"order_type": "SL", "price": "101"}, "trigger_price"),
    ({"order_type": "SL", "price": "101", "trigger_price": "102"}, "can't be higher"),
    ({"order_type": "SL-M", "trigger_price": "99"}, "higher than the last traded price"),
    ({"order_type": "SL-M", "trigger_price": "101", "transaction_type": "SELL"}, "lower than the last traded price"),
    ({"order_type": "SL-M", "trigger_price": "101", "validity": "IOC"}, "validity"),
    ({"tag": "x" * 21}, "tag"),
    ({"tag": "a-b"}, "tag"),
    ({"autoslice": "true"}, "slice"),
    ({"exchange": "NFO", "tradingsymbol": FUTURE.symbol, "product": "NRML", "quantity": "100"}, "lot size, 75"),
    ({"exchange": "NFO", "tradingsymbol": FUTURE.symbol, "product": "CNC", "quantity": "75"}, "product"),
]


@pytest.mark.parametrize(("fields", "says"), REFUSED)
def test_a_request_that_makes_no_sense_becomes_no_order(desk: Desk, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(KiteError, match=says) as error:
        desk.place(request(**fields))
    assert (error.value.status, error.value.error_type) == (400, "InputException")
    assert not desk.book.orders


def test_nothing_is_taken_while_the_market_is_closed(stand: Stand, desk: Desk) -> None:
    stand.open = False
    with pytest.raises(KiteError, match="Markets are closed"):
        desk.place(request())


REJECTED: list[tuple[dict[str, str], str]] = [
    (request(quantity=100_001), "freeze quantity of 100000"),
    (request(FUTURE, quantity=1875), "freeze quantity of 1800"),
    (limit(110.05), "circuit limits"),
    (limit(89.95, transaction_type="SELL"), "circuit limits"),
    (request(order_type="SL-M", trigger_price=110.05), "circuit limits"),
    (request(CALL, quantity=75, order_type="LIMIT", price=2700.05), "circuit limits"),
    (request(product="CNC", transaction_type="SELL"), "Insufficient stock holding"),
]


@pytest.mark.parametrize(("fields", "says"), REJECTED)
def test_what_cannot_be_had_becomes_a_rejected_order(
    stand: Stand, desk: Desk, fields: dict[str, str], says: str
) -> None:
    order = place(desk, fields)
    assert (order.now.status, order.reached_us) == ("REJECTED", 0)
    assert says in order.now.message
    assert stand.statuses(order.placed.id) == ["REJECTED"]
    assert desk.book.account.blocked == 0


def test_money_that_is_set_aside_is_not_there_for_others(desk: Desk) -> None:
    desk.set_cash(300_000)
    first = place(desk, limit(99, quantity=100))  # a fifth of 9,900
    assert desk.book.account.available == 300_000 - 198_000
    second = place(desk, limit(99, quantity=100))
    assert second.now.status == "REJECTED"
    assert "Required margin is 1980.00 but available margin is 1020.00" in second.now.message
    with pytest.raises(KiteError, match="Insufficient funds"):
        desk.modify(first.placed.id, {"quantity": "200"})
    desk.cancel(first.placed.id)
    assert place(desk, limit(99, quantity=100)).now.status == "OPEN"


def test_closing_a_position_needs_no_money(desk: Desk) -> None:
    place(desk, request(quantity=100))
    desk.set_cash(desk.book.account.blocked)
    assert desk.book.account.available == pytest.approx(0)
    assert place(desk, request(transaction_type="SELL", quantity=100)).now.status == "COMPLETE"
    assert place(desk, limit(101, transaction_type="SELL", quantity=100)).now.status == "REJECTED"


def test_the_next_day_carries_positions_and_makes_holdings(stand: Stand, desk: Desk) -> None:
    place(desk, request(product="CNC", quantity=10))
    place(desk, request(product="MIS", quantity=20))
    place(desk, request(FUTURE))
    waiting = place(desk, limit(99))
    cash = desk.book.account.cash
    desk.end_session()
    assert waiting.now.status == "CANCELLED"
    stand.day, stand.open = date(2026, 11, 24), True
    stand.looks[INFY.instrument] = BOOK
    desk.new_day()
    account = desk.book.account
    assert not desk.book.orders
    assert account.cash == cash - 10 * 10_005
    assert account.holdings[INFY.instrument].quantity == account.holdings[INFY.instrument].fresh == 10
    assert account.lines[INFY.instrument, "MIS"].carried == 20
    assert account.lines[FUTURE.instrument, "NRML"].average == 2_500_010
    sold = place(desk, limit(99.95, product="CNC", transaction_type="SELL", quantity=10))
    assert sold.now.status == "COMPLETE"
    assert place(desk, request(product="CNC", transaction_type="SELL")).now.status == "REJECTED"
    stand.show(desk, FUTURE, look(25100))
    desk.end_session()  # the contract's last price
    before = account.cash
    stand.day, stand.listed = date(2026, 11, 25), (INFY, TCS)
    desk.new_day()
    after = desk.book.account
    assert not after.holdings
    assert set(after.lines) == {(INFY.instrument, "MIS")}
    assert after.cash == before + 10 * 9_995 + 75 * 9_990


def test_a_restart_finds_everything(stand: Stand, desk: Desk) -> None:
    place(desk, request(quantity=350, tag="one"))
    kept = place(desk, limit(99, product="CNC", quantity=5))
    stop = place(desk, request(order_type="SL-M", trigger_price=102))
    desk.modify(kept.placed.id, {"price": "98.5"})
    place(desk, request(quantity=10**6))
    desk.set_cash(10**9)
    again = stand.desk()
    assert whole(again) == whole(desk)
    stand.show(again, INFY, look(103, bids=[(102, 1)], asks=[(102, 10)]))
    stand.show(again, INFY, look(98, asks=[(98, 100)]))
    assert again.book.find(stop.placed.id).now.status == "COMPLETE"
    assert again.book.find(kept.placed.id).trades[0].price == 9_850
    assert stand.desk().place(limit(99)).endswith("000000005")


def test_a_restart_on_another_day_cancels_what_was_live(stand: Stand, desk: Desk) -> None:
    order = place(desk, limit(99))
    place(desk, request(quantity=10))
    stand.day = date(2026, 11, 24)
    again = stand.desk()
    assert stand.statuses(order.placed.id) == ["OPEN", "CANCELLED"]
    assert again.book.account.lines[INFY.instrument, "MIS"].carried == 10
    assert whole(stand.desk()) == whole(again)
    assert [path.name for path in stand.folder.iterdir() if path.name != NAME] == ["orders-2026-11-23.jsonl"]


def test_a_line_that_was_not_written_whole_is_cut_off(stand: Stand, desk: Desk) -> None:
    place(desk, limit(99))
    file, good = stand.folder / NAME, whole(desk)
    length = file.stat().st_size
    with file.open("ab") as journal:
        journal.write(b'{"order": "26')
    assert whole(stand.desk()) == good
    assert file.stat().st_size == length
    file.write_bytes(b"nonsense\n" + file.read_bytes())
    with pytest.raises(UserError, match="Line 1"):
        stand.desk()


def test_nothing_is_told_before_it_is_written(stand: Stand, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(lines: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(desk._journal, "write", refuse)
    with pytest.raises(OSError, match="space"):
        desk.place(request())
    assert not stand.told


STEPS = st.one_of(
    st.tuples(
        st.just("place"), st.sampled_from([INFY, TCS]), st.sampled_from(["BUY", "SELL"]), st.integers(1, 400),
        st.sampled_from(["MARKET", "LIMIT", "SL", "SL-M"]), st.integers(95, 105), st.sampled_from(["DAY", "IOC"]),
    ),
    st.tuples(st.just("modify"), st.integers(0, 20), st.integers(1, 400), st.integers(95, 105)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(
        st.just("show"), st.sampled_from([INFY, TCS]), st.integers(95, 105), st.integers(0, 3), st.integers(1, 300),
        st.integers(0, 200),
    ),
    st.tuples(st.just("restart")),
)  # fmt: skip


def run(stand: Stand, desk: Desk, step: tuple[Any, ...], volume: list[int]) -> Desk:
    def on(number: int, call: Callable[[str], object]) -> None:
        if desk.book.orders:
            call(list(desk.book.orders)[number % len(desk.book.orders)])

    match step:
        case ("place", instrument, side, quantity, kind, price, validity):
            stop = kind in ("SL", "SL-M")
            fields = request(
                instrument, transaction_type=side, quantity=quantity, order_type=kind, validity=validity,
                price=price if kind in ("LIMIT", "SL") else None, trigger_price=price if stop else None,
            )  # fmt: skip
            desk.place(fields)
        case ("modify", number, quantity, price):
            on(number, lambda order: desk.modify(order, {"quantity": str(quantity), "price": str(price)}))
        case ("cancel", number):
            on(number, desk.cancel)
        case ("show", instrument, last, away, quantity, traded):
            volume[0] += traded
            made = look(last, [(last - away, quantity)], [(last + away, quantity)], volume[0], close=100)
            stand.show(desk, instrument, made)
        case ("restart",):
            again = stand.desk()
            assert whole(again) == whole(desk)
            return again
    return desk


@given(st.lists(STEPS, max_size=40))
def test_orders_trades_and_account_always_agree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    stand = Stand(tmp_path_factory.mktemp("orders"), {INFY.instrument: BOOK, TCS.instrument: BOOK})
    desk, volume = stand.desk(), [0]
    for step in steps:
        try:
            desk = run(stand, desk, step, volume)
        except KiteError:
            continue
    book = desk.book
    for order in book.orders.values():
        now, side = order.now, order.placed.side
        assert now.filled == sum(trade.quantity for trade in order.trades) <= now.terms.quantity
        assert now.value == sum(trade.quantity * trade.price for trade in order.trades)
        assert (now.status == "COMPLETE") == (now.filled == now.terms.quantity)
        assert now.filled + now.cancelled + order.left == (0 if now.status == "REJECTED" else now.terms.quantity)
        assert (order.placed.id in book.live.get(order.placed.instrument.token, {})) == (now.status not in DONE)
        filled = [entry.filled for entry in order.entries]
        assert filled == sorted(filled)
        if order.changes == 0 and now.terms.price:
            worst = max if side == "BUY" else min
            assert all(worst(trade.price, now.terms.price) == now.terms.price for trade in order.trades)
    for (name, _), line in book.account.lines.items():
        mine = [(o, t) for o in book.orders.values() for t in o.trades if o.placed.instrument.instrument == name]
        assert line.quantity == sum(t.quantity if o.placed.side == "BUY" else -t.quantity for o, t in mine)
        flow = sum(t.quantity * t.price * (1 if o.placed.side == "SELL" else -1) for o, t in mine)
        assert line.realised == pytest.approx(flow + line.quantity * line.average, abs=1e-3)
        for side in ("BUY", "SELL"):
            live = [o for o in book.live.get(line.instrument.token, {}).values() if o.placed.side == side]
            assert line.pending[side][0] == sum(o.left for o in live)
    assert book.account.blocked == sum(line.margin for line in book.account.lines.values())
    assert [trade.id for trade in book.trades] == sorted(trade.id for trade in book.trades)


def test_the_journal_is_lines_of_json(stand: Stand, desk: Desk) -> None:
    place(desk, request(tag="tagged"))
    lines = [orjson.loads(line) for line in (stand.folder / NAME).read_bytes().splitlines()]
    assert [next(iter(line)) for line in lines] == ["day", "instrument", "order"]
