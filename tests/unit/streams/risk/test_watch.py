"""What is at risk, looked at again and again: against a reckoning that starts from nothing each time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.order_state import order_event
from schemas.orders import OrderEvent
from schemas.risk import RiskPoint, RiskState
from streams.positions.fold import Key
from streams.risk.book import Book
from streams.risk.day import day_start_us, trading_day
from streams.risk.market import Quote
from streams.risk.scopes import algo_scope
from streams.risk.watch import Marked, Watch, mark
from tests.unit.streams.risk.build import INFY, NOW, TCS, Bazaar, Desk, S, intent, limit

DAY_US = 86_400 * S
Points = dict[str, RiskPoint]


def by_scope(marked: Marked) -> Points:
    """The points by scope."""
    return {point.scope: point for point in marked.points}


class Reckoner:
    """Reckons everything anew from the fills, with the prices that were ever seen."""

    def __init__(self) -> None:
        self.prices: dict[str, float] = {}
        self.firsts: dict[str, float] = {}
        self.day = ""
        self.day_max: dict[str, float] = defaultdict(float)
        self.previous: dict[str, float] = {}
        self.peak: dict[str, float] = defaultdict(float)
        self.top: dict[str, float] = defaultdict(float)

    def look(self, book: Book, market: Bazaar, now_us: int) -> dict[str, tuple[float, ...]]:
        """By scope: money at risk, profit of the day, charges of the day, drawdown from the day's and all-time peak."""
        today = trading_day(now_us)
        if today != self.day:
            self.firsts, self.previous = dict(self.prices), dict(self.day_max)
            self.day, self.day_max, self.peak = today, defaultdict(float), defaultdict(float)
        for name in {key[2] for key in book.keys()}:  # noqa: SIM118 - no mapping
            if quote := market.quote(name):
                self.prices[name] = quote.price
            if name in self.prices:
                self.firsts.setdefault(name, self.prices[name])
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
        for key in book.keys():  # noqa: SIM118
            figures = self._key(book, key, day_start_us(today))
            for scope in ("platform", f"account:{key[0]}", algo_scope(key[1])):
                sums[scope] = [a + b for a, b in zip(sums[scope], figures, strict=True)]
        found = {}
        for scope, (money, profit, charges, total) in sums.items():
            self.day_max[scope] = max(self.day_max[scope], money)
            self.peak[scope] = max(self.peak[scope], profit)
            self.top[scope] = max(self.top[scope], total)
            found[scope] = (money, profit, charges, self.peak[scope] - profit, self.top[scope] - total)
        return found

    def _key(self, book: Book, key: Key, start_us: int) -> tuple[float, float, float, float]:
        holding = book.holdings.get(key)
        orders = [order for order in book.orders.values() if (order.state.account, order.state.run) == key[:2]]
        fills = [
            (fill, 1 if order.state.side == "buy" else -1)
            for order in orders
            if order.state.instrument == key[2]
            for fill in order.state.fills()
        ]
        quantity = sum(fill.quantity * sign for fill, sign in fills)
        before = sum(fill.quantity * sign for fill, sign in fills if fill.at_us < start_us)
        cash = {
            early: -sum(f.quantity * f.price * sign for f, sign in fills if (f.at_us < start_us) is early)
            for early in (True, False)
        }
        price = self.prices.get(key[2], holding.average_price if holding else 0.0)
        first = self.firsts.get(key[2], price)
        asked = max((max(o.state.price, o.state.trigger) for o in book.live(key).values()), default=0.0)
        used = self.prices.get(key[2]) or max(holding.average_price if holding else 0.0, asked)
        charges = holding.charges if holding else 0.0
        of_day = charges - book.holdings.day_start(key, start_us).charges if holding else 0.0
        worth = quantity * price
        return (
            book.exposure(key, used).money_at_risk,
            cash[False] + worth - before * first - of_day,
            of_day,
            cash[True] + cash[False] + worth - charges,
        )


def event(order: str, **fields: Any) -> OrderEvent:
    """What is known of an order."""
    usual: dict[str, Any] = {
        "account": "paper", "order": order, "status": "open", "instrument": "NSE:INFY", "side": "buy", "product": "MIS",
        "quantity": 10, "filled": 0, "average_price": 0.0, "at_us": NOW, "run": "a", "kind": "limit", "price": 100.0,
        "intent": order,
    }  # fmt: skip
    return order_event(**{**usual, **fields})


STEP = st.one_of(
    st.tuples(
        st.just("order"), st.sampled_from(["a", "b", "", "EXTERNAL"]), st.sampled_from(["paper", "live"]),
        st.sampled_from(["NSE:INFY", "NSE:TCS"]), st.sampled_from(["buy", "sell"]), st.integers(1, 20),
        st.integers(0, 20), st.sampled_from([95.0, 100.0, 104.85]), st.booleans(),
    ),
    st.tuples(st.just("price"), st.sampled_from(["NSE:INFY", "NSE:TCS"]), st.sampled_from([0.0, 91.35, 100.0, 118.2])),
    st.tuples(st.just("pass"), st.sampled_from([S, 60 * S, 3600 * S, DAY_US, 3 * DAY_US])),
    st.tuples(st.just("adverse"), st.sampled_from(["algo:a", "algo:*"]), st.sampled_from([5.0, 33.3])),
    st.tuples(st.just("restart")),
)  # fmt: skip


def do(step: tuple[Any, ...], book: Book, market: Bazaar, now_us: int, number: int) -> None:
    """Something happens."""
    match step:
        case ("order", run, account, instrument, side, quantity, filled, price, is_live):
            filled = min(filled, quantity)
            status = "complete" if filled == quantity else "open" if is_live else "cancelled"
            made = event(
                f"o{number}", run=run, account=account, instrument=instrument, side=side, quantity=quantity,
                filled=filled, average_price=price if filled else 0.0, price=price, status=status,
                at_us=now_us, broker_us=now_us,
            )  # fmt: skip
            book.take(made)
        case ("price", name, price):
            if price:
                market.set(name, price)
            else:
                market.quotes.pop(name, None)
        case ("adverse", scope, value):
            book.take(limit(scope, "adverse-move", value, unit="percent"))


@settings(max_examples=150)
@given(st.lists(STEP, min_size=1, max_size=25), st.lists(st.booleans(), max_size=25))
def test_it_is_what_a_reckoning_from_nothing_gives(history: list[tuple[Any, ...]], looks: list[bool]) -> None:
    book, market, now_us, reckoner = Book(), Bazaar(), NOW, Reckoner()
    watch, tables = Watch(book, market, speed=0), defaultdict[str, dict[str, bytes]](dict)
    for number, step in enumerate(history):
        if step[0] == "pass":
            now_us += step[1]
        elif step[0] == "restart":
            for table, key, entry in book.take_changes():
                tables[table].pop(key, None) if entry is None else tables[table].__setitem__(key, entry)
            book = Book.restore(tables)
            watch = Watch(book, market, speed=0)
        do(step, book, market, now_us, number)
        if number < len(looks) and not looks[number] and step[0] not in ("pass", "price", "restart"):
            continue  # what happens between two looks at the same prices need not be looked at
        points, wanted = by_scope(watch.mark(now_us, {})), reckoner.look(book, market, now_us)
        hold_together(points)
        for scope, (money, profit, charges, drawdown, all_time) in wanted.items():
            point = points.get(scope)
            if point is None:  # of an algo that did nothing today
                assert scope.startswith("algo:")
                assert money == pytest.approx(0)
                continue
            keys = len(book.sums.keys) + 1
            near = {"abs": 0.011 * keys}  # paise are rounded for each key
            assert point.money_at_risk == pytest.approx(money, **near)
            assert point.money_at_risk >= money - 1e-6
            assert point.realised + point.open - point.charges == pytest.approx(profit, **near)
            assert point.charges == pytest.approx(charges, **near)
            assert point.drawdown == pytest.approx(drawdown, abs=0.03 * keys)
            assert point.drawdown_all_time == pytest.approx(all_time, abs=0.03 * keys)
            assert point.day_max == pytest.approx(reckoner.day_max[scope], **near)
            assert point.day == reckoner.day


def hold_together(points: Points) -> None:
    """Sums of parts are exactly those of the whole."""
    algos = [point for scope, point in points.items() if scope.startswith("algo:")]
    for algo in algos:
        for name in ("money_at_risk", "realised", "open", "charges"):
            assert paise(sum(getattr(part, name) for part in algo.parts)) == paise(getattr(algo, name)), (algo, name)
    for account in ("paper", "live"):
        parts = [part for algo in algos for part in algo.parts if part.account == account]
        for name in ("money_at_risk", "realised", "open", "charges"):
            assert paise(sum(getattr(part, name) for part in parts)) == paise(
                getattr(points[f"account:{account}"], name)
            )
    both = [points["account:paper"], points["account:live"]]
    for name in ("money_at_risk", "notional", "realised", "open", "charges"):
        assert paise(sum(getattr(point, name) for point in both)) == paise(getattr(points["platform"], name))


def paise(rupees: float) -> int:
    """Whole paise."""
    return round(rupees * 100)


def test_a_day_and_the_next() -> None:
    desk = Desk()
    watch = Watch(desk.book, desk.market, speed=0)
    desk.hold(10, run="a")
    charges = desk.book.holdings.get(("paper", "a", "NSE:INFY", "MIS")).charges  # type: ignore[union-attr]
    watch.mark(desk.now_us, {})
    desk.market.set("NSE:INFY", 112.0)
    desk.now_us += 60 * S
    first = by_scope(watch.mark(desk.now_us, {}))["algo:a"]
    assert (first.money_at_risk, first.day_max, first.day_max_us) == (1120.0, 1120.0, desk.now_us)
    assert (first.realised, first.open, first.charges) == (0.0, 120.0, round(charges, 2))
    desk.market.set("NSE:INFY", 110.0)
    watch.mark(desk.now_us, {})
    desk.now_us += DAY_US  # nothing has traded yet
    second = by_scope(watch.mark(desk.now_us, {}))["algo:a"]
    assert (second.day, second.previous_max, second.day_max) == ("2026-06-02", 1120.0, 1100.0)
    assert (second.realised, second.open, second.charges, second.orders) == (0.0, 0.0, 0.0, 0)
    assert second.drawdown == 0.0
    assert second.drawdown_all_time == 20.0
    desk.market.set("NSE:INFY", 104.0)
    third = by_scope(watch.mark(desk.now_us, {}))["algo:a"]
    assert (third.open, third.drawdown, third.drawdown_all_time) == (-60.0, 60.0, 80.0)
    assert [(part.quantity, part.average_price, part.price, part.open) for part in third.parts] == [
        (10, 100.0, 104.0, -60.0)
    ]


def test_an_old_price_and_none_at_all() -> None:
    desk = Desk()
    watch = Watch(desk.book, desk.market, speed=0)
    desk.hold(10, run="a")
    desk.hold(10, run="a", instrument="NSE:TCS")
    watch.mark(desk.now_us, {})
    desk.market.set("NSE:INFY", 90.0, fresh=False)
    del desk.market.quotes["NSE:TCS"]
    marked = watch.mark(desk.now_us, {})
    assert marked.stale == ("NSE:INFY", "NSE:TCS")
    parts = {part.instrument: part for part in by_scope(marked)["algo:a"].parts}
    assert (parts["NSE:INFY"].price, parts["NSE:INFY"].fresh) == (90.0, False)
    assert (parts["NSE:TCS"].price, parts["NSE:TCS"].fresh, parts["NSE:TCS"].money_at_risk) == (100.0, False, 1000.0)


def test_a_price_that_was_seen_before_a_restart_goes_on_being_used() -> None:
    desk = Desk()
    desk.hold(10, run="a")
    desk.market.set("NSE:INFY", 120.0)
    mark(desk.book, desk.market, desk.now_us, {})
    desk.market.quotes.clear()
    tables: dict[str, dict[str, bytes]] = defaultdict(dict)
    for table, key, entry in desk.book.take_changes():
        if entry is not None:
            tables[table][key] = entry
    marked = mark(Book.restore(tables), desk.market, desk.now_us + DAY_US, {})
    point = by_scope(marked)["algo:a"]
    assert (point.money_at_risk, point.open, point.drawdown) == (1200.0, 0.0, 0.0)
    assert marked.stale == ("NSE:INFY",)


def test_pending_orders_and_stops_are_in_the_parts() -> None:
    desk = Desk()
    desk.hold(10)
    desk.ask(intent("s", side="sell", quantity=6, kind="stop", trigger=95.0))
    desk.hear("s", "trigger-pending")
    desk.ask(intent("b", quantity=5, kind="limit", price=99.0))
    (part,) = by_scope(mark(desk.book, desk.market, desk.now_us, {}))["algo:crossover"].parts
    assert (part.quantity, part.covered, part.pending_buy, part.pending_sell) == (10, 6, 5, 6)
    assert part.money_at_risk == 6 * 5.0 + 9 * 100.0


class TestPace:
    """When points are told."""

    def test_once_a_second_when_changed_else_each_minute(self) -> None:
        desk = Desk()
        watch = Watch(desk.book, desk.market)
        desk.hold(10, run="a")
        told: dict[str, list[int]] = defaultdict(list)
        for tick in range(200):
            if tick < 20:
                desk.market.set("NSE:INFY", 100.0 + tick)
            for scope in by_scope(watch.mark(NOW + tick * S // 2, {})):
                told[scope].append(tick)
        assert told["platform"] == told["algo:a"] == [*range(0, 20, 2), 20, 140]
        assert told["account:live"] == [0, 120]

    def test_a_state_is_told_at_once(self) -> None:
        desk = Desk()
        watch = Watch(desk.book, desk.market)
        desk.hold(10, run="a")
        watch.mark(NOW, {})
        assert watch.mark(NOW + 2 * S, {}).points == []
        points = by_scope(watch.mark(NOW + 3 * S, {"account:paper": "HALTED"}))
        assert {scope: point.state for scope, point in points.items()} == {
            "account:paper": "HALTED",
            "algo:a": "HALTED",
        }
        desk.book.take(RiskState("platform", "REDUCING", "me", NOW))
        points = by_scope(watch.mark(NOW + 5 * S, {}))
        assert {point.state for point in points.values()} == {"REDUCING"}
        assert len(points) == 4

    def test_of_many_algos_each_has_its_turn_and_the_platform_always(self) -> None:
        instruments = [replace(INFY, instrument=f"NSE:S{n}", symbol=f"S{n}") for n in range(5)]
        desk = Desk(*instruments)
        for run in range(8):
            for one in instruments:
                desk.hold(1, run=f"run{run}", instrument=one.instrument)
        watch = Watch(desk.book, desk.market, most_lines=12)
        turns = []
        for tick in range(8):
            for one in instruments:
                desk.market.set(one.instrument, 101.0 + tick)
            points = by_scope(watch.mark(NOW + tick * S, {}))
            assert {"platform", "account:paper"} <= points.keys()
            turns.append(sorted(scope for scope in points if scope.startswith("algo:")))
        assert all(len(turn) == 2 for turn in turns)
        for four in range(0, 8, 4):
            assert len({scope for turn in turns[four : four + 4] for scope in turn}) == 8

    def test_algos_that_did_nothing_today_are_left_out(self) -> None:
        desk = Desk()
        watch = Watch(desk.book, desk.market)
        desk.hold(10, run="a")
        desk.hold(-10, run="a")
        assert "algo:a" in by_scope(watch.mark(NOW, {}))
        assert "algo:a" in by_scope(watch.mark(NOW + 60 * S, {}))
        tomorrow = by_scope(watch.mark(NOW + DAY_US, {}))
        assert tomorrow["algo:a"].previous_max == 0.0  # that it is another day is told once
        assert "algo:a" not in by_scope(watch.mark(NOW + DAY_US + 60 * S, {}))
        assert "platform" in by_scope(watch.mark(NOW + DAY_US + 120 * S, {}))


def test_uses_of_limits() -> None:
    desk = Desk(INFY, TCS)
    desk.limits(
        {
            ("account:paper", "capital"): 1e5, ("algo:*", "money-at-risk"): 5000.0, ("algo:a", "notional"): 9000.0,
            ("algo:*", "open-positions"): 5.0, ("platform", "orders-per-day"): 50.0, ("algo:a", "position"): 100.0,
            ("algo:a", "orders-per-second"): 5.0, ("instrument:NSE:TCS", "position"): 60.0,
            ("algo:*/instrument:NSE:INFY", "position"): 40.0, ("algo:b", "quantity"): 500.0,
        }
    )  # fmt: skip
    desk.book.take(limit("algo:a", "daily-loss", 1.0, unit="percent", action="stop"))
    desk.hold(10, run="a")
    desk.hold(-20, run="a", instrument="NSE:TCS")
    desk.hold(5, run="b", instrument="NSE:TCS")
    desk.market.set("NSE:INFY", 95.0)
    points = by_scope(mark(desk.book, desk.market, desk.now_us, {}))
    loss = 50.0 + points["algo:a"].charges
    assert {(use.scope, use.limit, use.value, round(use.used, 6), use.unit) for use in points["algo:a"].uses} == {
        ("algo:a", "money-at-risk", 5000.0, 2950.0, "rupees"),
        ("algo:a", "notional", 9000.0, 2950.0, "rupees"),
        ("algo:a", "open-positions", 5.0, 2.0, "rupees"),
        ("algo:a", "position", 100.0, 20.0, "rupees"),
        ("algo:a", "orders-per-second", 5.0, 2.0, "rupees"),
        ("algo:a", "daily-loss", 1.0, round(loss / 1000, 6), "percent"),
        ("algo:a/instrument:NSE:INFY", "position", 40.0, 10.0, "rupees"),
    }
    assert {(use.scope, use.limit, use.used) for use in points["algo:b"].uses} == {
        ("algo:b", "money-at-risk", 500.0),
        ("algo:b", "open-positions", 1.0),
    }
    assert {(use.scope, use.limit, use.used) for use in points["platform"].uses} == {
        ("platform", "orders-per-day", 3.0),
        ("instrument:NSE:TCS", "position", 25.0),
    }
    assert points["account:paper"].uses == []


def test_quotes_of_what_was_never_seen_do_not_matter() -> None:
    book, market = Book(), Bazaar()
    market.quotes.clear()
    book.take(event("o1", status="complete", filled=10, average_price=50.0))
    book.take(event("o2", instrument="NSE:TCS", price=70.0))
    marked = mark(book, market, NOW, {})
    assert by_scope(marked)["algo:a"].money_at_risk == 500.0 + 700.0
    market.quotes["NSE:INFY"] = Quote(60.0, NOW)
    assert by_scope(mark(book, market, NOW, {}))["algo:a"].money_at_risk == 600.0 + 700.0
