"""The Faust application of risk: wiring only."""

from __future__ import annotations

from typing import Any

from mode import CrashingSupervisor

from infra.clock import Clock
from infra.faust_app import App, make_app
from infra.fenced_tables import FencedTable
from infra.settings import Settings
from streams.risk.agent import RiskAgent
from streams.risk.clerk import Clerk
from streams.risk.entries import VERSION
from streams.risk.intake import READ
from streams.risk.pages import add_pages
from streams.risk.prices import MarketLog

GROUP = "risk"


def risk_app(of: Settings, market: MarketLog, clock: Clock, clerk: Clerk, slot: int = 0) -> tuple[App, RiskAgent]:
    """The app and its agent."""
    port = of.risk_web_port + slot
    member = f"{GROUP}-{of.feed_pool}-{slot}-{port}"  # Faust takes no assignment that was made for another port
    app = make_app(GROUP, of, port, slot, store="memory://", consumer_group_instance_id=member)
    app.keeps_order = True
    agent = RiskAgent(app, of, market, clock, clerk)
    agent.table = FencedTable(app, f"book-v{VERSION}", of, agent.take_charge, agent.on_recovered)
    topic = app.topic(*READ, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    @app.agent(topic, name="fold", concurrency=1, supervisor_strategy=CrashingSupervisor)  # type: ignore[untyped-decorator]
    async def fold(stream: Any) -> None:
        await agent.consume(stream)

    @app.task  # type: ignore[untyped-decorator]
    async def work() -> None:
        await agent.work()

    @app.task  # type: ignore[untyped-decorator]
    async def keep_order() -> None:
        await agent.keep_order()

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def revoked(_: Any, partitions: Any, **kwargs: Any) -> None:
        await agent.on_revoked(partitions)

    add_pages(app, agent)
    return app, agent
