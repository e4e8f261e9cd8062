"""The REST side as one application: Kite's routes, its errors, and the simulator's own under ``/simulator``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from infra.errors import UserError
from producers.simulator.answers import Door
from producers.simulator.errors import KiteError, error_body
from producers.simulator.exchange import Exchange
from producers.simulator.faults import faults_router
from producers.simulator.limits import RateLimits
from producers.simulator.login import login_router
from producers.simulator.orders.floor import Trading
from producers.simulator.orders.rest import order_routes, own_router, portfolio_router
from producers.simulator.quotes import quotes_router
from producers.simulator.sessions import Sessions


def build_app(
    exchange: Exchange, sessions: Sessions, trading: Trading, limits: RateLimits, routers: Iterable[APIRouter] = ()
) -> FastAPI:
    """The application. What is not part of it (funds, GTT orders, baskets) answers 404 in Kite's form."""
    app = FastAPI(title="Simulated exchange", docs_url=None, redoc_url=None, openapi_url=None)
    door, desk = Door(sessions, limits), trading.desk
    app.router.routes.extend(order_routes(desk, door, trading.faults))  # first: nothing is asked for as often
    app.include_router(login_router(exchange, door))
    app.include_router(quotes_router(exchange, door))
    app.include_router(portfolio_router(desk, door, trading.prices))
    app.include_router(own_router(desk, trading.journal))
    app.include_router(faults_router(exchange, sessions, trading.faults))
    for router in routers:
        app.include_router(router)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        market = exchange.market
        return {
            "status": "ok",
            "market_time": exchange.local_time(exchange.clock.now_us()),
            "day": market.catalogue.day.isoformat(),
            "instruments": len(market.catalogue) + len(exchange.extras),
            "connections": len(exchange.connections),
            "orders": len(desk.book.orders),
            "merged_steps": exchange.merged_steps,
            "silent": exchange.is_silent,
        }

    _errors_in_kites_form(app)
    return app


def _errors_in_kites_form(app: FastAPI) -> None:
    def respond(status: int, error_type: str, message: str) -> Response:
        return Response(error_body(error_type, message), status, media_type="application/json")

    @app.exception_handler(KiteError)
    async def kite(_: Request, error: KiteError) -> Response:
        return respond(error.status, error.error_type, error.message)

    @app.exception_handler(UserError)
    async def user(_: Request, error: UserError) -> Response:
        return respond(400, "InputException", str(error))

    @app.exception_handler(RequestValidationError)
    async def validation(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return respond(400, "InputException", f"Invalid `{first['loc'][-1]}`: {first['msg']}.")

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        message = {404: "Route not found", 405: "Method not allowed"}.get(error.status_code, str(error.detail))
        return respond(error.status_code, "GeneralException", message)
