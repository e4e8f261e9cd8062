"""When a price counts as fresh."""

from __future__ import annotations

from schemas.codec import encode
from schemas.market import Instrument, Subscription
from schemas.topics import INSTRUMENTS, SUBSCRIPTIONS
from streams.prices.live import LiveTable
from streams.risk.market import Quote
from streams.risk.prices import Prices
from tests.unit.streams.prices.batches import OPEN_US, Tick, batch_of

S = 1_000_000
INFY = Instrument("NSE:INFY", "kite", 408065, "NSE", "INFY", "INFOSYS", "EQ", "NSE", 0.05, 1)


class Now:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.us = OPEN_US

    def __call__(self) -> int:
        return self.us


def test_a_price_is_fresh_while_its_partition_speaks_and_the_feed_is_asked_for_it() -> None:
    table, now = LiveTable(), Now()
    prices = Prices(table.last, now, age_s=10.0)
    assert prices.quote("NSE:INFY") is None
    table.fold(batch_of([Tick("NSE:INFY", OPEN_US, 1500.0), Tick("NSE:ZERO", OPEN_US, 0.0)]), 7)
    assert prices.quote("NSE:ZERO") is None
    assert prices.quote("NSE:INFY") == Quote(1500.0, OPEN_US, fresh=False), "nobody asks the feed for it"
    prices.take(SUBSCRIPTIONS.name, 2, b"NSE:INFY", encode(Subscription("NSE:INFY")), 1)
    assert prices.quote("NSE:INFY") == Quote(1500.0, OPEN_US)
    now.us += 10 * S
    assert prices.quote("NSE:INFY") == Quote(1500.0, OPEN_US)
    now.us += 1
    assert prices.quote("NSE:INFY") == Quote(1500.0, OPEN_US, fresh=False)
    table.fold(batch_of([Tick("NSE:TCS", now.us, 3000.0)]), 7)
    assert prices.quote("NSE:INFY") == Quote(1500.0, OPEN_US), "its partition has spoken: it did not trade"
    prices.take(SUBSCRIPTIONS.name, 3, b"NSE:INFY", encode(Subscription("NSE:INFY")), 2)  # it moves to another slot
    prices.take(SUBSCRIPTIONS.name, 2, b"NSE:INFY", None, 3)
    assert prices.quote("NSE:INFY") == Quote(1500.0, OPEN_US)
    prices.take(SUBSCRIPTIONS.name, 3, b"NSE:INFY", None, 4)
    assert prices.quote("NSE:INFY") == Quote(1500.0, OPEN_US, fresh=False)


def test_instruments_are_found_by_their_exact_names() -> None:
    prices = Prices(LiveTable().last, Now(), age_s=10.0)
    prices.take(INSTRUMENTS.name, 0, b"NSE:INFY", encode(INFY), 5)
    prices.take(INSTRUMENTS.name, 0, b"NSE:TCS", b"garbage", 6)
    assert prices.instrument("NSE:INFY") == INFY
    assert prices.instrument("nse:infy") is None
    assert prices.instrument("NSE:TCS") is None
    assert prices.similar("NSE:INFI") == "NSE:INFY"
    assert prices.similar("NSE:XYZ") == ""
    prices.take(INSTRUMENTS.name, 0, b"NSE:INFY", None, 7)
    assert prices.instrument("NSE:INFY") is None
