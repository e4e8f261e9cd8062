"""The market as packets: the state of every instrument, moved forward step by step.

Nothing is remembered that a fresh start would not find again: :meth:`Market.at` builds the state at any instant
from the seed, and moving there step by step gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from producers.simulator.catalogue import Catalogue
from producers.simulator.depth import depth, spread
from producers.simulator.minute import Minute, carry_at, plan
from producers.simulator.noise import bits
from producers.simulator.packets import (
    LTP,
    Bytes,
    Packets,
    cut,
    full_packets,
    index_packets,
)
from producers.simulator.path import STEP_US, STEPS, DayPath
from schemas.calendar import MINUTE_US

Column = NDArray[Any]
STEPS_A_SECOND = 1_000_000 // STEP_US


@dataclass(frozen=True, slots=True)
class Moment:
    """A step as minute of the day and step of the minute."""

    minute: int
    step: int

    @property
    def number(self) -> int:
        """The step of the day."""
        return self.minute * STEPS + self.step


class Market:
    """All instruments of one day, and their packets after the step last reached."""

    def __init__(self, seed: int, listed: Catalogue) -> None:
        self.catalogue = listed
        self.path = DayPath(seed, listed.traits, listed.day)
        self.minute: Minute | None = None
        self.moment = Moment(-1, STEPS - 1)  # before the first
        traits, k = listed.traits, listed.indices
        self.index: Packets = index_packets(traits.token[:k])
        self.tradable: Packets = full_packets(traits.token[k:])
        self._tick, self._lot = traits.tick, traits.lot
        close = self.path.previous_close * traits.tick
        self.index["close"], self.tradable["close"] = close[:k], close[k:]
        self._depth_keys = bits(self.path.keys, 4)
        self._size = np.maximum(1, (traits.volume / 8000).astype(np.int64))
        self._usual_spread = spread(traits, self.path.previous_close)

    @property
    def last_moment(self) -> Moment:
        """The day's last step."""
        return Moment(self.path.minutes - 1, STEPS - 1)

    def moment_of(self, at_us: int) -> Moment | None:
        """The step in which an instant lies; None outside the day's session."""
        session = self.path.session
        if not session.open_us <= at_us < session.close_us:
            return None
        minute, rest = divmod(at_us - session.open_us, MINUTE_US)
        return Moment(minute, rest // STEP_US)

    def plan(self, minute: int) -> Minute:
        """A minute's steps. Takes a while with many instruments and touches no state, so a thread may do it ahead."""
        before = self.minute
        if before is not None and before.number == minute - 1:
            return plan(self.path, minute, before.carry())
        return plan(self.path, minute, carry_at(self.path, minute))

    def at(self, moment: Moment, planned: Minute | None = None) -> None:
        """Builds the whole state at a step."""
        self._reach(moment, planned)
        self._write(np.arange(len(self.catalogue)), moment.step)

    def advance(self, moment: Moment, planned: Minute | None = None) -> tuple[Column, Column]:
        """Moves on to a later step: the rows that changed since the step before it, and those whose price moved."""
        before = self.moment
        old = self._prices()
        self._reach(moment, planned)
        if self.minute is None:  # pragma: no cover - _reach has just set it
            raise RuntimeError("no minute is planned")
        if moment.number == before.number + 1:
            rows = np.flatnonzero(self.minute.changed[moment.step])
        else:  # steps were left out: all that changed in any of them, in the state after the last
            reached = self.path.session.open_us // STEP_US + before.number
            rows = np.flatnonzero(self.minute.changed_at[moment.step] > reached)
        self._write(rows, moment.step)
        return rows, rows[self._prices()[rows] != old[rows]]

    def blocks(self, rows: Column, modes: Column) -> list[Bytes]:
        """The current packets of these rows, each in its mode, as blocks of equal packets."""
        k = self.catalogue.indices
        made = []
        for mode in (3, 2, LTP):
            chosen = rows[modes == mode]
            if len(chosen):
                made.append(cut(self.index[chosen[chosen < k]], mode))
                made.append(cut(self.tradable[chosen[chosen >= k] - k], mode))
        return [block for block in made if len(block)]

    def _prices(self) -> Column:
        return np.concatenate((self.index["last_price"], self.tradable["last_price"]))

    def _reach(self, moment: Moment, planned: Minute | None) -> None:
        if self.minute is None or self.minute.number != moment.minute:
            fits = planned is not None and planned.number == moment.minute
            self.minute = planned if fits else self.plan(moment.minute)
        self.moment = moment

    def _write(self, rows: Column, step: int) -> None:
        minute, k = self.minute, self.catalogue.indices
        if minute is None:  # pragma: no cover - only called after _reach
            return
        tick = self._tick[rows]
        shared = {
            "last_price": minute.price[step, rows] * tick,
            "open": minute.open[rows] * tick,
            "high": minute.high[step, rows] * tick,
            "low": minute.low[step, rows] * tick,
            "exchange_time": minute.changed_at[step, rows] // STEPS_A_SECOND,
        }
        is_index = rows < k
        for name, column in shared.items():
            self.index[name][rows[is_index]] = column[is_index]
            self.tradable[name][rows[~is_index] - k] = column[~is_index]
        at = rows[is_index]
        self.index["change"][at] = self.index["last_price"][at].astype(np.int64) - self.index["close"][at]
        self._write_tradable(minute, rows[~is_index], step)

    def _write_tradable(self, minute: Minute, rows: Column, step: int) -> None:
        k, lot, tick = self.catalogue.indices, self._lot[rows], self._tick[rows]
        at, into = rows - k, self.tradable
        into["last_quantity"][at] = minute.quantity[step, rows].astype(np.int64) * lot
        into["average_price"][at] = np.rint(minute.average(step)[rows] * tick)
        into["volume"][at] = minute.volume[step, rows].astype(np.int64) * lot
        into["last_trade_time"][at] = minute.traded_at[step, rows] // STEPS_A_SECOND
        changed_in = (minute.changed_at[step] - self.path.session.open_us // STEP_US) // STEPS  # minute of the day
        oi = self.path.oi(changed_in)[rows] * lot
        start = self.path.oi_start[rows] * lot
        into["oi"][at] = oi
        into["oi_day_high"][at], into["oi_day_low"][at] = np.maximum(oi, start), np.minimum(oi, start)
        price = minute.price[step, rows].astype(np.int64)
        usual = self._usual_spread[rows]
        book = depth(self._depth_keys[rows], minute.changed_at[step, rows], price, usual, self._size[rows])
        into["buy_quantity"][at] = book.buy_quantity * lot
        into["sell_quantity"][at] = book.sell_quantity * lot
        levels = into["depth"]
        levels["price"][at] = book.price * tick[:, None]
        levels["quantity"][at] = book.quantity * lot[:, None]
        levels["orders"][at] = book.orders
