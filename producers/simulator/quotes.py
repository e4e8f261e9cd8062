"""Market data over REST: the list of instruments, quotes and history."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from producers.simulator.answers import Door, answer
from producers.simulator.errors import KiteError
from producers.simulator.exchange import Exchange
from producers.simulator.history import WIDTHS, Candles, listed_days, past_days, running_day
from producers.simulator.orders.bands import band
from schemas.calendar import calendar_of
from schemas.market import Instrument

COLUMNS = (
    "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry", "strike", "tick_size",
    "lot_size", "instrument_type", "segment", "exchange",
)  # fmt: skip
MOST_QUOTES = {"quote": 500, "ohlc": 1000, "ltp": 1000}
DAYS_AT_ONCE = 200  # of history, computed in a thread between two looks at the event loop


def quotes_router(exchange: Exchange, door: Door) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get("/instruments")
    async def instruments(request: Request) -> Response:
        door.enter(request)
        return _csv(exchange.instruments())

    @router.get("/instruments/{listed_at}")
    async def instruments_of(request: Request, listed_at: str) -> Response:
        door.enter(request)
        return _csv(entry for entry in exchange.instruments() if entry.exchange == listed_at)

    @router.get("/quote")
    async def quote(request: Request, i: list[str] = Query(default=[])) -> Any:  # noqa: B008 - FastAPI's form
        return _quotes(exchange, door, request, i, "quote")

    @router.get("/quote/ohlc")
    async def ohlc(request: Request, i: list[str] = Query(default=[])) -> Any:  # noqa: B008
        return _quotes(exchange, door, request, i, "ohlc")

    @router.get("/quote/ltp")
    async def ltp(request: Request, i: list[str] = Query(default=[])) -> Any:  # noqa: B008
        return _quotes(exchange, door, request, i, "ltp")

    @router.get("/instruments/historical/{token}/{interval}")
    async def historical(request: Request, token: str, interval: str) -> Any:
        door.enter(request, "historical")
        return await _historical(exchange, token, interval, dict(request.query_params))

    return router


def _csv(instruments: Iterable[Instrument]) -> Response:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in instruments:
        writer.writerow(
            (entry.token, entry.token >> 8, entry.symbol, entry.name, 0.0, entry.expiry, entry.strike, entry.tick_size,
             entry.lot_size, entry.kind, entry.segment, entry.exchange)
        )  # fmt: skip
    return Response(out.getvalue(), media_type="text/csv")


def _quotes(exchange: Exchange, door: Door, request: Request, names: list[str], kind: str) -> Any:
    door.enter(request, "quote")
    if not names:
        raise KiteError(400, "InputException", "Missing `i`: give instruments as EXCHANGE:SYMBOL.")
    if len(names) > MOST_QUOTES[kind]:
        raise KiteError(400, "InputException", f"Too many instruments. Max permitted is {MOST_QUOTES[kind]}.")
    found = ((name, exchange.find(name), exchange.packet(name)) for name in names)
    return answer(
        {name: _quote(exchange, entry, packet, kind) for name, entry, packet in found if entry and packet is not None}
    )


def _rupees(value: Any) -> float:
    return round(int(value) / 100, 2)


def _quote(exchange: Exchange, instrument: Instrument, packet: np.void, kind: str) -> dict[str, Any]:
    made: dict[str, Any] = {"instrument_token": int(packet["token"]), "last_price": _rupees(packet["last_price"])}
    if kind == "ltp":
        return made
    made["ohlc"] = {name: _rupees(packet[name]) for name in ("open", "high", "low", "close")}
    if kind == "ohlc":
        return made
    close = made["ohlc"]["close"]
    made["timestamp"] = exchange.local_time(int(packet["exchange_time"]) * 1_000_000)
    made["net_change"] = round(made["last_price"] - close, 2)
    made["lower_circuit_limit"], made["upper_circuit_limit"] = map(_rupees, band(instrument, int(packet["close"])))
    if "depth" in (packet.dtype.names or ()):
        made |= _details(exchange, packet)
    return made


def _details(exchange: Exchange, packet: np.void) -> dict[str, Any]:
    whole = ("last_quantity", "volume", "buy_quantity", "sell_quantity", "oi", "oi_day_high", "oi_day_low")
    levels = [
        {"price": _rupees(level["price"]), "quantity": int(level["quantity"]), "orders": int(level["orders"])}
        for level in packet["depth"]
    ]
    return {name: int(packet[name]) for name in whole} | {
        "average_price": _rupees(packet["average_price"]),
        "last_trade_time": exchange.local_time(int(packet["last_trade_time"]) * 1_000_000),
        "depth": {"buy": levels[:5], "sell": levels[5:]},
    }


async def _historical(exchange: Exchange, token: str, interval: str, asked: dict[str, str]) -> Any:
    if interval not in WIDTHS:
        raise KiteError(400, "InputException", f"Invalid interval: one of {', '.join(WIDTHS)}.")
    width, most_days = WIDTHS[interval]
    start, end = (_time(asked, name) for name in ("from", "to"))
    if start > end:
        raise KiteError(400, "InputException", "`from` date cannot be after `to` date.")
    if (end - start).days > most_days:
        raise KiteError(400, "InputException", f"interval exceeds max limit: {most_days} days")
    row = exchange.market.catalogue.row_of.get(int(token) if token.isdecimal() else -1)
    if row is None:
        if token.isdecimal() and int(token) in exchange.extras:
            return answer({"candles": []})
        raise KiteError(400, "InputException", "Invalid instrument token.")
    with_oi = asked.get("oi") == "1"
    candles: list[list[Any]] = []
    async for day, part in _days(exchange, row, width, start.date(), end.date()):
        candles.extend(_candle_rows(day, part, width, start, end, with_oi))
    return answer({"candles": candles})


async def _days(exchange: Exchange, row: int, width: int, first: date, last: date) -> Any:
    market, seed = exchange.market, exchange.seed
    today, traits = market.catalogue.day, market.catalogue.traits.only(row)
    days = list(listed_days(market.catalogue, row, first, min(last, today)))
    past = [day for day in days if day < today]
    for at in range(0, len(past), DAYS_AT_ONCE):
        some = past[at : at + DAYS_AT_ONCE]
        made = await asyncio.to_thread(past_days, seed, traits, some, width)
        for day, candles in zip(some, made, strict=True):
            yield day, candles
    if today in days:
        yield today, running_day(market, traits, seed, row, width)


def _candle_rows(
    day: date, candles: Candles, width: int, start: datetime, end: datetime, with_oi: bool
) -> Iterable[list[Any]]:
    zone = calendar_of("NSE").zone
    low, high = (int(t.replace(tzinfo=zone).timestamp() * 1e6) for t in (start, end))
    keep = (candles.start_us >= low) & (candles.start_us <= high) if width else np.full(len(candles.open), True)
    for start_us, *values, oi in candles.rows(keep):
        at = datetime.fromtimestamp(start_us / 1e6, zone) if width else datetime(day.year, day.month, day.day)
        yield [at.strftime("%Y-%m-%dT%H:%M:%S+0530"), *values, *([oi] if with_oi else [])]


def _time(asked: dict[str, str], name: str) -> datetime:
    """``yyyy-mm-dd[ hh:mm:ss]`` in the exchange's time; a bare date is its midnight, as ``to`` its last second."""
    given = asked.get(name, "").replace("+", " ")
    for form, extra in (("%Y-%m-%d %H:%M:%S", 0), ("%Y-%m-%d", 86399 if name == "to" else 0)):
        try:
            return datetime.strptime(given, form) + timedelta(seconds=extra)
        except ValueError:
            continue
    raise KiteError(400, "InputException", f"Invalid `{name}` date: yyyy-mm-dd hh:mm:ss.")
