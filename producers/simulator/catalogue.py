"""What is listed on a market day, and the traits that make each instrument move as it does. Pure.

Rows come in a fixed order: indices, the NIFTY 50, made-up equities, then the derivatives of the day. An
instrument's key is its token, so a longer list does not change how the others move.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from producers.simulator.derivatives import CALL, FUTURE, PUT, Month, months_listed
from producers.simulator.noise import Floats, bits, keys, uniform, wander
from schemas.market import Instrument

Column = NDArray[Any]
HERE = Path(__file__).parent
SPOT, INDEX_KIND = 0, 9
NSE, NFO, BSE, INDICES = 1, 2, 4, 9
MADE_UP_FROM = 100_001  # exchange tokens of made-up equities
DERIVATIVES_FROM = 1_000_000
EXTRA_FROM = 15_000_000  # exchange tokens that the market itself never uses
DAILY = 0.011  # deviation of a day's logarithmic return, for volatility 1 and for the market factor
MARKET_KEY = 999_999_999
STRIKES = 60  # to each side of the money, at most
SYLLABLES = (
    "AD", "AM", "AN", "AR", "BA", "BHA", "CHA", "DE", "DHA", "GA", "GO", "HA", "IN", "JA", "JI", "KA", "KI", "LA", "LO",
    "MA", "ME", "NA", "NI", "OM", "PA", "PRA", "RA", "RI", "SA", "SHI", "SU", "TA", "TRI", "UD", "VA", "VE", "VI", "YA",
    "YO", "ZE",
)  # fmt: skip
TRADES = ("INDUSTRIES", "TEXTILES", "CHEMICALS", "FINANCE", "PHARMA", "STEEL", "POWER", "FOODS", "INFRA", "SYSTEMS")


@dataclass(frozen=True, slots=True)
class Listed:
    """One instrument with its traits. Prices in rupees, quantities in units of ``lot``."""

    instrument: Instrument
    kind: int  # SPOT, FUTURE, CALL, PUT or INDEX_KIND
    price: float  # around which it wanders; derivatives: 0
    beta: float
    volatility: float  # own, per day, in units of DAILY
    trades: float  # chance of a trade in a step
    volume: float  # lots in a day
    underlying: int = -1  # row
    strike: float = 0.0
    expiry: int = 0  # date's ordinal
    open_interest: float = 0.0  # lots


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """The traits as columns, each of shape ``(n,)``."""

    token: Column
    kind: Column
    price: Column
    beta: Column
    volatility: Column
    trades: Column
    volume: Column
    underlying: Column
    strike: Column
    expiry: Column
    open_interest: Column
    tick: Column  # in hundredths of a rupee
    lot: Column

    def __len__(self) -> int:
        return len(self.token)

    def repeated(self, times: int) -> Traits:
        """Each column that often: what was one instrument is a block of ``times`` columns, underlyings likewise."""
        columns = {f.name: np.repeat(getattr(self, f.name), times) for f in fields(self)}
        block = np.tile(np.arange(times), len(self))
        columns["underlying"] = np.where(columns["underlying"] < 0, -1, columns["underlying"] * times + block)
        return Traits(**columns)

    def only(self, row: int) -> Traits:
        """One instrument's traits, after its underlying's where it has one: the last row is the instrument."""
        base = int(self.underlying[row])
        rows = [row] if base < 0 else [base, row]
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self)}
        columns["underlying"] = np.array([-1] if base < 0 else [-1, 0])
        return Traits(**columns)


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """The instruments of a day, row by row."""

    day: date
    instruments: tuple[Instrument, ...]
    traits: Traits
    indices: int  # the first rows
    row_of: dict[int, int]  # token -> row
    row_named: dict[str, int]  # EXCHANGE:SYMBOL -> row

    def __len__(self) -> int:
        return len(self.instruments)


def catalogue(seed: int, day: date, size: int, load: bool = False) -> Catalogue:
    """The ``size`` instruments of a day. ``load``: every one of them trades in every step."""
    derivatives = _derivatives(seed, day, size // 17)
    listed = [*_spot(size - len(derivatives)), *derivatives]
    instruments = tuple(entry.instrument for entry in listed)
    return Catalogue(
        day=day,
        instruments=instruments,
        traits=_traits(listed, load),
        indices=sum(entry.kind == INDEX_KIND for entry in listed),
        row_of={instrument.token: row for row, instrument in enumerate(instruments)},
        row_named={instrument.instrument: row for row, instrument in enumerate(instruments)},
    )


def _traits(listed: list[Listed], load: bool) -> Traits:
    columns: dict[str, Column] = {
        f.name: np.array([getattr(entry, f.name) for entry in listed]) for f in fields(Listed) if f.name != "instrument"
    }
    columns["token"] = np.array([entry.instrument.token for entry in listed], np.int64)
    columns["tick"] = np.array([round((entry.instrument.tick_size or 0.05) * 100) for entry in listed], np.int64)
    columns["lot"] = np.array([entry.instrument.lot_size or 1 for entry in listed], np.int64)
    if load:
        columns["trades"] = np.ones(len(listed))
    return Traits(**columns)


def _instrument(
    exchange: str, symbol: str, number: int, segment: int, name: str, kind: str, tick: float, lot: int, **more: Any
) -> Instrument:
    part = {NSE: "NSE", NFO: f"NFO-{'FUT' if kind == 'FUT' else 'OPT'}", INDICES: "INDICES"}[segment]
    return Instrument(
        f"{exchange}:{symbol}", "kite", number << 8 | segment, exchange, symbol, name, kind, part, tick, lot, **more
    )


@lru_cache(maxsize=4)
def _spot(count: int) -> tuple[Listed, ...]:
    made = [*_indices(), *_nifty()]
    taken = {entry.instrument.symbol for entry in made}
    made.extend(_made_up(count - len(made), taken))
    return tuple(made)


def _table(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _indices() -> Iterator[Listed]:
    for row in _table("indices.csv"):
        symbol = row["symbol"]
        exchange = "BSE" if symbol == "SENSEX" else "NSE"
        # Kite lists an index as EQ, with no tick size and no lot
        instrument = _instrument(exchange, symbol, int(row["exchange_token"]), INDICES, symbol, "EQ", 0.0, 0)
        yield Listed(
            instrument, INDEX_KIND, float(row["price"]), float(row["beta"]), float(row["volatility"]), 0.9, 0.0
        )


def _tick_size(price: float) -> float:
    # NSE's rule since 2025: 1 paisa below 250 rupees, 5 below 1000, then 10, 50 (from 5000) and 100 (from 10000)
    return next((tick for bound, tick in ((250, 0.01), (1000, 0.05), (5000, 0.1), (10000, 0.5)) if price < bound), 1.0)


def _nifty() -> Iterator[Listed]:
    for rank, row in enumerate(_table("nifty.csv")):
        price = float(row["price"])
        number = int(row["exchange_token"])
        instrument = _instrument("NSE", row["symbol"], number, NSE, row["name"], "EQ", _tick_size(price), 1)
        yield Listed(instrument, SPOT, price, 1.0, 0.9, 0.99 - 0.002 * rank, float(row["volume"]))


def _symbol(number: int) -> str:
    base = len(SYLLABLES)
    return SYLLABLES[number % base] + SYLLABLES[number // base % base] + SYLLABLES[number // base**2 % base]


def _made_up(count: int, taken: set[str]) -> Iterator[Listed]:
    number = 0
    for rank in range(count):
        while (symbol := _symbol(number * 7919 + 137)) in taken:  # a prime, so that neighbours differ
            number += 1
        taken.add(symbol)
        h = bits(np.uint64(20), np.array([rank]))
        u, v, w = (float(uniform(h, place)[0]) for place in (0, 16, 32))
        price = round(float(np.exp(2.3 + 6.2 * u)), 2)
        trades = max(0.002, 0.9 * float(np.exp(-rank / 400)))
        volume = 4e6 * trades**1.3 * (300 / (price + 100)) ** 0.7 * (0.5 + v)
        name = f"{symbol} {TRADES[rank % len(TRADES)]}"
        instrument = _instrument("NSE", symbol, MADE_UP_FROM + rank, NSE, name, "EQ", _tick_size(price), 1)
        yield Listed(instrument, SPOT, price, 0.5 + w, 1.0 + v, trades, volume)


def closing(seed: int, token: Column, price: Column, beta: Column, volatility: Column, ordinal: int | Column) -> Floats:
    """Closing prices of spot instruments on any day, a trading day or not, by its date's ordinal."""
    market = wander(keys(seed, MARKET_KEY), ordinal)
    made: Floats = price * np.exp(DAILY * (beta * market + volatility * wander(keys(seed, token), ordinal)))
    return made


def _derivatives(seed: int, day: date, count: int) -> list[Listed]:
    """Index futures of three months, stock futures of the nearest, then index options around the money."""
    months = list(months_listed(day))
    indices = [(0, "NIFTY", 50.0, 75), (1, "BANKNIFTY", 100.0, 35)]
    made = [_future(row, row, name, lot, month, n) for row, name, _, lot in indices for n, month in enumerate(months)]
    first = len(_table("indices.csv"))
    for n, stock in enumerate(_table("nifty.csv")):
        lot = max(1, round(600_000 / float(stock["price"]) / 25) * 25)
        made.append(_future(first + n, 2 + n, stock["symbol"], lot, months[0], 1))
    spot = _traits(list(_indices())[:2], load=False)
    for month in months:
        # the middle strike stays the same for the contract's whole life: the index's close shortly before its expiry
        prices = closing(seed, spot.token, spot.price, spot.beta, spot.volatility, month.expiry.toordinal() - 12)
        for away in range(STRIKES + 1):
            for row, name, width, lot in indices:
                for side in (1, -1) if away else (1,):
                    strike = (round(float(prices[row]) / width) + side * away) * width
                    made.extend(_option(row, name, lot, month, strike, side * away, kind) for kind in (CALL, PUT))
    return made[:count]


def _derivative(
    row: int, slot: int, symbol: str, name: str, kind: str, lot: int, month: Month, tick: float, **traits: Any
) -> Listed:
    number = DERIVATIVES_FROM + month.number * 4096 + slot
    expiry = month.expiry
    instrument = _instrument(
        "NFO", symbol, number, NFO, name, kind, tick, lot, expiry=expiry.isoformat(), strike=traits.get("strike", 0.0)
    )
    code = {"FUT": FUTURE, "CE": CALL, "PE": PUT}[kind]
    return Listed(instrument, code, 0.0, 0.0, 1.0, underlying=row, expiry=expiry.toordinal(), **traits)


def _future(row: int, slot: int, name: str, lot: int, month: Month, distance: int) -> Listed:
    trades = (0.98, 0.6, 0.1)[distance]
    return _derivative(
        row, slot, f"{name}{month.code}FUT", name, "FUT", lot, month, 0.1 if row < 2 else 0.05,
        trades=trades, volume=60_000 * trades, open_interest=180_000 * trades,
    )  # fmt: skip


def _option(row: int, name: str, lot: int, month: Month, strike: float, away: int, kind: int) -> Listed:
    trades = 0.95 * float(np.exp(-abs(away) / 12))
    side = "CE" if kind == CALL else "PE"
    slot = 64 + row * 1024 + (away + STRIKES) * 2 + (kind - CALL)
    return _derivative(
        row, slot, f"{name}{month.code}{strike:.0f}{side}", name, side, lot, month, 0.05,
        strike=strike, trades=trades, volume=400_000 * trades, open_interest=90_000 * trades,
    )  # fmt: skip
