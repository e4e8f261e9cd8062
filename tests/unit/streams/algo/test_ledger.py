"""A unit's own orders: any order and repetition of what is said of them gives the same position."""

from __future__ import annotations

import json
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from schemas.order_state import RANK, take_all
from schemas.orders import OrderEvent, OrderIntent, OrderVerdict
from streams.algo.ledger import EARLY, ENDED, Ledger, ledger_from
from tests.unit.streams.algo.orders import A, intent, report, verdict

OWN = [intent(f"o{n}", "buy" if n % 2 else "sell", 10 * n, kind="limit", price=100.0) for n in range(1, 4)]
WISHES = [
    intent("m1", OWN[0].side, 25, action="modify", order="o1", price=101.0),
    intent("m2", OWN[1].side, 5, action="modify", order="o2"),
    intent("c3", OWN[2].side, 30, action="cancel", order="o3"),
]
RISKS = intent("f1", "sell", 7)  # not asked for by the algo: risk flattens in its name
Said = OrderEvent | tuple[int, OrderVerdict]


@st.composite
def said(draw: st.DrawFn) -> list[Said]:
    """What may be said of these orders, contradictions too; the verdicts in the order in which they were written."""
    found: list[Said] = [(0, verdict(RISKS, approved=True))]
    judged = draw(st.lists(st.sampled_from([*OWN, *WISHES]), max_size=8))
    found += [(1 + n, verdict(of, approved=draw(st.booleans()))) for n, of in enumerate(judged)]
    for _ in range(draw(st.integers(0, 8))):
        of = draw(st.sampled_from([*OWN, RISKS]))
        filled = draw(st.integers(0, of.quantity))
        wish = next((wish.id for wish in WISHES if wish.order == of.id), "")
        found.append(
            report(
                of, draw(st.sampled_from(sorted(RANK))), filled, 100.0 if filled else 0.0,
                at_us=draw(st.integers(1, 5)), broker_us=draw(st.integers(0, 3)), revision=draw(st.integers(0, 2)),
                quantity=of.quantity + draw(st.integers(0, 1)), intent=draw(st.sampled_from([of.id, wish])),
                failed=draw(st.booleans()), reason=draw(st.sampled_from(["", "because"])),
            )
        )  # fmt: skip
    return found


def after(said_: Iterable[Said], asked: Iterable[OrderIntent] = (*OWN, *WISHES)) -> Ledger:
    """The ledger of what was asked for and then said."""
    ledger = Ledger()
    for wish in asked:
        ledger = ledger.asked(wish)
    for one in said_:
        ledger, _ = ledger.judged(*one) if isinstance(one, tuple) else ledger.reported(one)
    return ledger


def plain(said_: list[Said]) -> tuple[int, int]:
    """Position and filled, the slow and obvious way."""
    events = [one for one in said_ if not isinstance(one, tuple)]
    verdicts = [one for one in said_ if isinstance(one, tuple)]
    states, position, filled = take_all(events), 0, 0
    for of in (*OWN, RISKS):
        sign, state = 1 if of.side == "buy" else -1, states.get(of.id)
        first = min((one for one in verdicts if one[1].id == of.id), default=None, key=lambda one: one[0])
        refused = first is not None and not first[1].approved and (state is None or state.status == "requested")
        quantity = state.quantity if state else of.quantity
        done = {one.intent for one in events if one.order == of.id and (one.failed or one.status != "unknown")}
        done |= {one[1].id for one in verdicts if not one[1].approved}
        for wish in WISHES:
            if wish.order == of.id and wish.action == "modify" and wish.id not in done:
                quantity = wish.quantity
        has = state.filled if state else 0
        live = not refused and (state is None or state.is_live)
        position += sign * (has + (max(0, quantity - has) if live else 0))
        filled += sign * has
    return position, filled


@given(said(), st.data())
def test_any_order_and_repetition_give_the_same_position(said_: list[Said], data: st.DataObject) -> None:
    again = data.draw(st.permutations([*said_, *data.draw(st.lists(st.sampled_from(said_), max_size=5))]))
    ledger = after(again)
    assert (ledger.position("paper", A), ledger.filled("paper", A)) == plain(said_)
    assert {own.state.order: own.order for own in ledger.working.values()} == {
        own.state.order: own.order for own in after(said_).working.values()
    }
    assert ledger.position("live", A) == 0


@given(said(), st.integers(0, 20))
def test_what_is_kept_is_all_of_it(said_: list[Said], cut: int) -> None:
    first = after(said_[:cut])
    kept = ledger_from(json.loads(json.dumps(first.to_json())))
    assert kept == first
    for one in said_[cut:]:
        kept, _ = kept.judged(*one) if isinstance(one, tuple) else kept.reported(one)
    assert kept == after(said_)


@given(said())
def test_what_was_refused_and_is_known_to_nobody_counts_nothing(said_: list[Said]) -> None:
    refused: list[Said] = [(n - 9, verdict(of)) for n, of in enumerate(OWN)]
    known = {one.order for one in said_ if not isinstance(one, tuple) and (one.status != "requested" or one.filled)}
    ledger = after([*said_, *refused])
    for of in OWN:
        if of.id not in known:
            own = ledger.ended[of.id]
            assert own.sums == (0, 0)
            assert own.order.status == "refused"


def test_an_order_counts_until_it_is_over_and_then_only_what_is_filled() -> None:
    buy = intent("b", "buy", 10)
    ledger = after([], [buy])
    assert (ledger.position("paper", A), ledger.filled("paper", A)) == (10, 0)
    for status, filled, position in [("unknown", 0, 10), ("open", 4, 10), ("cancelled", 4, 4), ("open", 9, 9)]:
        ledger, news = ledger.reported(report(buy, status, filled, 100.0))
        assert (ledger.position("paper", A), ledger.filled("paper", A)) == (position, filled), status
        assert news is not None
        assert news.filled == filled
    for status in ("rejected", "lost", "not-sent"):
        assert after([report(buy, status)], [buy]).position("paper", A) == 0
    assert after([report(buy, "lost"), report(buy, "open")], [buy]).position("paper", A) == 10


def test_news_come_once_whoever_brings_them() -> None:
    buy = intent("b", "buy", 10)
    ledger, news = after([], [buy]).reported(report(buy, "open", 3, 99.0))
    assert news is not None
    assert (news.id, news.status, news.filled, news.average_price, news.working) == ("b", "open", 3, 99.0, 7)
    for same in (report(buy, "open", 3, 99.0, at_us=99, source="poll"), report(buy, "accepted"),
                 report(buy, "open", 1, 98.0, broker_order="77")):  # fmt: skip
        ledger, news = ledger.reported(same)
        assert news is None
    ledger, news = ledger.judged(1, verdict(buy, approved=True))
    assert news is None
    _, news = ledger.judged(2, verdict(buy))  # a second verdict: too late
    assert news is None


def test_a_refusal_says_why() -> None:
    buy = intent("b", "buy", 10)
    _, news = after([], [buy]).judged(1, verdict(buy))
    assert news is not None
    assert (news.status, news.code, news.limit, news.reason) == (
        "refused", "LIMIT_QUANTITY", "platform quantity", "Too many.",
    )  # fmt: skip
    assert not news.is_working


def test_a_modify_counts_as_asked_for_until_it_is_refused_or_done() -> None:
    buy = intent("b", "buy", 10, kind="limit", price=100.0)
    more = intent("m", "buy", 30, kind="limit", price=101.0, action="modify", order="b")
    ledger = after([report(buy, "open")], [buy]).asked(more)
    assert ledger.position("paper", A) == 30
    assert ledger.working["b"].order.price == 101.0

    refused, news = ledger.judged(1, verdict(more))
    assert refused.position("paper", A) == 10
    assert news is not None
    assert (news.failed, news.code, news.status, news.price) == ("modify", "LIMIT_QUANTITY", "open", 100.0)

    failed, news = ledger.reported(report(buy, "open", intent="m", failed=True, reason="too many changes"))
    assert failed.position("paper", A) == 10
    assert news is not None
    assert (news.failed, news.reason, news.quantity) == ("modify", "too many changes", 10)
    assert failed.reported(report(buy, "open", intent="m", failed=True, reason="too many changes"))[1] is None

    done, _ = ledger.reported(report(buy, "open", intent="m", revision=1, quantity=30, price=101.0))
    assert done.position("paper", A) == 30
    assert done.working["b"].wishes == ()
    over, _ = ledger.reported(report(buy, "complete", 10, 100.0))  # it was filled before it could be changed
    assert over.position("paper", A) == 10
    assert over.ended["b"].order.quantity == 10


def test_a_cancel_that_fails_is_news_and_the_order_counts_all_the_time() -> None:
    buy = intent("b", "buy", 10)
    ledger = after([report(buy, "open")], [buy]).asked(intent("c", "buy", 10, action="cancel", order="b"))
    assert ledger.position("paper", A) == 10
    ledger, news = ledger.reported(report(buy, "complete", 10, 5.0, intent="c", failed=True, reason="it is filled"))
    assert news is not None
    assert (news.failed, news.status, news.reason) == ("cancel", "complete", "it is filled")
    assert ledger.position("paper", A) == 10


def test_what_risk_asks_in_the_algos_name_counts_once_it_is_approved() -> None:
    flatten = intent("f", "sell", 5)
    early = after([report(flatten, "open", 2, 9.0)], [])
    assert early.position("paper", A) == 0
    ledger, news = early.judged(3, verdict(flatten, approved=True))
    assert news is not None
    assert (ledger.position("paper", A), ledger.filled("paper", A), news.status) == (-5, -2, "open")
    assert ledger.early == {}
    assert after([(1, verdict(flatten))], []) == Ledger()


def test_ended_orders_are_forgotten_but_count_and_late_news_of_the_last_ones_correct() -> None:
    orders = [intent(f"x{n}", "buy", 3) for n in range(3 * ENDED)]
    ledger = after([], orders)
    for offset, of in enumerate(orders):
        ledger, _ = ledger.reported(report(of, "cancelled", 1, 10.0))
        assert len(ledger.working) == len(orders) - offset - 1
    assert len(ledger.ended) == len(orders)  # their verdicts are not known yet
    for offset, of in enumerate(orders):
        ledger, _ = ledger.judged(offset, verdict(of, approved=True))
    assert len(ledger.ended) == ENDED
    assert ledger.position("paper", A) == ledger.filled("paper", A) == len(orders)
    assert len(json.dumps(ledger.to_json())) < 16_000

    ledger, news = ledger.reported(report(orders[-1], "cancelled", 2, 10.0))
    assert news is not None
    assert ledger.position("paper", A) == len(orders) + 1
    for of in orders[:-ENDED]:
        ledger, news = ledger.reported(report(of, "cancelled", 1, 10.0, source="poll"))
        assert news is None
    assert ledger.position("paper", A) == len(orders) + 1
    assert len(ledger.early) == EARLY
    assert ledger_from(json.loads(json.dumps(ledger.to_json()))) == ledger


def test_accounts_are_apart() -> None:
    paper, live = intent("p", "buy", 1), intent("l", "buy", 2, account="live", trading="live")
    ledger = after([], [paper, live])
    assert (ledger.position("paper", A), ledger.position("live", A)) == (1, 2)
