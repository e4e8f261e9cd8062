"""The book: the same whatever is repeated and however its topics are interleaved, and again from its tables."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.orders import BrokerPosition, BrokerPositions, OrderEvent, OrderVerdict, PositionDifference
from schemas.risk import Breach, RiskState
from streams.risk.book import TABLES, Book
from streams.risk.entries import pack, unpack
from streams.risk.jobs import Job
from streams.risk.judge import judge
from tests.unit.streams.risk.build import INFY, NOW, TCS, Desk, S, intent, limit

DAY = 24 * 3600 * S


def traded(seed: int, steps: int = 20) -> Desk:
    """A desk at which all sorts of things happened."""
    desk, chance = Desk(), random.Random(seed)
    for number in range(steps):
        orders = [order for order in desk.book.orders.values() if order.state.is_live]
        order = chance.choice(orders) if orders else None
        what = chance.randrange(6) if order else 0
        if what in (0, 1) or order is None:
            desk.ask(
                intent(
                    f"o{number}", run=chance.choice(("one", "two")), instrument=chance.choice((INFY, TCS)).instrument,
                    side=chance.choice(("buy", "sell")), quantity=chance.randint(1, 9), kind="limit", price=99.0,
                    at_us=desk.now_us,
                )
            )  # fmt: skip
        elif what == 2:
            desk.fill(order.id, chance.randint(1, order.state.working), chance.choice((98.0, 99.0)))
        elif what == 3:
            state = order.state
            asked = intent(
                f"m{number}", action="modify", order=order.id, run=state.run, side=state.side, kind="limit",
                instrument="", quantity=state.quantity + 1, price=0.0, at_us=desk.now_us,
            )  # fmt: skip
            if desk.ask(asked).approved and chance.random() < 0.7:
                failed = chance.random() < 0.5
                revision = state.terms[0] + (not failed)
                more = {} if failed else {"quantity": state.quantity + 1, "revision": revision}
                desk.hear(order.id, "open", intent=asked.id, failed=failed, **more)
        elif what == 4:
            desk.ask(intent(f"c{number}", action="cancel", order=order.id, run=""))
            if chance.random() < 0.7:
                desk.hear(order.id, "cancelled", intent=f"c{number}")
        else:
            desk.hear(order.id, "open")
        desk.now_us += chance.randint(0, 3) * S // 2
    return desk


def topics(desk: Desk) -> tuple[list[OrderVerdict], list[OrderEvent]]:
    verdicts = [record for record in desk.log if isinstance(record, OrderVerdict)]
    return verdicts, [record for record in desk.log if isinstance(record, OrderEvent)]


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_same_whatever_is_repeated_and_however_topics_interleave(seed: int, chance: random.Random) -> None:
    desk = traded(seed)
    verdicts, events = topics(desk)
    events += chance.choices(events, k=5) if events else []
    chance.shuffle(events)
    book = Book()
    while verdicts or events:
        took: list[Any] = verdicts if verdicts and (not events or chance.random() < 0.5) else events
        record = took.pop(0)
        book.take(record)
        if chance.random() < 0.2:
            book.take(record)
    assert book.digest() == desk.book.digest()


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.data())
def test_it_is_made_again_from_its_tables_and_goes_on_the_same(seed: int, data: st.DataObject) -> None:
    desk = traded(seed)
    tables: dict[str, dict[str, bytes]] = {}
    live, begun = Book(), data.draw(st.integers(0, len(desk.log)))
    for n, record in enumerate(desk.log):
        live.take(record)
        if n % 5 == 0 or n == begun:
            keep(live, tables)
        if n == begun:
            live = Book.restore(tables)
    assert live.digest() == desk.book.digest()
    keep(live, tables)
    assert Book.restore(tables).digest() == desk.book.digest()
    for book in (live, Book.restore(tables)):
        asked = intent("last", run="one", at_us=desk.now_us)
        assert judge(book, asked, 99, desk.market, desk.now_us, {}) == judge(
            desk.book, asked, 99, desk.market, desk.now_us, {}
        )


def keep(book: Book, tables: dict[str, dict[str, bytes]]) -> None:
    """What Faust's tables do."""
    for table, key, packed in book.take_changes():
        if packed is None:
            tables.setdefault(table, {}).pop(key, None)
        else:
            tables.setdefault(table, {})[key] = packed


def full_book() -> Book:
    """A book with an entry in every table."""
    desk = traded(3)
    book = desk.book
    book.take(limit("platform", "money-at-risk", 1e6), "limits", 4)
    book.take(RiskState("platform", "REDUCING", "asha", NOW, "so"))
    book.take(BrokerPositions("paper", NOW, [BrokerPosition(INFY.instrument, "MIS", 3, 99.5)], "g"))
    book.take(PositionDifference("d", "paper", INFY.instrument, "MIS", 3, 4, "found", NOW))
    book.put_breach(Breach("b", "algo:one", "drawdown", 1.0, 2.0, "rupees", "stop", NOW, "so"))
    book.put_job("j1", Job("j1", "algo:one", "asha", NOW, then="HALTED"))
    book.take(
        OrderVerdict("e1", "paper", True, "", "", "", {}, 1.0, NOW, 77, intent("e1", action="modify", order="ext-1"))
    )
    book.forget(desk.now_us + 3 * DAY)
    return book


def test_every_table_has_its_entries_and_is_read_again() -> None:
    book, tables = full_book(), dict[str, dict[str, bytes]]()
    keep(book, tables)
    desk = traded(4)
    keep(desk.book, tables)
    assert set(tables) >= set(TABLES) - {"orders"}
    for table, entries in tables.items():
        for packed in entries.values():
            assert pack(unpack(table, packed)) == packed


def test_nothing_is_told_twice_and_a_table_forgets_what_the_book_forgets() -> None:
    book, tables = full_book(), dict[str, dict[str, bytes]]()
    keep(book, tables)
    assert book.take_changes() == []
    book.put_job("j1", None)
    book.drop_breach("algo:one", "drawdown")
    book.take(PositionDifference("d", "paper", INFY.instrument, "MIS", 4, 4, "gone", NOW))
    assert {(table, packed) for table, _, packed in book.take_changes()} == {
        ("jobs", None), ("breaches", None), ("differences", None),
    }  # fmt: skip


def test_what_was_applied_is_not_applied_again() -> None:
    book = Book()
    for offset, value in enumerate((1.0, 2.0)):
        book.take(limit("platform", "notional", value), "limits", offset)
    book.take(limit("platform", "notional", 1.0), "limits", 0)
    found = book.limit("platform", "notional")
    assert found is not None
    assert found.value == 2.0
    assert book.next == {"limits": 2}


def test_a_verdict_tells_how_far_intents_are_judged() -> None:
    desk = Desk()
    desk.offset = 41
    desk.ask(intent("a1"))
    assert desk.book.next == {"order-intents": 42}


def test_the_first_verdict_of_an_id_counts() -> None:
    desk = Desk()
    refused = desk.ask(intent("a1", quantity=-1))
    desk.book.take(replace(refused, approved=True, code=""))
    assert not desk.book.orders


class TestForgetting:
    def test_what_is_over_is_forgotten_with_the_day_before_the_last(self) -> None:
        desk = Desk()
        desk.hold(10)
        desk.ask(intent("live"))
        fills = [record for record in desk.log if isinstance(record, OrderEvent)]
        verdicts = [record for record in desk.log if isinstance(record, OrderVerdict)]
        desk.now_us += DAY  # Tuesday
        desk.book.forget(desk.now_us)
        assert len(desk.book.orders) == 2, "Monday is the day before"
        desk.hold(5)
        desk.now_us += DAY
        desk.book.forget(desk.now_us)
        assert len(desk.book.orders) == 2
        assert desk.book.orders["live"].state.is_live, "what is live is never forgotten"
        assert len(desk.book.judged) == 1
        key = "paper", "crossover", INFY.instrument, "MIS"
        assert desk.book.held(key) == 15
        digest = desk.book.digest()
        for record in (*verdicts, *fills):
            desk.book.take(record)
        assert (desk.book.held(key), desk.book.digest()) == (15, digest), "it is known to be counted"

    def test_an_intent_that_was_forgotten_is_too_late(self) -> None:
        desk = Desk()
        wanted = intent("a1", valid_s=86_400.0)
        assert desk.ask(wanted).approved
        desk.fill("a1", 10)
        while "a1" in desk.book.judged:
            desk.now_us += 3600 * S
            desk.book.forget(desk.now_us)
        again = judge(desk.book, wanted, 9, desk.market, desk.now_us, {})
        assert again.code == "TOO_LATE"

    @settings(max_examples=50)
    @given(st.integers(0, 10_000))
    def test_tables_follow(self, seed: int) -> None:
        desk, tables = traded(seed), dict[str, dict[str, bytes]]()
        keep(desk.book, tables)
        desk.book.forget(desk.now_us + 3 * DAY)
        keep(desk.book, tables)
        again = Book.restore(tables)
        assert again.digest() == desk.book.digest()
        assert [(h.key, h.quantity) for h in again.holdings] == [(h.key, h.quantity) for h in desk.book.holdings]
        again.sums.settle(desk.market)
        desk.book.sums.settle(desk.market)
        assert again.sums.total("platform") == desk.book.sums.total("platform")


class TestIndexes:
    @settings(max_examples=50)
    @given(st.integers(0, 10_000))
    def test_live_orders_are_found_by_what_they_have_in_common(self, seed: int) -> None:
        book = traded(seed).book
        for account in (None, "paper", "live"):
            for run in (None, "one", "nobody"):
                for name in (None, INFY.instrument):
                    wanted = {"account": account, "run": run, "instrument": name}
                    found = [o.id for o in book.live_of(account=account, run=run, instrument=name)]
                    assert found == sorted(
                        order.id
                        for order in book.orders.values()
                        if order.state.is_live
                        and all(value in (None, getattr(order.state, what)) for what, value in wanted.items())
                    )

    def test_an_order_whose_run_becomes_known_later_counts_where_it_belongs(self) -> None:
        desk = Desk()
        desk.ask(intent("a1"))
        verdicts, book = topics(desk)[0], Book()
        event = desk.hear("a1", "open", run="", task="", filled=4, average_price=100.0)
        book.take(event)
        assert book.held(("paper", "", INFY.instrument, "MIS")) == 4
        book.take(verdicts[0])
        assert book.held(("paper", "", INFY.instrument, "MIS")) == 0
        assert book.held(("paper", "crossover", INFY.instrument, "MIS")) == 4
        assert [order.id for order in book.live_of(run="crossover")] == ["a1"]
        assert book.live_of(run="") == []
        assert book.digest() == desk.book.digest()


def test_what_it_does_not_fold_is_said() -> None:
    with pytest.raises(TypeError, match="does not fold a str"):
        Book().take("limit")
    with pytest.raises(ValueError, match="is no number"):
        Book().take(limit("platform", "notional", float("nan")))
