"""The Faust application of the candles: wiring only."""

from __future__ import annotations

from typing import Any

from mode import CrashingSupervisor

from infra.faust_app import App, make_app
from infra.settings import Settings
from schemas.topics import TICKS
from streams.candles.agent import CandleAgent
from streams.candles.pages import add_pages

GROUP = "candles"  # the consumer group


def candles_app(of: Settings, slot: int = 0) -> tuple[App, CandleAgent]:
    """The app and its agent, for a worker slot of this computer; slot n has the web port of the settings plus n."""
    app = make_app(GROUP, of, of.candles_web_port + slot, slot)
    app.keeps_order = True
    agent = CandleAgent(app, of, GROUP)
    ticks = app.topic(TICKS.name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    @app.agent(ticks, name="candles", concurrency=1, supervisor_strategy=CrashingSupervisor)  # type: ignore[untyped-decorator]
    async def fold_ticks(stream: Any) -> None:
        await agent.consume(stream)

    @app.task  # type: ignore[untyped-decorator]
    async def flush() -> None:
        await agent.keep_flushing()

    @app.task  # type: ignore[untyped-decorator]
    async def keep_order() -> None:
        await agent.keep_order()

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
    async def assigned(_: Any, partitions: Any, **kwargs: Any) -> None:
        agent.on_assigned(partitions)

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def revoked(_: Any, partitions: Any, **kwargs: Any) -> None:
        await agent.on_revoked(partitions)

    add_pages(app, agent)
    return app, agent
