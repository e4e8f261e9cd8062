"""The FastAPI application: routes, errors as one sentence, and who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware

from infra.errors import UserError
from infra.settings import Settings, settings
from streams.console import models
from streams.console.candles import read_candles
from streams.console.errors import ApiError
from streams.console.feed_view import feed_rows, feed_view, instruments_view, workers_view
from streams.console.fleet_routes import router as fleet_routes
from streams.console.health import health_view
from streams.console.market_view import market_view
from streams.console.risk_routes import router as risk_routes
from streams.console.serving import Any_, Ready
from streams.console.state import Console
from streams.console.trading_routes import router as trading_routes
from streams.fleet.errors import ConflictError, RequestError, UnknownNameError
from streams.prices.instruments import AmbiguousInstrumentError, UnknownInstrumentError

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
MARKET_EVERY_S = 1.0
log = structlog.get_logger(process="console")
DESCRIPTION = """
See and steer the platform: what is traded, what is streamed and by whom, candles, the market now; the algos: the
nodes that run them, what runs where, what it prints; orders, fills and positions; and what is at risk, with the limits
and the switches that stop it.

Every error is `{"error": "<one sentence>"}`. The same is on the command line: `./portfolio feed`, `watch`, `candles`,
`node`, `algo`, `orders`, `trades`, `positions`, `order`, `explain`, `risk`. A change of nodes or runs, and the switches
of risk, answer with their commands' ids; `/api/commands/{id}` tells what became of one.
"""
_ERRORS: dict[int | str, dict[str, Any]] = {
    422: {"model": models.Error, "description": "a field is missing or of the wrong form"},
    503: {"model": models.Error, "description": "a server that is needed does not answer"},
}
_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": models.Error, "description": "no such instrument"}}
_FULL: dict[int | str, dict[str, Any]] = {409: {"model": models.Error, "description": "it would pass a limit"}}


def create_app(of: Settings | None = None) -> FastAPI:
    """The application; its console starts and stops with it."""
    console = Console(of or settings())

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        console.start()
        yield
        await asyncio.to_thread(console.stop)

    app = FastAPIOffline(  # the documentation page brings its own scripts: it works without the internet
        title="Portfolio",
        version="0.1.0",
        description=DESCRIPTION,
        docs_url="/api/docs",
        redoc_url=None,
        static_url="/api/docs-static",
        openapi_url="/api/openapi.json",
        lifespan=life,
        responses=_ERRORS,
    )
    app.state.console = console
    app.add_middleware(BaseHTTPMiddleware, dispatch=_local_only)
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    _platform_routes(app)
    _feed_routes(app)
    _market_routes(app)
    app.include_router(fleet_routes)
    app.include_router(trading_routes)
    app.include_router(risk_routes)
    return app


def _platform_routes(app: FastAPI) -> None:
    @app.get("/api/health", tags=["platform"], responses={503: {"model": models.Health}})
    def health(console: Any_, response: Response) -> models.Health:
        """Each part's state. 503 only until the console has read its topics once."""
        response.status_code = 200 if console.ready else 503
        return health_view(console)

    @app.get("/api/instruments", tags=["instruments"])
    def instruments(console: Ready, query: Annotated[models.InstrumentQuery, Query()]) -> models.Instruments:
        """Search all instruments that the provider trades; the best matches first."""
        return instruments_view(console, query)


def _feed_routes(app: FastAPI) -> None:
    @app.get("/api/feed", tags=["feed"])
    def feed(console: Ready) -> models.Feed:
        """What is subscribed, who streams it, and when each last ticked."""
        return feed_view(console)

    @app.post("/api/feed", tags=["feed"], responses=_MISSING | _FULL)
    def add(console: Ready, wanted: models.AddInstruments) -> models.Added:
        """Subscribe instruments, or change their mode: all of them or, on an error, none. No other one is disturbed."""
        plan = console.desk.add(wanted.instruments, wanted.mode)
        rows = feed_rows(console, [*plan.added, *plan.changed, *plan.unchanged])
        return models.Added(added=plan.added, changed=plan.changed, unchanged=plan.unchanged, instruments=rows)

    @app.delete("/api/feed", tags=["feed"], responses=_MISSING)
    def remove(console: Ready, unwanted: models.RemoveInstruments) -> models.Removed:
        """Unsubscribe instruments. Those that are not subscribed are told, and an error only when none is."""
        removed, absent = console.desk.remove(unwanted.instruments)
        return models.Removed(removed=removed, not_subscribed=absent)

    @app.get("/api/feed/workers", tags=["feed"])
    def workers(console: Ready) -> models.Workers:
        """How many feed workers are wanted, and those that run."""
        return workers_view(console)

    @app.put("/api/feed/workers", tags=["feed"], responses=_FULL)
    def set_workers(console: Ready, wanted: models.SetWorkers) -> models.Workers:
        """Set how many feed workers this computer runs; its supervisor starts or stops the difference."""
        console.desk.set_workers(wanted.workers)
        return workers_view(console)


def _market_routes(app: FastAPI) -> None:
    @app.get("/api/candles", tags=["market"], responses=_MISSING)
    def candles(console: Ready, query: Annotated[models.CandleQuery, Query()]) -> models.Candles:
        """Stored candles of an instrument. Intervals above a minute are folded from the minutes."""
        return read_candles(console, query)

    @app.get("/api/market", tags=["market"])
    def market(console: Ready, query: Annotated[models.MarketQuery, Query()]) -> models.Market:
        """The market now: totals, the first rows of the wanted order, and the workers."""
        return market_view(console, query)

    @app.get("/api/market/stream", tags=["market"], response_class=StreamingResponse)
    async def stream(request: Request, console: Ready, query: Annotated[models.MarketQuery, Query()]) -> Response:
        """The same once a second as server-sent events, one `data:` line of JSON each."""

        async def events() -> AsyncIterator[str]:
            while not await request.is_disconnected():
                view = await asyncio.to_thread(market_view, console, query)
                yield f"data: {view.model_dump_json()}\n\n"
                await asyncio.sleep(MARKET_EVERY_S)

        return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _sentence(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status)


async def _local_only(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Until there is a log-in only this machine may ask, and no web page of another site may ask through a browser."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    origin = request.headers.get("origin")
    if host not in LOCAL or (origin is not None and urlsplit(origin).hostname not in LOCAL):
        return _sentence(403, "The console answers only to this machine: ask it as 127.0.0.1 or localhost.")
    return await answer(request)


async def _user_error(_: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return _sentence(error.status, str(error))
    statuses = {
        UnknownInstrumentError: 404, AmbiguousInstrumentError: 409,
        UnknownNameError: 404, ConflictError: 409, RequestError: 400,
    }  # fmt: skip
    return _sentence(next((status for kind, status in statuses.items() if isinstance(error, kind)), 503), str(error))


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    if first["type"] == "json_invalid":
        return _sentence(400, f"The body is not JSON: {first['ctx']['error']}.")
    if first["type"] == "extra_forbidden":
        return _sentence(422, f"There is no field {where!r} here.")
    if not where:
        return _sentence(422, "The body must be a JSON object with content type application/json.")
    if first["type"] == "too_short":
        return _sentence(422, f"{where}: name at least one.")
    reason = str(first["msg"])
    return _sentence(422, f"{where}: {reason[:1].lower()}{reason[1:]}.")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _sentence(404, f"There is nothing at {request.url.path}; the routes are listed at /api/docs.")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _sentence(405, f"{request.url.path} does not take {request.method}; see /api/docs.")
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return _sentence(400, "The body cannot be read as JSON.")
    return _sentence(error.status_code, str(error.detail))


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, exc_info=error)
    return _sentence(500, "The console failed at this; `./portfolio logs console` has the reason.")
