"""From a decoded frame to one TickBatch per partition: which token is which instrument, and where its ticks go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from producers.feed.provider import Decoded
from schemas.market import Subscription, TickKind
from schemas.ticks import COLUMNS, DEPTH, Column, TickBatch

_SPARSE = 4  # a batch with fewer ticks than a fourth of its partition's instruments names just those it holds

_IS_FULL = np.zeros(256, bool)
_IS_FULL[[TickKind.FULL, TickKind.INDEX_FULL]] = True
_ROUTED = [name for name in (*COLUMNS, *DEPTH) if name != "instrument"]


class Routes:
    """The routing table of one provider's subscriptions, and which of them were interrupted.

    Made anew when the subscriptions change; :meth:`split` is on the path of every tick.
    """

    def __init__(self, provider: str, worker: str, subscriptions: Iterable[Subscription]) -> None:
        every = sorted(subscriptions, key=lambda s: s.token)
        self._provider, self._worker = provider, worker
        self._tokens = np.array([s.token for s in every], np.uint32)
        self._partition = np.array([s.partition for s in every], np.intp)
        self._wants_full = np.array([s.mode == "full" for s in every], bool)
        self._instruments = np.array([s.instrument for s in every], object)
        self._local = np.zeros(len(every), "<u2")  # an instrument's place among its partition's names
        self._resumed = np.zeros(len(every), "<i8")
        self._any_resumed = False
        self._heard = np.zeros(len(every), bool)
        self.names: dict[int, tuple[str, ...]] = {}
        for partition in np.unique(self._partition).tolist():
            rows = np.flatnonzero(self._partition == partition)
            self._local[rows] = np.arange(len(rows))
            self.names[partition] = tuple(self._instruments[rows])

    def __len__(self) -> int:
        return len(self._tokens)

    def interrupted(self, tokens: Iterable[int], since_us: int) -> None:
        """These tokens were covered only up to ``since_us``: their next tick says so."""
        self._resumed[self._are(tokens) & ((self._resumed == 0) | (self._resumed > since_us))] = since_us
        self._any_resumed = bool(self._resumed.any())

    def waits_since(self, tokens: Iterable[int]) -> int | None:
        """The earliest time up to which one of these was covered whose next tick has not said so yet."""
        if not self._any_resumed:
            return None
        waiting = self._resumed[self._are(tokens) & (self._resumed != 0)]
        return int(waiting.min()) if len(waiting) else None

    def has_heard(self, tokens: Iterable[int]) -> bool:
        """Whether a tick of each of these has come since the connection was made."""
        return bool(self._heard[self._are(tokens)].all())

    def _are(self, tokens: Iterable[int]) -> Column:
        """Of each row whether it is one of these tokens'."""
        return np.isin(self._tokens, np.fromiter(tokens, np.uint32))

    def forget_heard(self) -> None:
        """The connection is another one now."""
        self._heard[:] = False

    def inherit(self, before: Routes) -> None:
        """Takes over what the table before knew to be interrupted, and to be heard."""
        self._heard = np.isin(self._tokens, before._tokens[before._heard])
        for since in np.unique(before._resumed[before._resumed != 0]).tolist():
            self.interrupted(before._tokens[before._resumed == since].tolist(), since)

    def split(self, decoded: Decoded, sent_us: int) -> Iterator[tuple[int, TickBatch]]:
        """The frame's ticks by partition, each in the frame's order.

        Tokens no longer wanted are left out, and lesser ticks of those that are wanted in mode full: they come between
        a subscription and its mode, and have no times, so that a trade of long ago would look like one of now.
        """
        if not len(self._tokens) or not len(decoded.token):
            return
        row = np.searchsorted(self._tokens, decoded.token)
        row[row == len(self._tokens)] = 0
        wanted = (self._tokens[row] == decoded.token) & (_IS_FULL[decoded.columns["kind"]] | ~self._wants_full[row])
        order = np.argsort(self._partition[row], kind="stable") if wanted.all() else self._wanted_order(row, wanted)
        row = row[order]
        if not len(row):
            return
        columns = {name: column.take(order, 0) if len(column) else column for name, column in decoded.columns.items()}
        columns["resumed_us"] = self._take_resumed(row)
        self._heard[row] = True
        partitions = self._partition[row]
        starts = np.flatnonzero(np.diff(partitions, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], len(row)], strict=True):
            partition, rows = int(partitions[start]), slice(start, end)
            names, instrument = self._named(partition, row[rows])
            part: dict[str, Any] = {name: columns[name][rows] for name in _ROUTED}
            yield partition, TickBatch(self._provider, self._worker, sent_us, names, instrument, **part)

    def _wanted_order(self, row: Column, wanted: Column) -> Column:
        kept = np.flatnonzero(wanted)
        return kept[np.argsort(self._partition[row[kept]], kind="stable")]

    def _take_resumed(self, row: Column) -> Column:
        if not self._any_resumed:
            return np.zeros(len(row), "<i8")
        resumed = self._resumed[row]
        self._resumed[row] = 0
        self._any_resumed = bool(self._resumed.any())
        return resumed

    def _named(self, partition: int, row: Column) -> tuple[tuple[str, ...], Column]:
        """The names of a batch, and its ticks' places among them."""
        names, instrument = self.names[partition], self._local[row]
        if len(row) * _SPARSE >= len(names):
            return names, instrument
        places = instrument.tolist()
        present = {place: number for number, place in enumerate(dict.fromkeys(places))}
        return tuple([names[place] for place in present]), np.array([present[place] for place in places], "<u2")
