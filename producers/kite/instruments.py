"""Kite's daily dump of instruments, to records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.market import Instrument


def to_instruments(rows: Iterable[Mapping[str, Any]]) -> list[Instrument]:
    """The rows of the CSV, as the official client reads them, to records; rows without a symbol are left out."""
    return [_instrument(row) for row in rows if row["tradingsymbol"]]


def _instrument(row: Mapping[str, Any]) -> Instrument:
    is_index = row["segment"] == "INDICES"
    return Instrument(
        instrument=f"{row['exchange']}:{row['tradingsymbol']}",
        provider="kite",
        token=int(row["instrument_token"]),
        exchange=row["exchange"],
        symbol=row["tradingsymbol"],
        name=row["name"],
        kind="INDEX" if is_index else row["instrument_type"],
        segment=row["segment"],
        tick_size=float(row["tick_size"] or 0),
        lot_size=int(row["lot_size"] or 0),
        expiry=str(row["expiry"] or ""),
        strike=float(row["strike"] or 0),
    )
