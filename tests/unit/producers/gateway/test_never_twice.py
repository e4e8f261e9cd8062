"""No order is sent twice, whatever dies when; and all that was wanted is answered in the end."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.brake import Hold
from producers.gateway.core import Core, Kind, Outcome
from producers.gateway.errand import Errand, Now
from producers.gateway.rates import Window
from schemas.order_state import take_all
from schemas.orders import OrderEvent, OrderSend, OrderVerdict
from tests.unit.producers.gateway.model import OPENING_US, MarketBroker, intent, verdict

SECOND = Window(1.0, 4, 1)
MAY_BE_TAKEN = ("done", "refused", "unknown", "died")
ENDS = ("done", "done", "done", "refused", "unknown", "unknown", "not-sent", "no-token", "died", "died")
COMMITS = ("done", "done", "done", "done", "died before", "died after", "later")
# what may happen, the likelier ones more often
STEPS = (
    *("work",) * 6, "die", "die", "start", "start", "hear_news", "hear_news", "look", "look", "write_events",
    "want_orders", "want_change", "want_change", "approve_again", "trade", "trade", "place_by_hand", "wait", "wait",
    "brake", "wake_frozen",
)  # fmt: skip


class World:
    """One log, one broker, and gateways that come and go. A frozen one may go on after it was replaced."""

    def __init__(self) -> None:
        self.s = 1000.0
        self.verdicts: list[OrderVerdict] = []
        self.sends: list[OrderSend] = []
        self.events: list[OrderEvent] = []
        self.broker = MarketBroker()
        self.calls: Counter[str] = Counter()
        self.called_s: list[float] = []
        self.frozen: list[tuple[Core, Errand]] = []
        self.holds: dict[str, Hold] = {}
        self.core: Core | None = None

    @property
    def now(self) -> Now:
        return Now(self.s, OPENING_US + int(self.s * 1e6))

    # -- the process --

    def start(self, chance: Random) -> None:
        if self.core:
            return
        core = Core("live", (SECOND,))
        records: list[Any] = [*self.verdicts, *self.sends, *self.events]
        chance.shuffle(records)
        for record in records:
            core.take(record, self.now)
        self.core, self.read = core, len(self.verdicts)
        self.writing: list[Errand] = []
        self.in_hand: list[Errand] = []
        self.answers: list[tuple[Errand, Outcome]] = []
        self.unwritten = core.begin(self.now, [(send.at_us - OPENING_US) / 1e6 for send in self.sends], self.s)

    def die(self, chance: Random) -> None:
        if not self.core:
            return
        if chance.random() < 0.5:
            self.events += self.unwritten
        if chance.random() < 0.5:
            self.frozen += [(self.core, errand) for errand in self.in_hand]
        self.core = None

    def work(self, chance: Random) -> None:
        """The way of intents through the gateway, as far as it comes."""
        if self.core and chance.random() < 0.8:
            self.plan()
        if self.core and self.writing:
            self.commit(chance.choice(COMMITS))
        for _ in range(chance.randrange(5)):
            if self.core and self.in_hand:
                self.call(self.in_hand.pop(chance.randrange(len(self.in_hand))), chance.choice(ENDS), chance)
        for _ in range(chance.randrange(5)):
            if self.core and self.answers:
                self.hear_answer(chance)

    def plan(self) -> None:
        assert self.core
        for record in self.verdicts[self.read :]:
            self.core.take(record, self.now)
        self.read = len(self.verdicts)
        plan = self.core.plan(self.now, self.holds, may_write=not self.writing)
        self.unwritten += plan.events
        self.writing += plan.write
        self.in_hand += plan.again

    def commit(self, end: str) -> None:
        if end == "later":
            return
        if end != "died before":
            for errand in self.writing:
                what = errand.intent
                self.sends.append(OrderSend(what.id, "live", errand.order, what.action, self.now.us, "g"))
        self.in_hand += self.writing
        self.writing = []
        if end != "done":
            self.core = None

    def call(self, errand: Errand, end: Kind | Any, chance: Random) -> None:
        assert self.core
        goes, events = self.core.may_go(errand, self.now, self.holds)
        self.unwritten += events
        if not goes:
            return
        self.called_s.append(self.s)
        outcome = self.ask(errand, end, chance)
        if end == "died":
            self.core = None
        else:
            self.answers.append((errand, outcome))

    def ask(self, errand: Errand, end: Kind | Any, chance: Random) -> Outcome:
        assert errand.intent.id in {send.id for send in self.sends}
        if end in MAY_BE_TAKEN:
            self.calls[errand.intent.id] += 1
        broker_order = ""
        if end == "done" or (end in ("unknown", "died") and chance.random() < 0.5):
            broker_order = self.broker.take(errand.intent, self.now)
        return Outcome(end, broker_order if end == "done" else "", end)

    def wake_frozen(self, chance: Random) -> None:
        if self.frozen:
            core, errand = self.frozen.pop()
            if core.may_go(errand, self.now, self.holds)[0]:
                self.ask(errand, "done", chance)

    def hear_answer(self, chance: Random) -> None:
        assert self.core
        errand, outcome = self.answers.pop(chance.randrange(len(self.answers)))
        self.unwritten += self.core.answered(errand, outcome, self.now)

    def hear_news(self, chance: Random) -> None:
        """Late, again, in any order."""
        if self.core and self.broker.said:
            self.unwritten += self.core.search.news(chance.choice(self.broker.said), self.now)

    def look(self, _: Random) -> None:
        if self.core:
            look = self.core.search.look(self.now)
            self.core.no_token = ""
            self.unwritten += self.core.search.looked(look, list(self.broker.book.values()), self.now)

    def write_events(self, chance: Random) -> None:
        if self.core:
            chance.shuffle(self.unwritten)
            self.events += self.unwritten
            self.unwritten = []

    # -- the world --

    def want_orders(self, chance: Random) -> None:
        for _ in range(chance.randint(1, 3)):
            self.verdicts.append(verdict(intent(f"a{len(self.verdicts)}", self.now, valid_s=60.0)))

    def want_change(self, chance: Random) -> None:
        placed = [one.id for one in self.verdicts if one.intent.action == "place"]
        action: Any = chance.choice(["modify", "cancel"])
        price = chance.choice([99.0, 101.0])
        wish = intent(f"a{len(self.verdicts)}", self.now, action, chance.choice(placed or ["none"]), price=price)
        self.verdicts.append(verdict(wish))

    def approve_again(self, chance: Random) -> None:
        if self.verdicts:
            self.verdicts.append(chance.choice(self.verdicts))

    def trade(self, chance: Random) -> None:
        orders = [order for order in self.broker.book.values() if order.status == "open"]
        if orders:
            self.broker.fill(chance.choice(orders).broker_order, chance.randint(1, 10), self.now)

    def place_by_hand(self, _: Random) -> None:
        self.broker.put("", self.now)

    def wait(self, chance: Random) -> None:
        self.s += chance.choice([0.25, 0.625, 1.0, 11.0])  # exact in binary, so that sums are

    def brake(self, chance: Random) -> None:
        self.holds = {"platform": Hold("HALTED", "me", 0, "")} if chance.random() < 0.5 else {}

    # -- what must hold --

    def check(self) -> None:
        assert all(times <= 1 for times in self.calls.values())
        tags = Counter(order.tag for order in self.broker.book.values() if order.tag)
        assert all(times == 1 for times in tags.values())
        for at in self.called_s[-SECOND.most :]:
            assert sum(1 for other in self.called_s if at - 1.0 < other <= at) <= SECOND.most

    def settle(self, chance: Random) -> Core:
        """Left alone, all becomes known."""
        self.start(chance)
        assert self.core
        self.frozen, self.holds = [], {}
        for _ in range(90):
            self.plan()
            self.commit("done")
            while self.in_hand:
                self.call(self.in_hand.pop(), "done", chance)
            while self.answers:
                self.hear_answer(chance)
            self.look(chance)
            self.check()
            self.s += 1.0
        return self.core


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 10_000)), min_size=20, max_size=60))
def test_nothing_is_sent_twice_and_nothing_stays_unknown(steps: list[tuple[str, int]]) -> None:
    world = World()
    world.want_orders(Random(0))
    world.start(Random(0))
    for step, seed in steps:
        getattr(world, step)(Random(seed))
        world.check()
    core = world.settle(Random(0))

    for errand in core.book.errands.values():
        assert errand.phase == "answered", errand
    states = take_all(world.events + world.unwritten)
    ours = {core.book.ours[name]: order for name, order in world.broker.book.items()}
    assert len(ours) == len(world.broker.book)
    for name, order in ours.items():
        state = states[name]
        assert name == (order.tag or f"ext-{order.broker_order}")
        assert (state.status, state.filled, state.broker_order) == (order.status, order.filled, order.broker_order)
        assert (state.quantity, state.price) == (order.quantity, order.price)
    for name, state in states.items():
        assert not state.is_live or name in ours, state
        mine = core.book.orders[name]
        assert (mine.status, mine.filled, mine.terms[2:]) == (state.status, state.filled, state.terms[2:])
