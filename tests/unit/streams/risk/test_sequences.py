"""No sequence of intents, fills, changes and cancels passes a limit, and the book can be made again at any point.

A machine asks for whatever comes to its mind, fills and answers as a broker might, lets the market move and somebody
trade by hand. After each step everything that is limited is reckoned anew from the log alone, in another way than risk
does it: nothing is used beyond its limit but what was before the step.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from schemas.order_state import OrderState, order_event, take
from schemas.orders import EXTERNAL, OrderEvent, OrderIntent, OrderVerdict
from schemas.risk import Limit
from streams.risk.book import Book
from streams.risk.order import requested
from streams.risk.scopes import scopes_of
from tests.unit.streams.risk.build import INFY, TCS, Desk, S, intent, limit

RUNS, ACCOUNTS, NAMES = ("one", "two", ""), ("paper", "live"), (INFY.instrument, TCS.instrument)
PRICE = 100.0
ADVERSE = 50.0  # percent
SCOPES = (
    "platform", "account:*", "account:live", "algo:*", "algo:one", "instrument:*", "instrument:NSE:TCS",
    "algo:*/instrument:*", "algo:one/instrument:NSE:INFY",
)  # fmt: skip
VALUED = ("money-at-risk", "notional", "position", "open-positions")
PACED = "orders-per-second"
SIZES, QUANTITIES = (0, 4, 6, 12, 18, 24, 36), (1, 2, 6, 12)  # so that limits are often used to their ends


class Oracle:
    """What the log says, reckoned anew: orders, what is held, and what may still come of it."""

    def __init__(self, log: Iterable[OrderVerdict | OrderEvent], prices: dict[str, float]) -> None:
        self.prices = prices
        self.intents: dict[str, OrderIntent] = {}
        self.states: dict[str, OrderState] = {}
        self.modifies: dict[str, OrderIntent] = {}
        for record in log:
            if isinstance(record, OrderEvent):
                self.states[record.order] = take(self.states.get(record.order), record)
                if record.intent and record.status != "unknown":
                    self.modifies = {o: m for o, m in self.modifies.items() if m.id != record.intent}
            elif record.approved and record.intent.action == "place":
                self.intents[record.id] = record.intent
                self.states[record.id] = take(self.states.get(record.id), requested(record.intent, record.at_us))
            elif record.approved and record.intent.action == "modify":
                self.modifies[record.intent.order] = record.intent

    def used(self, scope: str, name: str, instrument: str = "") -> float:
        """How much of a limit is used in a scope; of position that of an instrument."""
        figures = self.figures(scope)
        if name == "open-positions":
            return len(figures)
        if name == "position":
            return figures.get(instrument, (0, 0.0, 0.0))[0]
        return sum(figure[1 if name == "notional" else 2] for figure in figures.values())

    def figures(self, scope: str) -> dict[str, tuple[int, float, float]]:
        """By instrument that is open: position, notional, money at risk."""
        keys: dict[tuple[str, str, str, str], list[OrderState]] = defaultdict(list)
        for state in self.states.values():
            if scope in scopes_of(state.account, state.run, state.instrument):
                keys[state.account, state.run, state.instrument, state.product].append(state)
        made: dict[str, tuple[int, float, float]] = {}
        for key, states in keys.items():
            position, notional, money = self._of(states, self.prices[key[2]])
            if position:
                had = made.get(key[2], (0, 0.0, 0.0))
                made[key[2]] = had[0] + position, had[1] + notional, had[2] + money
        return made

    def _of(self, states: list[OrderState], price: float) -> tuple[int, float, float]:
        held = sum(state.filled if state.side == "buy" else -state.filled for state in states)
        bought: list[float] = []  # the worst price of each share that may be bought
        sold = 0
        for state in states:
            if not state.is_live:
                continue
            change = self.modifies.get(state.order)
            most = max(state.quantity, change.quantity if change else 0) - state.filled
            if state.side == "sell":
                sold += most
                continue
            asked = self.intents.get(state.order)
            ends = [state.price, change.price if change else 0.0] if state.kind != "stop" else [state.trigger]
            slip = 1 + (asked.protection / 100 if asked and asked.protection > 0 else 0)
            worst = (
                price * slip if state.kind == "market" else max(*ends, price) * (slip if state.kind == "stop" else 1)
            )
            bought += [max(worst, price)] * most
        long, short = max(0, held + len(bought)), max(0, sold - held)
        opened = sorted(bought, reverse=True)[:long]
        value = sum(opened) + (long - len(opened)) * price
        return max(long, short), max(value, short * price), max(value, short * price) * ADVERSE / 100


class Trading(RuleBasedStateMachine):
    orders = Bundle("orders")

    @initialize(
        limits=st.lists(
            st.tuples(st.sampled_from(SCOPES), st.sampled_from((*VALUED, PACED)), st.sampled_from(SIZES)), max_size=6
        )
    )
    def begin(self, limits: list[tuple[str, str, int]]) -> None:
        self.desk, self.count = Desk(), 0
        self.used: dict[tuple[str, str, str], float] = {}
        self.outside = False  # something happened that nobody had asked risk for
        self.tables: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.set(Limit("algo:*", "adverse-move", ADVERSE, "percent"))
        for scope, name, size in limits:
            if name in ("open-positions", PACED) and "instrument" in scope:
                continue
            value = {
                "money-at-risk": size * 50.0, "notional": size * 100.0, "open-positions": size % 3, PACED: size % 5
            }.get(name, size)  # fmt: skip
            self.set(limit(scope, name, value))

    def set(self, made: Limit) -> None:
        self.desk.book.take(made)

    def new_id(self) -> str:
        self.count += 1
        return f"i{self.count}"

    @rule(
        target=orders,
        run=st.sampled_from(RUNS), account=st.sampled_from(ACCOUNTS), name=st.sampled_from(NAMES),
        side=st.sampled_from(("buy", "sell")), quantity=st.sampled_from(QUANTITIES),
        product=st.sampled_from(("MIS", "CNC")),
        kind=st.sampled_from(("market", "limit", "stop", "stop-limit")), away=st.integers(1, 5),
        protection=st.sampled_from((-1.0, 3.0)),
    )  # fmt: skip
    def place(self, side: str, kind: str, away: int, protection: float, name: str, account: str, **fields: Any) -> str:
        sign, price = 1 if side == "buy" else -1, self.desk.market.quotes[name].price
        terms: dict[str, Any] = {"price": 0.0, "trigger": 0.0}
        if kind in ("stop", "stop-limit"):
            terms["trigger"] = price + sign * away
        if kind in ("limit", "stop-limit"):
            terms["price"] = price + sign * (away + 1)
        if kind in ("market", "stop"):
            terms["protection"] = protection
        wanted = intent(
            self.new_id(), side=side, kind=kind, instrument=name, account=account, trading=account,
            at_us=self.desk.now_us, **terms, **fields,
        )  # fmt: skip
        self.desk.ask(wanted)
        return wanted.id

    @rule(order=orders, quantity=st.integers(0, 15), away=st.integers(0, 5), answer=st.sampled_from("dfu-"))
    def modify(self, order: str, quantity: int, away: int, answer: str) -> None:
        if order not in self.desk.book.orders:
            return
        state = self.desk.book.orders[order].state
        wanted = intent(
            self.new_id(), action="modify", order=order, account=state.account, trading=state.account, run=state.run,
            instrument="", side=state.side, kind=state.kind, quantity=quantity, at_us=self.desk.now_us,
            price=state.price + away if state.price and away else 0.0,
        )  # fmt: skip
        verdict = self.desk.ask(wanted)
        if not verdict.approved or answer == "-":
            return
        if answer == "d":
            new = verdict.intent
            self.desk.hear(
                order, "open", intent=wanted.id, quantity=new.quantity, price=new.price, revision=state.terms[0] + 1
            )
        else:
            self.desk.hear(order, "open" if answer == "f" else "unknown", intent=wanted.id, failed=answer == "f")

    @rule(order=orders, share=st.integers(1, 4), price=st.sampled_from((90.0, 100.0, 110.0)))
    def fill(self, order: str, share: int, price: float) -> None:
        known = self.desk.book.orders.get(order)
        if known is not None and known.state.working:
            self.desk.fill(order, max(1, known.state.working // share), price)

    @rule(order=consumes(orders), status=st.sampled_from(("rejected", "cancelled", "not-sent", "lost")))
    def end(self, order: str, status: str) -> None:
        known = self.desk.book.orders.get(order)
        if known is not None and known.state.is_live:
            self.desk.hear(order, status)

    @rule(order=orders)
    def cancel(self, order: str) -> None:
        known = self.desk.book.orders.get(order)
        if known is None:
            return
        account = known.state.account
        asked = intent(self.new_id(), action="cancel", order=order, run="", account=account, trading=account)
        assert self.desk.ask(asked).approved is known.state.is_live

    @rule(order=orders)
    def hear_again(self, order: str) -> None:
        if order in self.desk.book.orders:
            before = self.desk.book.digest()
            for record in [r for r in self.desk.log if order in (r.id, getattr(r, "order", ""))]:
                self.desk.book.take(record)
            assert self.desk.book.digest() == before

    @rule(name=st.sampled_from(NAMES), price=st.sampled_from((80.0, 100.0, 130.0)))
    def move(self, name: str, price: float) -> None:
        self.desk.market.set(name, price)
        self.desk.book.sums.reprice(self.desk.market)
        self.outside = True

    @rule(
        name=st.sampled_from(NAMES), side=st.sampled_from(("buy", "sell")), filled=st.integers(0, 5),
        account=st.sampled_from(ACCOUNTS),
    )  # fmt: skip
    def trade_by_hand(self, name: str, side: str, filled: int, account: str) -> None:
        event = order_event(
            account=account, order=f"ext-{self.new_id()}", status="open", instrument=name, side=side, product="CNC",
            quantity=5, filled=filled, average_price=100.0, at_us=self.desk.now_us, run=EXTERNAL, kind="limit",
            price=100.0, revision=0,
        )  # fmt: skip
        self.desk.book.take(event)
        self.desk.log.append(event)
        self.outside = True

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        self.desk.now_us += seconds * S

    @rule()
    def keep(self) -> None:
        """Keeps what has changed in tables, and goes on with the book that they make."""
        for table, key, packed in self.desk.book.take_changes():
            if packed is None:
                self.tables[table].pop(key, None)
            else:
                self.tables[table][key] = packed
        again = Book.restore(self.tables)
        assert again.digest() == self.desk.book.digest()
        again.take_changes()
        self.desk.book = again

    @invariant()
    def no_limit_is_passed(self) -> None:
        if not hasattr(self, "desk"):
            return
        prices = {name: quote.price for name, quote in self.desk.market.quotes.items()}
        oracle, book = Oracle(self.desk.log, prices), self.desk.book
        book.sums.settle(self.desk.market)
        scopes = {s for state in oracle.states.values() for s in scopes_of(state.account, state.run, state.instrument)}
        before, self.used = self.used, {}
        for scope in sorted(scopes):
            for name in VALUED:
                for instrument in NAMES if name == "position" else ("",):
                    used, found = oracle.used(scope, name, instrument), book.limit(scope, name)
                    self.used[scope, name, instrument] = used
                    had = before.get((scope, name, instrument), 0.0)
                    assert self.outside or found is None or used <= max(found.value, had) + 0.01, (scope, name)
            total = book.sums.total(scope)
            assert abs(total.money_at_risk - oracle.used(scope, "money-at-risk")) < 0.1
            assert abs(total.notional - oracle.used(scope, "notional")) < 0.1
            assert total.instruments == oracle.used(scope, "open-positions")
        self.outside = False

    @invariant()
    def no_pace_is_passed(self) -> None:
        counts: Counter[str] = Counter()
        for record in self.desk.log if hasattr(self, "desk") else ():
            if not isinstance(record, OrderVerdict) or not record.approved or record.at_us <= self.desk.now_us - S:
                continue
            if record.intent.action != "cancel":
                counts.update(scopes_of(record.account, record.intent.run, "")[:3])
        for scope, count in counts.items():
            found = self.desk.book.limit(scope, PACED)
            assert found is None or count <= found.value


Trading.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestTrading = Trading.TestCase
