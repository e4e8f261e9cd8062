"""Orders over REST in Kite's form, and the simulator's own addresses for tests.

Under ``/simulator``, without a session: ``POST orders`` places an order by hand, without a tag (form or query fields as
Kite's; a market order is protected automatically); ``GET orders`` lists all of today's (``?earlier=true``: and of the
days before that are kept); ``POST funds?cash=N`` sets the opening cash in rupees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.routing import Route

from producers.simulator.answers import Door, answer, parameters
from producers.simulator.errors import KiteError
from producers.simulator.orders.book import Book
from producers.simulator.orders.desk import Desk
from producers.simulator.orders.faults import OrderFaults
from producers.simulator.orders.fields import check_variety, refusal
from producers.simulator.orders.form import book_form, order_form, trade_form
from producers.simulator.orders.journal import Journal, read_file
from producers.simulator.orders.portfolio import holding_form, margin_form, position_form
from producers.simulator.orders.records import Order
from producers.simulator.orders.work import Prices

HELD_S = 60.0  # an answer that never comes: so long the connection is held at most
NOTHING: list[Any] = []


def order_routes(desk: Desk, door: Door, faults: OrderFaults) -> list[Route]:
    """Kite's routes for orders and trades. Without FastAPI's part, which costs more than the orders themselves."""

    async def place(request: Request) -> Response:
        door.enter(request, "orders")
        fields = await parameters(request)
        check_variety(request.path_params["variety"])
        if faults.takes("error"):
            raise KiteError(502, "NetworkException", "Gateway timed out")
        order_id = desk.place(fields)
        if faults.takes("timeout"):
            await _silence(request)
        return answer({"order_id": order_id})

    async def modify(request: Request) -> Response:
        door.enter(request, "orders")
        fields = await parameters(request)
        check_variety(request.path_params["variety"])
        return answer({"order_id": desk.modify(request.path_params["order_id"], fields)})

    async def cancel(request: Request) -> Response:
        door.enter(request, "orders")
        check_variety(request.path_params["variety"])
        return answer({"order_id": desk.cancel(request.path_params["order_id"])})

    async def orders(request: Request) -> Response:
        door.enter(request)
        return _listed(desk.book.orders.values())

    async def history(request: Request) -> Response:
        door.enter(request)
        order = desk.book.find(request.path_params["order_id"])
        return answer([order_form(order, entry) for entry in order.entries])

    async def order_trades(request: Request) -> Response:
        door.enter(request)
        order = desk.book.find(request.path_params["order_id"])
        return answer([trade_form(order, trade) for trade in order.trades])

    async def trades(request: Request) -> Response:
        door.enter(request)
        book = desk.book
        return answer([trade_form(book.orders[trade.order], trade) for trade in book.trades])

    async def triggers(request: Request) -> Response:
        door.enter(request)
        raise refusal("The simulated exchange takes no GTT orders.")

    return [
        Route("/orders/{variety}", place, methods=["POST"]),
        Route("/orders/{variety}/{order_id}", modify, methods=["PUT"]),
        Route("/orders/{variety}/{order_id}", cancel, methods=["DELETE"]),
        Route("/orders", orders),
        Route("/orders/{order_id}", history),
        Route("/orders/{order_id}/trades", order_trades),
        Route("/trades", trades),
        Route("/gtt/triggers", triggers, methods=["GET", "POST"]),
    ]


def portfolio_router(desk: Desk, door: Door, prices: Prices) -> APIRouter:
    """Kite's routes for positions, holdings and money."""
    router = APIRouter()

    @router.get("/portfolio/positions")
    async def positions(request: Request) -> Response:
        door.enter(request)
        lines = [(line, prices.look(line.instrument)) for line in desk.book.account.lines.values() if line.is_used]
        net = [position_form(line, look, of_the_day=False) for line, look in lines]
        day = [position_form(line, look, of_the_day=True) for line, look in lines if line.bought or line.sold]
        return answer({"net": net, "day": day})

    @router.put("/portfolio/positions")
    async def convert(request: Request) -> Response:
        door.enter(request)
        raise refusal("The simulated exchange does not convert positions from one product to another.")

    @router.get("/portfolio/holdings")
    async def holdings(request: Request) -> Response:
        door.enter(request)
        account = desk.book.account
        made = []
        for name, holding in account.holdings.items():
            line = account.lines.get((name, "CNC"))
            sold = max(0, -line.quantity) if line else 0
            made.append(holding_form(holding, sold, prices.look(holding.instrument)))
        return answer(made)

    @router.get("/portfolio/holdings/auctions")
    async def auctions(request: Request) -> Response:
        door.enter(request)
        return answer(NOTHING)

    @router.get("/user/margins")
    async def margins(request: Request) -> Response:
        door.enter(request)
        return answer({"equity": margin_form(desk.book.account), "commodity": margin_form(None)})

    @router.get("/user/margins/{segment}")
    async def margin(request: Request, segment: str) -> Response:
        door.enter(request)
        if segment not in ("equity", "commodity"):
            raise KiteError(400, "InputException", "Invalid segment: equity or commodity.")
        return answer(margin_form(desk.book.account if segment == "equity" else None))

    return router


def own_router(desk: Desk, journal: Journal) -> APIRouter:
    """The simulator's own routes."""
    router = APIRouter(prefix="/simulator")

    @router.post("/orders")
    async def by_hand(request: Request) -> Response:
        fields = {"market_protection": "-1"} | dict(request.query_params) | await parameters(request)
        return answer({"order_id": desk.place(fields, tagged=False)})

    @router.get("/orders")
    async def everything(earlier: bool = False) -> Response:
        before: list[Order] = []
        for path in journal.earlier() if earlier else ():
            book = await asyncio.to_thread(_read, path)
            before.extend(book.orders.values())
        return _listed([*before, *desk.book.orders.values()])

    @router.post("/funds")
    async def funds(cash: float = Query(ge=0, le=1e12)) -> dict[str, float]:
        desk.set_cash(round(cash * 100))
        return {"cash": cash}

    return router


def _read(path: Path) -> Book:
    return Book.of(read_file(path))


def _listed(orders: Iterable[Order]) -> Response:
    forms = b",".join([book_form(order) for order in orders])
    return Response(b'{"status":"success","data":[' + forms + b"]}", media_type="application/json")


async def _silence(request: Request) -> None:
    """Waits until the client has given up, and gives no answer that it could want."""
    with suppress(TimeoutError):
        async with asyncio.timeout(HELD_S):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    raise KiteError(504, "NetworkException", "Gateway timed out")
