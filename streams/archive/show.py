"""Candles as people and machines read them: a table, JSON, CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.market import Candle
from streams.archive.ask import local_time

COLUMNS = (
    "instrument", "interval", "time", "open", "high", "low", "close", "volume", "oi", "complete", "gap", "revision",
    "source",
)  # fmt: skip


def rows(candles: Sequence[Candle], zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """One mapping for each candle, with ``COLUMNS`` as keys; the time is ISO with the exchange's offset."""
    for candle in candles:
        yield {
            name: local_time(candle.start_us, zone).isoformat() if name == "time" else getattr(candle, name)
            for name in COLUMNS
        }


def print_json(candles: Sequence[Candle], zone: ZoneInfo) -> None:
    """A list of objects."""
    sys.stdout.write(orjson.dumps(list(rows(candles, zone)), option=orjson.OPT_INDENT_2).decode() + "\n")


def print_csv(candles: Sequence[Candle], zone: ZoneInfo) -> None:
    """A line of names, then one for each candle."""
    out = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    out.writeheader()
    out.writerows(
        {k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()} for row in rows(candles, zone)
    )


def print_table(candles: Sequence[Candle], zone: ZoneInfo) -> None:
    """A table for people; a mark says what is not final: still open, beside a gap, revised."""
    first = candles[0]
    decimals = 4 if any(round(c.close, 2) != c.close for c in candles) else 2
    has_oi = any(candle.oi >= 0 for candle in candles)
    table = Table(
        title=f"{first.instrument}  {first.interval}  ({zone.key})", title_justify="left", pad_edge=False, box=None
    )
    table.add_column("time", no_wrap=True)
    for name in ("open", "high", "low", "close", "volume", *(("oi",) if has_oi else ())):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    day = None
    for candle in candles:
        at = local_time(candle.start_us, zone)
        if first.interval == "1d" or at.date() != day:
            stamp = f"{at:%Y-%m-%d}" if first.interval == "1d" else f"{at:%Y-%m-%d %H:%M}"
        else:
            stamp = f"{'':10} {at:%H:%M}"
        day = at.date()
        colour = "green" if candle.close > candle.open else "red" if candle.close < candle.open else ""
        prices = [f"{price:,.{decimals}f}" for price in (candle.open, candle.high, candle.low, candle.close)]
        counts = [f"{candle.volume:,}", *((f"{candle.oi:,}" if candle.oi >= 0 else "",) if has_oi else ())]
        table.add_row(stamp, *prices[:3], Text(prices[3], style=colour), *counts, Text(_marks(candle), style="yellow"))
    Console().print(table)


def _marks(candle: Candle) -> str:
    revised = f"revised {candle.revision}×" if candle.revision else ""
    marks = ("" if candle.complete else "open", "gap" if candle.gap else "", revised)
    return ", ".join(mark for mark in (*marks, "" if candle.source == "ticks" else candle.source) if mark)
