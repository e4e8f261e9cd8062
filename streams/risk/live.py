"""Which orders are live, by what they have in common: indexes over a book's orders. Derived, never kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streams.positions.fold import Key, key_of
from streams.risk.exposure import Working
from streams.risk.order import Order, Terms, working_of
from streams.risk.workings import Workings


class Live:
    """Keys under which something was held or wanted, and the live orders under each."""

    def __init__(self) -> None:
        self._keys: dict[Key, Key] = {}  # each to the one object that all indexes share
        self._of_instrument: dict[str, dict[Key, None]] = {}
        self._of_run: dict[str, dict[Key, None]] = {}
        self._of_pair: dict[tuple[str, str], tuple[Key, ...]] = {}  # run, instrument
        self._live: dict[Key, dict[str, Order]] = {}
        self._workings: dict[Key, Workings] = {}

    def keys(self) -> Iterable[Key]:
        """All keys under which something was held or wanted."""
        return self._keys

    def keys_of(self, *, run: str | None = None, instrument: str | None = None) -> Iterable[Key]:
        """Those of a run or an instrument or both."""
        if run is not None and instrument is not None:
            return self._of_pair.get((run, instrument), ())
        if run is not None:
            return self._of_run.get(run, {})
        return self._keys if instrument is None else self._of_instrument.get(instrument, {})

    def live(self, key: Key) -> Mapping[str, Order]:
        """The live orders under a key, by id."""
        return self._live.get(key, {})

    def live_of(
        self, *, account: str | None = None, run: str | None = None, instrument: str | None = None
    ) -> list[Order]:
        """The live orders of an account, a run, an instrument, or what these have in common; by their ids."""
        live, found = self._live, list[Order]()
        keys = live if run is None and instrument is None else self.keys_of(run=run, instrument=instrument)
        for key in keys:
            if (account is None or key[0] == account) and (orders := live.get(key)):
                found += orders.values()
        return sorted(found, key=_id)

    def workings(self, key: Key) -> tuple[Working, ...]:
        """The live orders under a key at their worst, those of the same terms as one."""
        found = self._workings.get(key)
        return () if found is None else found.told()

    def workings_with(self, key: Key, id_: str, change: Terms) -> Iterable[Working]:
        """The same if one of the live orders may get these terms too."""
        return self._workings[key].instead(id_, working_of(self._live[key][id_], change))

    def _know(self, key: Key) -> Key:
        known = self._keys.get(key)
        if known is not None:
            return known
        _, run, instrument, _ = key
        self._keys[key] = key
        self._of_instrument.setdefault(instrument, {})[key] = None
        self._of_run.setdefault(run, {})[key] = None
        pair = run, instrument
        self._of_pair[pair] = (*self._of_pair.get(pair, ()), key)
        return key

    def _index(self, before: Order | None, order: Order) -> tuple[Key, ...]:
        """Puts an order where it belongs now; the keys that have changed."""
        key = self._know(key_of(order.state))
        if order.state.is_live:
            self._live.setdefault(key, {})[order.id] = order
            self._workings.setdefault(key, Workings()).put(order.id, working_of(order))
        else:
            self._drop(key, order.id)
        if before is None or (old := key_of(before.state)) == key:
            return (key,)
        self._drop(old, order.id)
        return key, old

    def _drop(self, key: Key, id_: str) -> None:
        live = self._live.get(key)
        if live is not None:
            live.pop(id_, None)
            self._workings[key].put(id_, None)
            if not live:
                del self._live[key], self._workings[key]


def _id(order: Order) -> str:
    return order.id
