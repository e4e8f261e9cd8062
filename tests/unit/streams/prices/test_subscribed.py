"""What the feed is asked for, read from slots in any order."""

from __future__ import annotations

import itertools

from schemas.market import Subscription
from streams.prices.subscribed import Place, Subscribed

TCS, INFY = "NSE:TCS", "NSE:INFY"


def test_the_newest_record_counts_in_whatever_order_the_slots_are_read() -> None:
    old, new = Subscription(TCS, mode="ltp"), Subscription(TCS, mode="full")
    for order in itertools.permutations([(2, old, 1), (0, new, 5), (1, old, 3)]):
        found = Subscribed()
        for slot, record, at_ms in order:
            found.put(TCS, slot, record, at_ms)
        assert found.current(TCS) == Place(5, 0, new)
        assert found.slots(TCS) == [0, 1, 2]


def test_it_is_subscribed_while_any_slot_has_it() -> None:
    found = Subscribed()
    found.put(TCS, 1, Subscription(TCS), 1)
    found.put(TCS, 2, Subscription(TCS), 2)
    found.put(TCS, 2, None, 3)
    assert (list(found), len(found), found.slots(TCS)) == ([TCS], 1, [1])
    found.put(TCS, 1, None, 4)
    found.put(INFY, 1, None, 5)  # what a removal leaves in a log that was compacted
    assert (list(found), len(found), found.slots(TCS), found.current(TCS)) == ([], 0, [], None)
    assert TCS not in found
