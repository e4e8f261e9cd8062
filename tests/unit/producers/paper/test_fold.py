"""The paper exchange's model: what its README promises, by example and by hypothesis."""

from __future__ import annotations

import pytest
from hypothesis import given

from producers.paper.fold import Cancel, Event, Market, Modify, Place, Time, fold
from producers.paper.match import automatic_protection
from producers.paper.order import JITTER_US, LATENCY_US, PaperOrder, latency_us
from producers.paper.quote import Quote, is_within
from tests.unit.producers.paper.market import CLOSE_US, INFY, NOW_US, OPEN_US, moved, order, plain, quote, run, stories


def later(at_s: float) -> Time:
    """That time passes."""
    return Time(NOW_US + int(at_s * 1_000_000))


def test_a_market_order_takes_what_is_shown_after_its_way_to_the_book() -> None:
    _, told = run([quote(-1), Place(order()), later(0.04)])
    assert told["o1"].status == "accepted"
    _, told = run([quote(-1), Place(order(quantity=150)), later(0.08)])
    done = told["o1"]
    assert (done.status, done.filled) == ("complete", 150)
    assert done.average_price == pytest.approx((100 * 100.05 + 50 * 100.1) / 150)
    assert done.changed_us == NOW_US + latency_us("o1")
    assert LATENCY_US <= latency_us("o1") < LATENCY_US + JITTER_US


def test_what_the_levels_do_not_hold_waits_for_the_next_tick() -> None:
    market, told = run([quote(-1), Place(order(quantity=500, protection=1.0)), later(1)])
    assert (told["o1"].status, told["o1"].filled) == ("open", 300)
    assert told["o1"].bound == 101.0
    market, told = run([quote(2, 103, asks=((100.8, 50), (101.0, 10), (101.05, 500)))], market)
    assert told["o1"].filled == 360  # no further than 1 % from the price at which it came
    market, told = run([later(3), quote(4, asks=((100.0, 500),))], market)
    assert (told["o1"].status, told["o1"].filled) == ("complete", 500)
    assert market.orders == {}


def test_two_of_ours_do_not_take_the_same_shares() -> None:
    _, told = run([quote(-1), Place(order("a", quantity=250)), Place(order("b", quantity=250)), later(1)])
    assert sorted(each.filled for each in told.values()) == [50, 250]


def test_without_depth_a_spread_is_assumed() -> None:
    _, told = run([plain(-1, 100.0), Place(order()), Place(order("s", side="sell")), later(1)])
    assert (told["o1"].average_price, told["s"].average_price) == (100.05, 99.95)


def test_nothing_happens_without_a_quote_of_the_session() -> None:
    market, told = run([Place(order()), later(5)])
    assert told["o1"].status == "accepted"
    _, told = run([quote(6)], market)
    assert told["o1"].status == "complete"
    yesterday = moved(quote(0), at_us=OPEN_US - 1)
    market, told = run([yesterday, Place(order()), later(5)])
    assert told["o1"].status == "accepted"


def test_an_arriving_limit_takes_at_the_shown_prices_and_rests() -> None:
    market, told = run([quote(-1), Place(order(kind="limit", price=100.05, quantity=150)), later(1)])
    assert (told["o1"].status, told["o1"].filled, told["o1"].average_price) == ("open", 100, 100.05)
    _, told = run([quote(2, asks=((100.0, 20), (100.05, 5), (100.1, 90)))], market)
    assert told["o1"].filled == 125
    assert told["o1"].average_price == 100.05  # who rests gets his own price


def test_a_resting_limit_waits_for_those_before_it() -> None:
    bids = ((99.95, 100), (99.9, 200))
    rests = [quote(-1, volume=1000, bids=bids), Place(order(kind="limit", price=99.95)), later(0.1)]
    market, told = run(rests)
    assert (told["o1"].status, market.orders["o1"].ahead) == ("open", 100)
    # 60 trade at our price: those before us got them; then 60 more, 20 of them ours
    market, told = run([quote(1, 99.95, volume=1000, bids=bids), quote(2, 99.95, volume=1060, bids=bids)], market)
    assert told == {}
    assert market.orders["o1"].ahead == 40
    market, told = run([quote(3, 99.95, volume=1120, bids=bids)], market)
    assert (told["o1"].filled, told["o1"].average_price) == (20, 99.95)
    # they trade below: nobody sells past us, but no more than was sold
    market, told = run([quote(4, 99.9, volume=1150, bids=((99.9, 10),))], market)
    assert told["o1"].filled == 50
    _, told = run([quote(5, 99.9, volume=5000, bids=((99.9, 10),))], market)
    assert told["o1"].status == "complete"


def test_the_queue_gets_shorter_when_others_leave() -> None:
    market, _ = run([quote(-1, volume=0), Place(order(kind="limit", price=99.95)), later(0.1)])
    market, _ = run([quote(1, volume=0, bids=((99.95, 30),)), quote(2, volume=0, bids=((99.95, 500),))], market)
    assert market.orders["o1"].ahead == 30
    _, told = run([quote(3, 99.95, volume=40, bids=((99.95, 470),))], market)
    assert told["o1"].filled == 10


def test_deep_in_the_book_the_queue_is_known_when_it_is_seen() -> None:
    five = tuple((99.95 - n / 20, 100) for n in range(5))
    market, _ = run([quote(-1, volume=0, bids=five), Place(order(kind="limit", price=99.5)), later(0.1)])
    assert market.orders["o1"].ahead == -1
    seen = quote(1, 99.5, volume=900, bids=((99.5, 40), (99.45, 10)))
    market, told = run([seen, quote(2, 99.5, volume=930, bids=((99.5, 40),))], market)
    assert told == {}
    assert market.orders["o1"].ahead == 10


def test_what_traded_before_it_came_is_not_its() -> None:
    resting = Place(order(kind="limit", price=99.95, at_s=0.5))
    _, told = run([quote(0, volume=0, bids=()), resting, quote(1, 99.9, volume=500, bids=())])
    assert told["o1"].filled == 0


def test_without_depth_a_limit_is_first_at_its_price() -> None:
    resting = [plain(-1, 100.0, 0), Place(order(kind="limit", price=99.8)), later(0.1), plain(1, 99.9, 50)]
    market, told = run(resting)
    assert told["o1"].filled == 0
    _, told = run([plain(2, 99.8, 80)], market)
    assert (told["o1"].filled, told["o1"].average_price) == (30, 99.8)
    _, told = run([plain(2, 99.75)], market)
    assert told["o1"].status == "complete"


def test_a_stop_waits_for_the_last_price() -> None:
    stop = order(kind="stop", side="sell", trigger=99.5)
    market, told = run([quote(-1), Place(stop), later(1)])
    assert told["o1"].status == "trigger-pending"
    market, told = run([quote(2, 99.55)], market)
    assert told == {}
    _, told = run([quote(3, 99.4, bids=((99.35, 60), (99.3, 500)))], market)
    assert (told["o1"].status, told["o1"].average_price) == ("complete", pytest.approx((60 * 99.35 + 40 * 99.3) / 100))
    limit = order(kind="stop-limit", side="sell", trigger=99.5, price=99.4)
    _, told = run(
        [quote(-1), Place(limit), later(1), quote(3, 99.4, bids=((99.35, 60),)), quote(4, bids=((99.45, 30),))]
    )
    assert (told["o1"].status, told["o1"].filled, told["o1"].average_price) == ("open", 30, 99.4)


def test_ioc_is_now_or_never() -> None:
    _, told = run([quote(-1), Place(order(kind="limit", price=100.05, quantity=150, validity="IOC")), later(1)])
    assert (told["o1"].status, told["o1"].filled) == ("cancelled", 100)
    assert "IOC" in told["o1"].reason


def test_the_session_ends_every_order() -> None:
    market, told = run([quote(-1), Place(order(kind="limit", price=90.0)), Time(CLOSE_US - 1)])
    assert told["o1"].status == "open"
    market, told = run([Time(CLOSE_US + 5_000_000)], market)
    assert (told["o1"].status, told["o1"].changed_us) == ("cancelled", CLOSE_US)
    assert market.orders == {}
    late = Place(order("o2", (CLOSE_US - NOW_US) / 1e6 - 0.01))  # accepted in time, and too late in the book
    _, told = run([late, Time(CLOSE_US + 1_000_000)], market)
    assert (told["o2"].status, told["o2"].filled) == ("cancelled", 0)


def test_a_cancel_takes_its_way_too_and_may_come_too_late() -> None:
    rests = [quote(-1), Place(order(kind="limit", price=99.8)), later(1), Cancel("o1", NOW_US + 1_000_000)]
    market, told = run([*rests, later(1.04)])
    assert told["o1"].status == "open"
    assert market.is_settling("o1")
    _, told = run([later(1.08)], market)
    assert told["o1"].status == "cancelled"
    _, told = run([quote(1.045, asks=((99.8, 500),)), later(1.08)], market)
    assert told["o1"].status == "complete"


def test_a_modify_changes_what_it_names() -> None:
    rests = [quote(-1, bids=((99.8, 50), (99.7, 70))), Place(order(kind="limit", price=99.8)), later(1)]
    market, _ = run(rests)
    less, _ = run([Modify("m1", "o1", 60, 0.0, 0.0, NOW_US + 1_000_000), later(2)], market)
    assert (less.orders["o1"].quantity, less.orders["o1"].price, less.orders["o1"].revision) == (60, 99.8, 1)
    more, _ = run([quote(1.5, bids=((99.8, 20),)), Modify("m1", "o1", 120, 0.0, 0.0, NOW_US + 1_600_000)], market)
    assert more.orders["o1"].ahead == 20
    more, _ = run([quote(1.61, bids=((99.8, 500),)), later(2)], more)
    assert more.orders["o1"].ahead == 500  # who wants more goes to the end of the queue
    _, told = run([Modify("m1", "o1", 0, 100.05, 0.0, NOW_US + 1_000_000), later(2)], market)
    assert (told["o1"].status, told["o1"].filled, told["o1"].average_price) == ("complete", 100, 100.05)


def test_a_quantity_below_what_is_filled_ends_the_order() -> None:
    partly = [quote(-1), Place(order(kind="limit", price=100.05, quantity=150)), later(1)]
    _, told = run([*partly, Modify("m1", "o1", 10, 0.0, 0.0, NOW_US + 1_000_000), later(2)])
    assert (told["o1"].status, told["o1"].quantity, told["o1"].filled) == ("complete", 100, 100)


def test_protection_where_nobody_says_it() -> None:
    assert [automatic_protection(INFY, price) for price in (50, 100, 499, 500)] == [2.0, 1.0, 1.0, 0.5]
    assert [automatic_protection("NFO:NIFTY26JAN26000CE", price) for price in (5, 10, 499, 500)] == [5, 3, 2, 1]
    assert automatic_protection("NSE:PEACE", 5000) == 0.5


# ---- whatever happens


def told_by(events: list[Event]) -> list[PaperOrder]:
    """Every change that is told, in order."""
    market, told = Market(INFY), list[PaperOrder]()
    for event in [*events, Time(CLOSE_US)]:
        market, changed = fold(market, event)
        told += changed
    assert market.orders == {}
    assert market.requests == ()
    return told


def by_order(events: list[Event]) -> dict[str, list[PaperOrder]]:
    """The same, order by order."""
    found: dict[str, list[PaperOrder]] = {}
    for each in told_by(events):
        found.setdefault(each.id, []).append(each)
    return found


@given(stories())
def test_never_more_than_asked_never_worse_than_allowed(events: list[Event]) -> None:
    limits: dict[str, set[float]] = {}
    filled: dict[str, PaperOrder] = {}
    changes = [event for event in events if isinstance(event, Modify)]
    for each in told_by(events):
        assert 0 <= each.filled <= each.quantity
        before = filled.get(each.id)
        assert each.filled >= (before.filled if before else 0)
        assert each.changed_us >= (before.changed_us if before else 0)
        assert before is None or before.is_live
        limits.setdefault(each.id, set()).update(
            {each.price, *(m.price for m in changes if m.order == each.id)} - {0.0}
        )
        if each.filled > (before.filled if before else 0):
            quantity = each.filled - (before.filled if before else 0)
            price = (each.value - (before.value if before else 0.0)) / quantity
            slack = 1e-6 if each.side == "buy" else -1e-6
            allowed = {each.bound} if each.is_market else limits[each.id]
            assert any(is_within(each.side, price, limit + slack) for limit in allowed)
            assert not each.waits
        filled[each.id] = each
    assert not any(each.is_live for each in filled.values())


@given(stories())
def test_the_same_again_and_ticks_twice_change_nothing(events: list[Event]) -> None:
    first = told_by(events)
    assert first == told_by(events)
    doubled = [
        twice for each in events for twice in ([each, each] if isinstance(each, Quote | Time | Place) else [each])
    ]
    assert told_by(doubled) == first
    seen = [each for each in events if isinstance(each, Quote)][:1]
    assert told_by([*events, *seen]) == first  # an old tick once more


@given(stories())
def test_looking_at_the_clock_more_often_changes_nothing(events: list[Event]) -> None:
    often: list[Event] = []
    for each in events:
        match each:
            case Quote(at_us=at_us) | Modify(at_us=at_us) | Cancel(at_us=at_us):
                often += [Time(at_us), each]
            case Place(placed):
                often += [Time(placed.changed_us), each]
            case _:
                often.append(each)
    is_same = by_order(often) == by_order(events)
    assert is_same


@given(stories())
def test_no_tick_gives_more_than_it_shows_and_what_traded(events: list[Event]) -> None:
    market, volume = Market(INFY), 0
    for event in [*events, Time(CLOSE_US)]:
        before = market
        market, changed = fold(market, event)
        is_tick = isinstance(event, Quote)
        given_by = [q for q in (before.quote, event if is_tick else None) if q]
        for side in ("buy", "sell"):
            had = {id_: order.filled for id_, order in before.orders.items()}
            now = {each.id: each.filled for each in changed if each.side == side}
            got = sum(filled - had.get(id_, 0) for id_, filled in now.items())
            shown = sum(quantity for each in given_by for _, quantity in each.facing(side))
            assert got <= shown + (max(0, event.volume - volume) if is_tick else 0)
        volume = max(volume, event.volume) if is_tick else volume
