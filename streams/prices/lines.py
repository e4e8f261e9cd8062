"""Records as people read them: a line of text, or a JSON object, for each tick and each record. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from schemas.calendar import calendar_of
from schemas.market import TickKind
from schemas.ticks import ABSENT, COLUMNS, DEPTH_LEVELS, TickBatch

_ZONE = ZoneInfo("Asia/Kolkata")
_SIDE = DEPTH_LEVELS // 2
_SHOWN_BYTES = 48
_KINDS = {int(kind): kind.name.lower().replace("_", "-") for kind in TickKind}


def clock_text(at_us: int, zone: ZoneInfo = _ZONE) -> str:
    """A time of day with milliseconds, in a zone (India's by default)."""
    seconds, rest = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone(zone):%H:%M:%S}.{rest // 1000:03d}"


def zone_of(instrument: str) -> ZoneInfo:
    """The exchange's zone; India's for exchanges that the calendar does not know."""
    try:
        return calendar_of(instrument.partition(":")[0]).zone
    except KeyError:
        return _ZONE


def rows_of(batch: TickBatch, instrument: str) -> list[int]:
    """The rows of a batch that are of this instrument; of any when it is empty."""
    if not instrument:
        return list(range(len(batch)))
    if instrument not in batch.names:
        return []
    return [int(row) for row in np.flatnonzero(batch.instrument == batch.names.index(instrument))]


def tick_text(batch: TickBatch, row: int) -> str:
    """One tick as a line: time of receipt, instrument, price, last quantity, the day's volume, best bid and ask."""
    name = batch.names[int(batch.instrument[row])]
    volume = int(batch.volume[row])
    cells = [clock_text(int(batch.receive_us[row])), f"{name:<22}", f"{batch.last_price[row]:>12,.2f}"]
    if volume >= 0:
        cells += [f"{batch.last_quantity[row]:>7,}", f"{volume:>14,}"]
    if len(batch.depth_price) and (batch.depth_price[row, 0] or batch.depth_price[row, _SIDE]):
        prices, quantities = batch.depth_price[row], batch.depth_quantity[row]
        bid = f"{quantities[0]:,} × {prices[0]:,.2f}"
        cells.append(f"{bid:>20} | {prices[_SIDE]:,.2f} × {quantities[_SIDE]:,}")
    if batch.resumed_us[row]:
        cells.append(f" after a gap since {clock_text(int(batch.resumed_us[row]))}")
    return " ".join(cells)


def tick_json(batch: TickBatch, row: int) -> dict[str, Any]:
    """One tick as an object; columns that its packet did not have are left out."""
    made: dict[str, Any] = {
        "instrument": batch.names[int(batch.instrument[row])],
        "kind": _KINDS.get(int(batch.kind[row]), "unknown"),
        "provider": batch.provider,
        "worker": batch.worker,
    }
    for name in COLUMNS:
        value = getattr(batch, name)[row].item()
        if name not in made and value != ABSENT.get(name, 0):
            made[name] = value
    if len(batch.depth_price) and batch.depth_price[row].any():
        made["bids"], made["asks"] = _levels(batch, row, 0), _levels(batch, row, _SIDE)
    return made


def _levels(batch: TickBatch, row: int, start: int) -> list[dict[str, Any]]:
    columns = (batch.depth_price[row], batch.depth_quantity[row], batch.depth_orders[row])
    rows = zip(*(column[start : start + _SIDE].tolist() for column in columns), strict=True)
    return [{"price": price, "quantity": quantity, "orders": orders} for price, quantity, orders in rows]


def record_text(key: str, record: Mapping[str, Any] | None) -> str:
    """Any other record as a line: its key, then its fields; times of market time, bytes in short."""
    if record is None:
        return f"{key}  removed"
    if {"reason", "payload", "topic"} <= record.keys():
        return _dead_letter(record)
    if {"interval", "open", "close", "start_us"} <= record.keys():
        return _candle(record)
    parts = [f"{name}={_value(name, value)}" for name, value in record.items() if str(value) not in ("", key)]
    return "  ".join([key, *parts] if key else parts)


def _candle(record: Mapping[str, Any]) -> str:
    at = datetime.fromtimestamp(int(record["start_us"]) // 1_000_000, UTC)
    at = at.astimezone(zone_of(str(record["instrument"])))
    prices = "  ".join(f"{name[0].upper()} {record[name]:,.2f}" for name in ("open", "high", "low", "close"))
    marks = [name for name in ("gap",) if record.get(name)]
    marks += ["complete" if record.get("complete") else "open"]
    marks += [f"revision {record['revision']}"] if record.get("revision") else []
    head = f"{at:%Y-%m-%d %H:%M}  {record['instrument']:<22} {record['interval']:>3}"
    return f"{head}  {prices}  V {record['volume']:,}  {', '.join(marks)}"


def _dead_letter(record: Mapping[str, Any]) -> str:
    payload: bytes = record["payload"] if isinstance(record["payload"], bytes) else str(record["payload"]).encode()
    where = f"{record['topic']}[{record['partition']}]"
    where += f"@{record['offset']}" if record["offset"] >= 0 else " from a socket"
    source = f" ({record['source']})" if record.get("source") else ""
    at = clock_text(int(record.get("at_us", 0)))
    return f"{at}  {where}{source}: {record['reason']}; {len(payload)} bytes: {_bytes(payload)}"


def _value(name: str, value: Any) -> str:
    if name.endswith("_us") and isinstance(value, int):
        return clock_text(value) if value else "–"
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, list):
        return ",".join(map(str, value[:5])) + (f",… ({len(value)})" if len(value) > 5 else "")
    return str(value)


def _bytes(payload: bytes) -> str:
    """Text where it is text, else hexadecimal digits; the beginning of it."""
    start = payload[:_SHOWN_BYTES]
    text = start.decode("utf-8", "replace")
    shown = repr(text) if payload and text.isprintable() and "\ufffd" not in text else start.hex(" ", 4)
    return shown + ("…" if len(payload) > _SHOWN_BYTES else "")


def plain(value: Any) -> Any:
    """What JSON has no word for: bytes become hexadecimal digits. For orjson's ``default``."""
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def tick_lines(batch: TickBatch, instrument: str) -> Iterator[str]:
    """The ticks of a batch, one line each."""
    return (tick_text(batch, row) for row in rows_of(batch, instrument))
