"""What is charged for orders: brokerage, taxes and fees, by the table ``charges.toml`` beside this file.

Brokerage is by executed order and capped, so what an order costs is a function of the value that was filled of it in
all. A partial fill costs the difference: however an order was filled, its parts add up to the same.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from schemas.orders import Product, Side

Segment = Literal[
    "equity-delivery", "equity-intraday", "futures", "options",
    "currency-futures", "currency-options", "commodity-futures", "commodity-options",
]  # fmt: skip
SEGMENTS: tuple[Segment, ...] = get_args(Segment)
TABLE = Path(__file__).with_name("charges.toml")
_FAMILIES = {"NFO": "", "BFO": "", "CDS": "currency-", "BCD": "currency-", "MCX": "commodity-", "NCO": "commodity-"}
_OPTION = re.compile(r"\d(CE|PE)$")
_UNDERLYING = re.compile(r"[A-Z&-]+")


@dataclass(frozen=True, slots=True)
class Charges:
    """What is charged, in rupees."""

    brokerage: float = 0.0
    tax: float = 0.0  # STT, on commodities CTT
    transaction: float = 0.0  # the exchange's
    gst: float = 0.0
    sebi: float = 0.0
    stamp: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.brokerage + self.tax + self.transaction + self.gst + self.sebi + self.stamp


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of a segment. All but ``flat`` and ``cap`` (rupees) are percents of the value."""

    percent: float = 0.0
    cap: float = 0.0
    flat: float = 0.0
    tax_buy: float = 0.0
    tax_sell: float = 0.0
    untaxed: tuple[str, ...] = ()  # underlyings
    stamp_buy: float = 0.0
    transaction: Mapping[str, float] | None = None  # by exchange


@dataclass(frozen=True, slots=True)
class Schedule:
    """The whole table: each segment's rates from a day on, the newest first."""

    sebi: float
    gst: float
    rates: Mapping[Segment, tuple[tuple[date, Rates], ...]]

    def of(self, segment: Segment, day: date) -> Rates:
        """A segment's rates on a day."""
        return next(rates for since, rates in self.rates[segment] if since <= day)


class ChargesError(ValueError):
    """The table cannot be used; the message says which entry is wrong."""


@lru_cache(maxsize=65536)
def segment_of(instrument: str, product: Product) -> Segment:
    """What an instrument counts as. Shares that are not bought for delivery (CNC) count as intraday."""
    exchange, _, symbol = instrument.partition(":")
    if exchange not in _FAMILIES:
        return "equity-delivery" if product == "CNC" else "equity-intraday"
    return cast(Segment, _FAMILIES[exchange] + ("options" if _OPTION.search(symbol) else "futures"))


def order_charges(
    instrument: str, product: Product, side: Side, value: float, day: date, schedule: Schedule | None = None
) -> Charges:
    """What an order costs of which so much was filled in all (rupees) on a day; nothing when nothing was."""
    if value <= 0:
        return Charges()
    table = schedule or schedule_now()
    rates = table.of(segment_of(instrument, product), day)
    exchange, _, symbol = instrument.partition(":")
    brokerage = rates.flat or min(value * rates.percent / 100, rates.cap)
    transaction = value * (rates.transaction or {}).get(exchange, 0.0) / 100
    sebi = value * table.sebi / 100
    taxed = rates.tax_buy if side == "buy" else rates.tax_sell
    if taxed and rates.untaxed and (found := _UNDERLYING.match(symbol)) and found[0] in rates.untaxed:
        taxed = 0.0
    return Charges(
        brokerage=brokerage,
        tax=value * taxed / 100,
        transaction=transaction,
        gst=(brokerage + transaction + sebi) * table.gst / 100,
        sebi=sebi,
        stamp=value * rates.stamp_buy / 100 if side == "buy" else 0.0,
    )


def charges(instrument: str, product: Product, side: Side, quantity: int, price: float, day: date) -> Charges:
    """What an order costs that was filled as a whole."""
    return order_charges(instrument, product, side, quantity * price, day)


@cache
def schedule_now() -> Schedule:
    """The table of this installation. ChargesError when it cannot be used."""
    return read_schedule(TABLE.read_text(encoding="utf-8"))


def read_schedule(text: str) -> Schedule:
    """A table's schedule. ChargesError, one sentence, when an entry is wrong."""
    try:
        table = tomllib.loads(text)
    except ValueError as error:
        raise ChargesError(f"{TABLE.name} is no TOML: {error}") from error
    where = "its first lines"
    try:
        if unknown := sorted(set(table) - {"sebi", "gst", "segments", "changes"}):
            raise ValueError(f"there is no key {unknown[0]}")
        sebi, gst = _rate(table["sebi"]), _rate(table["gst"])
        found: dict[Segment, list[tuple[date, dict[str, Any]]]] = {}
        for segment in SEGMENTS:
            where = f"segment {segment}"
            found[segment] = [(date.min, dict(table["segments"][segment]))]
        if unknown := sorted(set(table["segments"]) - set(SEGMENTS)):
            where = f"segment {unknown[0]}"
            raise ValueError("there is no such segment")
        for change in sorted(table.get("changes", ()), key=lambda entry: str(entry["from"])):
            where = f"the change of {change.get('segment')} from {change['from']}"
            entries = found[change["segment"]]
            news = {name: value for name, value in change.items() if name not in ("from", "segment")}
            if type(change["from"]) is not date:
                raise ValueError("that is no date")
            entries.insert(0, (change["from"], entries[0][1] | news))
        rates: dict[Segment, tuple[tuple[date, Rates], ...]] = {}
        for segment, entries in found.items():
            where = f"segment {segment}"
            rates[segment] = tuple((since, _rates(row)) for since, row in entries)
        return Schedule(sebi, gst, rates)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{error} is missing" if type(error) is KeyError else str(error)
        raise ChargesError(f"{TABLE.name}, {where}: {what}.") from error


def _rates(row: dict[str, Any]) -> Rates:
    names = {f.name for f in fields(Rates)}
    if unknown := sorted(set(row) - names):
        raise ValueError(f"there is no key {unknown[0]}")
    if not {"percent", "cap"} <= set(row) and "flat" not in row:
        raise ValueError("it has neither percent and cap nor flat")
    plain = {name: _rate(value) for name, value in row.items() if name not in ("transaction", "untaxed")}
    by_exchange = {exchange: _rate(value) for exchange, value in row.get("transaction", {}).items()}
    return Rates(**plain, untaxed=tuple(row.get("untaxed", ())), transaction=by_exchange)


def _rate(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1000:
        raise ValueError(f"{value!r} is no rate")
    return float(value)
