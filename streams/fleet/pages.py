"""The fleet's web views, on the loopback address: its own tables, for people and for tests."""

from __future__ import annotations

import time
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from infra.faust_app import App
from streams.fleet.book import Book
from streams.fleet.views import algo_views, command_views, node_views, task_views


def add_pages(app: App, book: Book) -> None:
    """``/health``, ``/nodes``, ``/tasks``, ``/algos``, ``/commands`` and ``/metrics``."""

    @app.page("/health")  # type: ignore[untyped-decorator]
    async def health(view: Any, request: Any) -> Any:
        state = book.state
        said = {
            "status": "ok" if book.active else "starting",
            "detail": book.detail,
            "nodes": len(state.nodes),
            "tasks": len(state.tasks),
            "algos": len(state.algos),
            "commands": len(state.commands),
            "rejected": book.rejected,
        }
        return view.json(said, status=200 if book.active else 503)

    @app.page("/nodes")  # type: ignore[untyped-decorator]
    async def nodes(view: Any, request: Any) -> Any:
        return _answer(view, "nodes", node_views(book.state, time.time_ns() // 1000))

    @app.page("/tasks")  # type: ignore[untyped-decorator]
    async def tasks(view: Any, request: Any) -> Any:
        removed = request.query.get("removed", "") == "true"
        return _answer(view, "tasks", task_views(book.state, time.time_ns() // 1000, removed=removed))

    @app.page("/algos")  # type: ignore[untyped-decorator]
    async def algos(view: Any, request: Any) -> Any:
        return _answer(view, "algos", algo_views(book.state))

    @app.page("/commands")  # type: ignore[untyped-decorator]
    async def commands(view: Any, request: Any) -> Any:
        now_us, task = time.time_ns() // 1000, request.query.get("task", "")
        return _answer(view, "commands", command_views(book.state, now_us, task=task))

    @app.page("/metrics")  # type: ignore[untyped-decorator]
    async def metrics(view: Any, request: Any) -> Any:
        return view.bytes(generate_latest(), content_type=CONTENT_TYPE_LATEST.partition(";")[0])


def _answer(view: Any, name: str, views: list[Any]) -> Any:
    return view.bytes(orjson.dumps({name: views}), content_type="application/json")
