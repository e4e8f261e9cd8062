"""Quantity freeze: how much one order may ask for at most.

``freeze.toml`` beside this file is the table; a person may edit it. Risk refuses what is larger, the simulated
exchange too, and whoever wants more sends it in slices.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from schemas.market import Instrument

TABLE = Path(__file__).with_name("freeze.toml")


class FreezeError(ValueError):
    """The table cannot be used; the message says which entry is wrong."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """One exchange's limits; 0: none of that kind."""

    most: int = 0  # shares or units
    lots: int = 0
    units: dict[str, int] = field(default_factory=dict)  # by underlying


def freeze_quantity(instrument: Instrument) -> int | None:
    """The largest quantity of one order in shares or units, whole lots; None when no limit is known.

    It is one lot at least. FreezeError when the table cannot be used.
    """
    return quantity_in(_table(), instrument)


def quantity_in(table: dict[str, Freeze], instrument: Instrument) -> int | None:
    """The same by a given table."""
    entry, lot = table.get(instrument.exchange), max(1, instrument.lot_size)
    if entry is None:
        return None
    most = entry.units.get(instrument.name) or entry.lots * lot or entry.most
    return max(1, most // lot) * lot if most else None


@cache
def _table() -> dict[str, Freeze]:
    return read_table(TABLE.read_text(encoding="utf-8"))


def read_table(text: str) -> dict[str, Freeze]:
    """The limits of a table by exchange code. FreezeError, one sentence, when an entry is wrong."""
    try:
        rows = tomllib.loads(text)
    except ValueError as error:
        raise FreezeError(f"{TABLE.name} is no TOML: {error}") from error
    return {exchange: _freeze(exchange, row) for exchange, row in rows.items()}


def _freeze(exchange: str, row: Any) -> Freeze:
    if not isinstance(row, dict) or not isinstance(units := row.get("units", {}), dict):
        raise FreezeError(f"{TABLE.name}, exchange {exchange}: an exchange is a section, and so are its units.")
    if unknown := sorted(set(row) - set(Freeze.__slots__)):
        raise FreezeError(f"{TABLE.name}, exchange {exchange}: there is no key {unknown[0]}.")
    for name, number in ({name: row[name] for name in row if name != "units"} | units).items():
        if type(number) is not int or number < 1:
            raise FreezeError(f"{TABLE.name}, exchange {exchange}: {name} is no whole number above 0.")
    return Freeze(row.get("most", 0), row.get("lots", 0), units)
