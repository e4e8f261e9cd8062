"""What is at risk in every scope, as running sums: a key whose orders, fills or price changed is valued anew, no other.

A cache of what the book says at the prices last seen: it is no part of the book's state. Sums are whole paise, rounded
up for each key, so they do not depend on how they came about.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from streams.positions.fold import Key
from streams.risk.exposure import NOTHING, Exposure
from streams.risk.market import Market
from streams.risk.scopes import parse_scope, scopes_of

if TYPE_CHECKING:
    from streams.risk.book import Book

PAISE = 100


class Total(NamedTuple):
    """What is at risk in a scope."""

    money_at_risk: float = 0.0  # rupees
    notional: float = 0.0  # rupees
    instruments: int = 0  # held or pending
    unpriced: int = 0  # keys of which not even an estimate of the price is known


class _Sum:
    __slots__ = ("instruments", "money", "notional", "unpriced")

    def __init__(self) -> None:
        self.money = self.notional = self.instruments = self.unpriced = 0


class Sums:
    """The sums of a book. :meth:`settle` before anything is asked."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._exposures: dict[Key, Exposure] = {}  # of what is open
        self._prices: dict[str, float] = {}  # by instrument, those that were used
        self._stale: dict[Key, None] = {}
        self._unpriced: set[Key] = set()
        self._sums: dict[str, _Sum] = {}
        self._spots: dict[tuple[str, str], list[int]] = {}  # scope, instrument: shares, keys that are open

    def touch(self, key: Key) -> None:
        """Something about this key has changed."""
        self._stale[key] = None

    def touch_all(self) -> None:
        """Something has changed that all are reckoned with."""
        self._stale.update(dict.fromkeys(self._book.keys()))

    def settle(self, market: Market) -> None:
        """Values anew what was touched."""
        while self._stale:
            key = next(iter(self._stale))
            self._value(key, self.price_of(key, market))
            del self._stale[key]

    def reprice(self, market: Market) -> None:
        """Values anew everything whose price has changed since it was valued, and what was touched."""
        for instrument, before in list(self._prices.items()):
            quote = market.quote(instrument)
            if quote is not None and quote.price != before:
                self._stale.update(dict.fromkeys(self._book.keys_of(instrument=instrument)))
        for key in self._unpriced:
            if market.quote(key[2]) is not None:
                self._stale[key] = None
        self.settle(market)

    def of(self, key: Key) -> Exposure:
        """What is at risk under a key."""
        return self._exposures.get(key, NOTHING)

    def total(self, scope: str) -> Total:
        """What is at risk in a scope."""
        if "/" in scope:
            return self._total_of(scope)
        found = self._sums.get(scope)
        if found is None:
            return Total()
        return Total(found.money / PAISE, found.notional / PAISE, found.instruments, found.unpriced)

    def _total_of(self, scope: str) -> Total:
        where, money, notional, is_open, unpriced = parse_scope(scope), 0, 0, False, 0
        for key in self._book.keys_of(run=where.run, instrument=where.instrument):
            one = self.of(key)
            money += paise(one.money_at_risk)
            notional += paise(one.notional)
            is_open |= one.is_open
            unpriced += key in self._unpriced
        return Total(money / PAISE, notional / PAISE, int(is_open), unpriced)

    def shares(self, scope: str, run: str, instrument: str) -> tuple[int, int]:
        """How many shares of an instrument are held or pending in a scope, and under how many keys."""
        if scope.startswith("algo:"):
            found = [self.of(key) for key in self._book.keys_of(run=run, instrument=instrument)]
            return sum(one.position for one in found), sum(one.is_open for one in found)
        where = "platform" if scope.startswith("instrument:") else scope
        shares, keys = self._spots.get((where, instrument), (0, 0))
        return shares, keys

    def unpriced_in(self, scope: str) -> list[str]:
        """The instruments in a scope of which not even an estimate of the price is known."""
        return sorted({key[2] for key in self._unpriced if scope in scopes_of(*key[:3])})

    def price_of(self, key: Key, market: Market) -> float:
        """The last price, else an estimate by what was paid or is asked for; 0 when there is nothing to go by."""
        quote = market.quote(key[2])
        if quote is not None:
            self._prices[key[2]] = quote.price
            return quote.price
        self._prices.setdefault(key[2], 0.0)
        asked = (max(order.state.price, order.state.trigger) for order in self._book.live(key).values())
        holding = self._book.holdings.get(key)
        return max(holding.average_price if holding else 0.0, max(asked, default=0.0))

    def _value(self, key: Key, price: float) -> None:
        old, new = self.of(key), self._book.exposure(key, price)
        unpriced = int(new.is_open and price <= 0.0) - int(key in self._unpriced)
        if unpriced > 0:
            self._unpriced.add(key)
        elif unpriced < 0:
            self._unpriced.discard(key)
        if new == old and not unpriced:
            return
        account, run, instrument, _ = key
        opened = int(new.is_open) - int(old.is_open)
        money = paise(new.money_at_risk) - paise(old.money_at_risk)
        notional = paise(new.notional) - paise(old.notional)
        platform, of_account, algo, of_instrument, _ = scopes_of(account, run, instrument)
        others = any(
            self.of(other).is_open for other in self._book.keys_of(run=run, instrument=instrument) if other != key
        )
        everywhere = self._spot(platform, instrument, new.position - old.position, opened)
        instruments = {
            platform: everywhere,
            of_account: self._spot(of_account, instrument, new.position - old.position, opened),
            algo: 0 if others else opened,
            of_instrument: everywhere,
        }
        for scope, more in instruments.items():
            total = self._sums.get(scope) or self._sums.setdefault(scope, _Sum())
            total.money += money
            total.notional += notional
            total.instruments += more
            total.unpriced += unpriced
        if new.is_open:
            self._exposures[key] = new
        else:
            self._exposures.pop(key, None)

    def _spot(self, scope: str, instrument: str, shares: int, keys: int) -> int:
        """Counts shares and open keys of an instrument in a scope; whether it was opened (1) or closed (-1) there."""
        spot = self._spots.setdefault((scope, instrument), [0, 0])
        before = spot[1] > 0
        spot[0] += shares
        spot[1] += keys
        return int(spot[1] > 0) - int(before)


def paise(rupees: float) -> int:
    """Whole paise, rounded up but for what is floating point's own noise."""
    return math.ceil(rupees * PAISE - 1e-6)
