"""Risk's web views, on the loopback address: its book, for people and for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from infra.faust_app import App
from streams.positions.fold import to_position
from streams.risk.book import Book

if TYPE_CHECKING:
    from streams.risk.agent import RiskAgent

MOST = 1000  # rows of an answer


def add_pages(app: App, agent: RiskAgent) -> None:
    """``/health``, ``/risk``, ``/orders``, ``/positions``, ``/limits``, ``/states``, ``/digest`` and ``/metrics``."""

    def book() -> Book:
        return agent.charge.book if agent.charge is not None else Book()

    @app.page("/health")  # type: ignore[untyped-decorator]
    async def health(view: Any, request: Any) -> Any:
        charge = agent.charge
        said = {
            "status": "ok" if agent.active else "starting",
            "detail": agent.detail,
            "orders": len(book().orders),
            "verdicts": charge.verdicts if charge else 0,
            "repeated": charge.repeated if charge else 0,
            "rejected": charge.rejected if charge else 0,
        }
        return view.json(said, status=200 if agent.active else 503)

    @app.page("/risk")  # type: ignore[untyped-decorator]
    async def risk(view: Any, request: Any) -> Any:
        points = agent.charge.watching.points.values() if agent.charge else ()
        breaches = list(book().breaches.values())
        return _answer(view, {"points": list(points), "breaches": breaches, "jobs": list(book().jobs.values())})

    @app.page("/orders")  # type: ignore[untyped-decorator]
    async def orders(view: Any, request: Any) -> Any:
        """All live ones, or with ``?all=true`` those that are done too; the latest first."""
        with_done = request.query.get("all", "") == "true"
        found = list(book().orders.values()) if with_done else book().live_of()
        latest = sorted(found, key=lambda order: order.state.last_us, reverse=True)
        return _answer(view, {"orders": _some(latest), "count": len(latest)})

    @app.page("/positions")  # type: ignore[untyped-decorator]
    async def positions(view: Any, request: Any) -> Any:
        found = [to_position(holding) for holding in book().holdings]
        differences = list(book().differences.values())
        return _answer(view, {"positions": _some(found), "count": len(found), "differences": differences})

    @app.page("/limits")  # type: ignore[untyped-decorator]
    async def limits(view: Any, request: Any) -> Any:
        return _answer(view, {"limits": [limit for limit in book().limits.values() if not limit.removed]})

    @app.page("/states")  # type: ignore[untyped-decorator]
    async def states(view: Any, request: Any) -> Any:
        held = agent.charge.held() if agent.charge else {}
        return _answer(view, {"states": list(book().states.values()), "brake": held})

    @app.page("/digest")  # type: ignore[untyped-decorator]
    async def digest(view: Any, request: Any) -> Any:
        """``kept``: this very book is in the table's changelog."""
        return view.json({"digest": book().digest(), "next": book().next, "kept": agent.is_kept})

    @app.page("/metrics")  # type: ignore[untyped-decorator]
    async def metrics(view: Any, request: Any) -> Any:
        return view.bytes(generate_latest(), content_type=CONTENT_TYPE_LATEST.partition(";")[0])


def _some(rows: Iterable[Any]) -> list[Any]:
    return list(rows)[:MOST]


def _answer(view: Any, said: dict[str, Any]) -> Any:
    return view.bytes(orjson.dumps(said), content_type="application/json")
