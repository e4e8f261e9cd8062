"""The routes of orders, fills and positions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool

from schemas.orders import OrderIntent
from streams.console import trading_models as models
from streams.console import trading_rows as rows
from streams.console import trading_view as view
from streams.console.explain import explain
from streams.console.fleet_routes import CHANGE, REFUSED, UNKNOWN, Actor
from streams.console.serving import Ready
from streams.console.state import Console
from streams.console.trading_desk import RESTING, settled
from streams.console.trading_log import Order
from streams.console.trading_words import NOT_DONE, change_told, told

router = APIRouter(prefix="/api")
Id = Annotated[str, Path(max_length=64, description="the order's id")]
Wait = Annotated[float, Query(ge=0, le=30, description="hold the answer back until it is known what became of it")]


@router.get("/orders", tags=["orders"], responses=REFUSED | UNKNOWN)
def orders(console: Ready, query: Annotated[models.OrdersQuery, Query()]) -> models.Orders:
    """Orders of all algos and people, those that were refused with their code, and those placed by hand at the broker
    (run `EXTERNAL`); the latest first."""
    return view.orders_view(console, query)


@router.post("/orders", tags=["orders"], responses=CHANGE)
async def place(console: Ready, asked: models.PlaceOrder, actor: Actor = "console", wait_s: Wait = 0) -> models.Ordered:
    """Place an order as a person. It goes the way of all orders: risk judges it, then the account's gateway sends it.
    With `wait_s` the answer comes when it is filled, rests in the book, or was refused."""
    intent, warnings = await run_in_threadpool(console.order_desk.place, asked, actor)
    return await _ordered(console, intent, wait_s, warnings)


@router.get("/orders/{id}", tags=["orders"], responses=UNKNOWN)
def order(console: Ready, id: Id) -> models.OrderDetail:
    """One order: the verdict, changes of it, every event and fill. Old ones are looked for in the log."""
    return view.order_view(console, id)


@router.delete("/orders/{id}", tags=["orders"], responses=CHANGE)
async def cancel(
    console: Ready,
    id: Id,
    actor: Actor = "console",
    reason: Annotated[str, Query(max_length=300)] = "",
    wait_s: Wait = 0,
) -> models.Ordered:
    """Cancel what is not filled yet."""
    found = await run_in_threadpool(view.find_order, console, id)
    intent = await run_in_threadpool(console.order_desk.cancel, found, actor, reason)
    return await _ordered(console, intent, wait_s, [])


@router.patch("/orders/{id}", tags=["orders"], responses=CHANGE)
async def modify(
    console: Ready, id: Id, asked: models.ModifyOrder, actor: Actor = "console", wait_s: Wait = 0
) -> models.Ordered:
    """Ask for another quantity, price or trigger of a live order."""
    found = await run_in_threadpool(view.find_order, console, id)
    intent = await run_in_threadpool(console.order_desk.modify, found, asked, actor)
    return await _ordered(console, intent, wait_s, [])


@router.get("/trades", tags=["orders"], responses=REFUSED | UNKNOWN)
def trades(console: Ready, query: Annotated[models.TradingQuery, Query()]) -> models.Trades:
    """Fills, each at its own price; the latest first."""
    return view.trades_view(console, query)


@router.get("/positions", tags=["orders"], responses=REFUSED | UNKNOWN)
def positions(console: Ready, query: Annotated[models.PositionsQuery, Query()]) -> models.Positions:
    """What is held, by account, algo and instrument; where the broker sees it otherwise; and what the broker says."""
    return view.positions_view(console, query)


@router.get("/explain/{order}", tags=["orders"], responses=UNKNOWN)
def explained(console: Ready, order: Id) -> models.Explanation:
    """Everything about one order by its one id: the tick, candle or signal that led to it, the intent, the verdict with
    its numbers, the send, every event, the fills, the position after it, and what risk did meanwhile."""
    return explain(console, order)


async def _ordered(console: Console, intent: OrderIntent, wait_s: float, warnings: list[str]) -> models.Ordered:
    """What became of a wish, at the latest after that time."""
    found = console.trading.orders[intent.order or intent.id]

    def look() -> tuple[bool, bool]:
        with console.trading_follower.lock:
            return _state(found, intent)

    is_settled = await settled(look, wait_s)
    with console.trading_follower.lock:
        row = rows.order_row(found)
        change = found.changes.get(intent.id)
        shown = rows.change_row(found, change) if change else None
    done = shown.state not in ("refused", "failed") if shown else row.status not in NOT_DONE
    return models.Ordered(
        message=change_told(row, shown) if shown else told(row),
        id=row.id, intent=intent.id, settled=is_settled, done=done, order=row, warnings=warnings,
    )  # fmt: skip


def _state(order: Order, intent: OrderIntent) -> tuple[bool, bool]:
    """Whether it is final what became of a wish, and whether the order rests in the book."""
    if intent.action == "place":
        return not order.is_live, order.status in RESTING and intent.kind != "market"
    change = order.changes.get(intent.id)
    state = rows.change_state(order, change)[0] if change else ""
    return state in ("done", "failed", "refused") or not order.is_live, False
