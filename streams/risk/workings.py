"""The live orders under a key at their worst, those of the same terms counted together.

A grid of thousands of orders has as many terms as it has prices: what a verdict costs grows with these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from streams.risk.exposure import Working

_Terms = tuple[str, float, float, float, bool]


class Workings:
    """By their terms, in a form that one order is put into and taken out of at once."""

    def __init__(self) -> None:
        self._of: dict[str, Working] = {}  # by the order's id
        self._together: dict[_Terms, tuple[int, Working]] = {}  # how many orders, and all of them as one

    def put(self, id_: str, working: Working | None) -> None:
        """An order is this now; None: nothing more of it can be filled."""
        before = self._of.pop(id_, None)
        if working is not None:
            self._of[id_] = working
        if before != working:
            self._take_out(before)
            self._put_in(working)

    def told(self) -> tuple[Working, ...]:
        """One for all that have the same terms."""
        return tuple([together for _, together in self._together.values()])

    def instead(self, id_: str, working: Working | None) -> Iterator[Working]:
        """The same if one of the orders were this."""
        if working is not None:
            yield working
        mine = self._of.get(id_)
        for one in self.told():
            yield _sum(one, mine, -1) if mine is not None and _terms(one) == _terms(mine) else one

    def _put_in(self, working: Working | None) -> None:
        if working is None:
            return
        terms = _terms(working)
        orders, together = self._together.get(terms, (0, None))
        self._together[terms] = orders + 1, _sum(together, working, 1) if together else working

    def _take_out(self, working: Working | None) -> None:
        if working is None:
            return
        terms = _terms(working)
        orders, together = self._together[terms]
        if orders > 1:
            self._together[terms] = orders - 1, _sum(together, working, -1)
        else:
            del self._together[terms]


def _terms(of: Working) -> _Terms:
    return of.side, of.ceiling, of.slip, of.stop, of.limited


def _sum(all_: Working, one: Working, sign: int) -> Working:
    return replace(all_, quantity=all_.quantity + sign * one.quantity, cover=all_.cover + sign * one.cover)
