"""The broker's positions against ours: what counts as a difference, and when it is over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.order_state import take_all
from schemas.orders import EXTERNAL, BrokerPosition, BrokerPositions, OrderEvent, PositionDifference
from streams.positions.fold import Holdings
from streams.positions.reconcile import Difference, Spot, adjustment, differences, reconcile
from tests.unit.streams.positions.orders import OPEN_US, filled, stories

INFY: Spot = ("NSE:INFY", "MIS")


def held(events: list[OrderEvent]) -> Holdings:
    """The holdings of events."""
    return Holdings.restore([], take_all(events).values())


def broker(at_us: int = OPEN_US, **quantities: int) -> BrokerPositions:
    """A snapshot of NSE's shares, intraday."""
    positions = [BrokerPosition(f"NSE:{symbol}", "MIS", quantity, 10.0) for symbol, quantity in quantities.items()]
    return BrokerPositions("paper", at_us, positions)


def test_runs_are_summed_and_other_accounts_left_aside() -> None:
    ours = held(
        [
            filled("a", "buy", 10, 5.0),
            filled("b", "sell", 4, 5.0, run="beta"),
            filled("c", "buy", 1, 5.0, account="live"),
            filled("d", "buy", 2, 5.0, run=EXTERNAL, instrument="NSE:TCS"),
        ]
    )
    assert differences(ours, broker(INFY=6, TCS=2)) == []
    assert differences(ours, broker(INFY=6)) == [Difference("NSE:TCS", "MIS", 2, 0)]
    assert differences(ours, broker(INFY=7, TCS=2, SBIN=-1)) == [
        Difference("NSE:INFY", "MIS", 6, 7),
        Difference("NSE:SBIN", "MIS", 0, -1),
    ]
    assert differences(ours, broker(INFY=7, TCS=2), leave_out={"NSE:INFY"}) == []


def test_it_counts_when_a_second_snapshot_shows_it_again() -> None:
    ours = held([filled("a", "buy", 10, 5.0)])
    first = reconcile({}, {}, ours, broker(1, INFY=7))
    assert first.records == []
    assert first.suspected == {INFY: -3}
    other = reconcile({}, first.suspected, ours, broker(2, INFY=8))
    assert (other.records, other.suspected) == ([], {INFY: -2})
    (found,) = reconcile({}, other.suspected, ours, broker(3, INFY=8)).records
    assert (found.state, found.ours, found.brokers, found.at_us) == ("found", 10, 8, 3)
    # as long as it stands it is not told again, even when both sides moved alike
    more = held([filled("a", "buy", 10, 5.0), filled("b", "buy", 5, 5.0)])
    assert reconcile({INFY: found}, {}, more, broker(4, INFY=13)).records == []
    changed = reconcile({INFY: found}, {INFY: -15}, more, broker(5))
    assert [(record.id, record.ours, record.brokers) for record in changed.records] == [(found.id, 15, 0)]
    (gone,) = reconcile({INFY: found}, {}, more, broker(6, INFY=15)).records
    assert (gone.id, gone.state, gone.ours, gone.brokers) == (found.id, "gone", 15, 15)


def test_at_the_start_it_counts_at_once() -> None:
    (found,) = reconcile({}, {}, held([]), broker(1, INFY=7), first=True).records
    assert (found.instrument, found.product, found.ours, found.brokers) == (*INFY, 0, 7)


def test_what_is_left_out_stays_as_it_was() -> None:
    ours = held([filled("a", "buy", 10, 5.0)])
    (found,) = reconcile({}, {}, ours, broker(1, INFY=7), first=True).records
    left = reconcile({INFY: found}, {}, ours, broker(2, INFY=10), leave_out={"NSE:INFY"})
    assert left.records == []
    assert reconcile({}, {INFY: -3}, ours, broker(2, INFY=7), leave_out={"NSE:INFY"}).suspected == {INFY: -3}


@given(stories(), st.dictionaries(st.sampled_from(["INFY", "TCS"]), st.integers(-50, 50)))
def test_accepted_differences_are_no_more(told: list[OrderEvent], quantities: dict[str, int]) -> None:
    ours = held(told)
    snapshot = broker(1, **quantities)
    found = reconcile({}, {}, ours, snapshot, first=True).records
    assert len(found) == len(differences(ours, snapshot))
    booked = [adjustment(record, 10.0, 2) for record in found]
    after = held([*told, *booked])
    assert differences(after, snapshot) == []
    assert len({event.order for event in booked}) == len(booked)
    again = reconcile({(r.instrument, r.product): r for r in found}, {}, after, snapshot)
    assert {record.state for record in again.records} <= {"gone"}
    assert len(again.records) == len(found)


def test_a_booking_is_one_order_however_often_it_is_made() -> None:
    record = PositionDifference("d1", "paper", "NSE:INFY", "MIS", 10, 4, "accepted", 1, "asha")
    event = adjustment(record, 10.0, 5)
    assert (event.side, event.quantity, event.filled, event.run, event.order) == ("sell", 6, 6, EXTERNAL, "adj-d1")
    assert event.reason == "accepted by asha"
    assert adjustment(record, 10.0, 5) == event
