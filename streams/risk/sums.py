"""What is held and pending, valued at the last prices: a row for each key, a column for each figure, sums by scope.

A cache of what the book says at the prices last seen: it is no part of the book's state. Whoever judges has single rows
valued (:meth:`Sums.settle`: what was touched since), whoever watches all that have another price
(:meth:`Sums.reprice`: in numpy, 100,000 rows in some milliseconds).

Money in the columns is whole paise of each row (what is at risk rounded up), so sums do not depend on how they came
about, and those of the parts are exactly those of the whole.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streams.positions.fold import Key
from streams.risk.exposure import NOTHING, Exposure
from streams.risk.levels import KINDS, SUMMED, Column, Level, name_of, with_room
from streams.risk.market import Market
from streams.risk.scopes import PLATFORM, Kind, Scope, parse_scope

if TYPE_CHECKING:
    from streams.risk.book import Book

PAISE = 100
NOISE = 1e-6  # floating point's own, in paise: no reason to round up
PRICED = ("money", "notional", "open", "total")  # of the sums: those that change with the price
FEW = 64  # touched rows up to which each is valued by itself
COLUMNS = (
    *SUMMED,
    "quantity", "average", "fraction",  # what is held, at its average price; the adverse move
    "estimate",  # of the price, when none is known
    "position",  # shares at the larger extreme; 0: nothing is held or pending
    "price",  # with which the row was valued
    "carried", "carried_price",  # held when the day began, and its average price
    "life",  # paise: realised less charges since the first order
)  # fmt: skip


class Total(NamedTuple):
    """What is at risk in a scope."""

    money_at_risk: float = 0.0  # rupees
    notional: float = 0.0  # rupees
    instruments: int = 0  # held or pending
    unpriced: int = 0  # keys of which not even an estimate of the price is known


class Sums:
    """The sums of a book. :meth:`settle` or :meth:`reprice` before anything is asked."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.keys: list[Key] = []
        self.row_of: dict[Key, int] = {}
        self.levels: dict[Kind, Level] = {kind: Level(kind) for kind in KINDS}
        self.levels["platform"].number(PLATFORM)
        self.columns: dict[str, Column] = {name: np.zeros(0) for name in COLUMNS}
        self.plain: Column = np.zeros(0, np.bool_)  # rows without live orders
        self.prices: Column = np.zeros(0)  # by instrument; 0: none was seen yet
        self.firsts: Column = np.zeros(0)  # by instrument: with which the day began; 0: not known
        self.version = 0  # grows when a value has changed
        self._start_us = 0  # of the day
        self._touched: dict[Key, None] = {}
        self._unpriced: set[int] = set()
        self._spots: dict[tuple[str, str], list[int]] = {}  # account or "", instrument: shares, open keys

    # ---- what has changed

    def touch(self, key: Key) -> None:
        """Something about this key has changed."""
        self._touched[key] = None

    def touch_all(self) -> None:
        """Something has changed that all are reckoned with."""
        self._touched.update(dict.fromkeys(self._book.keys()))

    def begin_day(self, start_us: int) -> None:
        """Profit and loss is of the day that began then, the first prices are not known yet."""
        self._start_us = start_us
        self.firsts[:] = 0
        self.touch_all()

    def know_price(self, instrument: str, price: float, first: float) -> None:
        """What was seen last, if nothing was seen yet, and the price with which the day began; 0: not known."""
        number = self._number(instrument)
        self.prices[number] = self.prices[number] or price
        if self.firsts[number] != first:
            self.firsts[number] = first
            rows = (self.row_of.get(key) for key in self._book.keys_of(instrument=instrument))
            self.columns["price"][[row for row in rows if row is not None]] = np.nan  # to be valued anew

    def settle(self, market: Market) -> None:
        """Reads and values anew what was touched."""
        if not self._touched:
            return
        keys = list(self._touched)
        if len(keys) <= FEW:
            for key in keys:
                row = self._row(key)
                self._see(row, market)
                before = [self.columns[name][row] for name in SUMMED]
                self._read(row)
                self._value_one(row)
                for name, old in zip(SUMMED, before, strict=True):
                    if more := self.columns[name][row] - old:
                        for level in self.levels.values():
                            level.add(name, row, more)
        else:
            for key in keys:
                row = self._row(key)
                self._see(row, market)
                self._read(row)
            self._value(np.array([self.row_of[key] for key in keys], np.intp))
            self._sum_up()
        self._touched.clear()
        self.version += 1

    def reprice(self, market: Market) -> None:
        """Values anew everything whose price has changed since it was valued, and what was touched."""
        for number, name in enumerate(self.levels["instrument"].names):
            quote = market.quote(name)
            if quote is not None:
                self.prices[number] = quote.price
        self.settle(market)
        self.revalue()

    def revalue(self) -> None:
        """Values anew what was valued at another price than the last that was seen."""
        count = len(self.keys)
        prices = self.prices[self.levels["instrument"].of_row[:count]]
        moved = np.flatnonzero(prices != self.columns["price"][:count])
        if len(moved):
            self._value(moved)
            self._sum_up(PRICED)
            self.version += 1

    # ---- what is asked

    def of(self, key: Key) -> Exposure:
        """What is at risk under a key; what is covered and pending is left out (:meth:`Book.exposure` has it)."""
        row = self.row_of.get(key)
        if row is None or not self.columns["position"][row]:
            return NOTHING
        money, notional, position = (float(self.columns[name][row]) for name in ("money", "notional", "position"))
        return Exposure(money / PAISE, 0, 0, 0, notional / PAISE, int(position))

    def total(self, scope: str) -> Total:
        """What is at risk in a scope."""
        where = parse_scope(scope)
        level = self.levels[where.kind]
        number = level.number_of.get(name_of(where))
        if number is None:
            return Total()
        money, notional = float(level.sum("money")[number]), float(level.sum("notional")[number])
        unpriced = len(self._unpriced_rows(where)) if self._unpriced else 0
        return Total(money / PAISE, notional / PAISE, int(level.instruments[number]), unpriced)

    def unpriced_in(self, scope: str) -> list[str]:
        """The instruments in a scope of which not even an estimate of the price is known."""
        return sorted({self.keys[row][2] for row in self._unpriced_rows(parse_scope(scope))})

    def shares(self, scope: str, run: str, instrument: str) -> tuple[int, int]:
        """How many shares of an instrument are held or pending in a scope, and under how many keys."""
        where = parse_scope(scope)
        if where.run is None:
            shares, keys = self._spots.get((where.account or "", instrument), (0, 0))
            return shares, keys
        found = [self.of(key).position for key in self._book.keys_of(run=run, instrument=instrument)]
        return sum(found), sum(map(bool, found))

    def most_shares(self, kind: Kind) -> Column:
        """By scope of a kind: the shares of that instrument of which most are held or pending."""
        count, level, names = len(self.keys), self.levels[kind], max(1, len(self.levels["instrument"]))
        spots = level.of_row[:count] * names + self.levels["instrument"].of_row[:count]
        found, where = np.unique(spots, return_inverse=True)
        most = np.zeros(len(level))
        np.maximum.at(most, found // names, np.bincount(where, self.columns["position"][:count], len(found)))
        return most

    def price_of(self, row: int) -> float:
        """The last price of a row's instrument, its average price when none is known."""
        return float(self.prices[self.levels["instrument"].of_row[row]]) or float(self.columns["average"][row])

    # ---- a row

    def _row(self, key: Key) -> int:
        found = self.row_of.get(key)
        if found is not None:
            return found
        row = self.row_of[key] = len(self.keys)
        self.keys.append(key)
        if row >= len(self.plain):
            self.columns = {name: with_room(values, row) for name, values in self.columns.items()}
            self.plain = with_room(self.plain, row)
        account, run, instrument, _ = key
        self._number(instrument)
        for kind, name in zip(KINDS, (PLATFORM, account, run, instrument, (run, instrument)), strict=True):
            self.levels[kind].place(row, name)
        return row

    def _number(self, instrument: str) -> int:
        number = self.levels["instrument"].number(instrument)
        self.prices, self.firsts = with_room(self.prices, number), with_room(self.firsts, number)
        return number

    def _see(self, row: int, market: Market) -> None:
        quote = market.quote(self.keys[row][2])
        if quote is not None:
            self.prices[self.levels["instrument"].of_row[row]] = quote.price

    def _read(self, row: int) -> None:
        """What the book says of a row, whatever its price."""
        key, columns, book = self.keys[row], self.columns, self._book
        holding, live = book.holdings.get(key), book.live(key)
        self.plain[row] = not live
        columns["fraction"][row] = book.adverse(*key[:3]) / 100.0
        known = float(self.prices[self.levels["instrument"].of_row[row]])
        asked = 0.0 if known > 0 else max((max(o.state.price, o.state.trigger) for o in live.values()), default=0.0)
        columns["estimate"][row] = max(asked, holding.average_price if holding else 0.0)
        quantity = holding.quantity if holding else 0
        if holding is not None:
            part = book.holdings.day_part(key, self._start_us)
            columns["quantity"][row], columns["average"][row] = quantity, holding.average_price
            columns["life"][row] = round((holding.realised - holding.charges) * PAISE)
            columns["realised"][row] = round(part.realised * PAISE)
            columns["charges"][row] = round(part.charges * PAISE)
            columns["carried"][row], columns["carried_price"][row] = part.carried, part.carried_price
        before, after = int(columns["position"][row]), abs(quantity)
        if live:
            after = self._expose(row, known or float(columns["estimate"][row])).position
        if before != after:
            columns["position"][row] = after
            self._count(row, before, after)

    def _count(self, row: int, before: int, after: int) -> None:
        """The shares of a row have changed: what is held or pending of its instrument, in each scope."""
        account, run, instrument, _ = self.keys[row]
        opened = bool(after) - bool(before)
        for place in ("", account):
            spot = self._spots.setdefault((place, instrument), [0, 0])
            had = spot[1] > 0
            spot[0] += after - before
            spot[1] += opened
            if more := (spot[1] > 0) - had:
                kinds: tuple[Kind, ...] = ("account",) if place else ("platform", "instrument")
                for kind in kinds:
                    level = self.levels[kind]
                    level.instruments[level.of_row[row]] += more
        if opened and not any(
            self.of(key).position for key in self._book.keys_of(run=run, instrument=instrument) if key != self.keys[row]
        ):
            for level in (self.levels["algo"], self.levels["algo/instrument"]):
                level.instruments[level.of_row[row]] += opened

    def _value_one(self, row: int) -> None:
        """As :meth:`_value`, for a row that was just read, without numpy's overhead."""
        columns, number = self.columns, self.levels["instrument"].of_row[row]
        price, first = float(self.prices[number]), float(self.firsts[number])
        average, quantity = float(columns["average"][row]), float(columns["quantity"][row])
        used = price if price > 0 else float(columns["estimate"][row])
        if self.plain[row]:  # else it was done when it was read
            worth = abs(quantity) * used
            columns["notional"][row] = math.ceil(worth * PAISE - NOISE)
            columns["money"][row] = math.ceil(worth * float(columns["fraction"][row]) * PAISE - NOISE)
        columns["price"][row] = price
        opened = quantity * ((price if price > 0 else average) - average)
        carried_price = float(columns["carried_price"][row])
        first = first if first > 0 else price if price > 0 else carried_price
        carried = float(columns["carried"][row]) * (first - carried_price)
        columns["open"][row] = round((opened - carried) * PAISE)
        columns["total"][row] = columns["life"][row] + round(opened * PAISE)
        self._note_unpriced(row, used)

    def _value(self, rows: Column) -> None:
        """Values rows at the prices that are known now. Where there are no orders nothing is covered."""
        columns, of_row = self.columns, self.levels["instrument"].of_row
        prices, firsts = self.prices[of_row[rows]], self.firsts[of_row[rows]]
        known, quantity, average = prices > 0, columns["quantity"][rows], columns["average"][rows]
        used = np.where(known, prices, columns["estimate"][rows])
        worth = np.abs(quantity) * used
        columns["notional"][rows] = np.ceil(worth * PAISE - NOISE)
        columns["money"][rows] = np.ceil(worth * columns["fraction"][rows] * PAISE - NOISE)
        columns["price"][rows] = prices
        opened = quantity * (np.where(known, prices, average) - average)
        carried_price = columns["carried_price"][rows]
        firsts = np.where(firsts > 0, firsts, np.where(known, prices, carried_price))
        carried = columns["carried"][rows] * (firsts - carried_price)
        columns["open"][rows] = np.rint((opened - carried) * PAISE)
        columns["total"][rows] = columns["life"][rows] + np.rint(opened * PAISE)
        for position in np.flatnonzero(~self.plain[rows]):
            self._expose(int(rows[position]), float(used[position]))
        for position in np.flatnonzero(used <= 0):
            self._note_unpriced(int(rows[position]), 0.0)
        for row in [row for row in self._unpriced if columns["price"][row] > 0]:
            self._unpriced.discard(row)

    def _expose(self, row: int, price: float) -> Exposure:
        """Values a row that has live orders."""
        found = self._book.exposure(self.keys[row], price)
        self.columns["money"][row] = paise(found.money_at_risk)
        self.columns["notional"][row] = paise(found.notional)
        return found

    def _note_unpriced(self, row: int, used: float) -> None:
        if used <= 0 and self.columns["position"][row]:
            self._unpriced.add(row)
        else:
            self._unpriced.discard(row)

    def _unpriced_rows(self, where: Scope) -> list[int]:
        level = self.levels[where.kind]
        number = level.number_of.get(name_of(where))
        return [row for row in self._unpriced if level.of_row[row] == number]

    def _sum_up(self, names: tuple[str, ...] = SUMMED) -> None:
        for name in names:
            figures = self.columns[name][: len(self.keys)]
            for level in self.levels.values():
                level.sum_up(name, figures)


def paise(rupees: float) -> int:
    """Whole paise, rounded up but for what is floating point's own noise."""
    return math.ceil(rupees * PAISE - NOISE)
