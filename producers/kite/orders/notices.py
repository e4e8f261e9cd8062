"""Order frames: the feed's websockets get them with the ticks, and write them to topic broker-notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import structlog

from infra.settings import Settings
from producers.gateway.follow import END, Followed, Follower
from producers.kite.orders.forms import Form
from producers.kite.session import PROVIDER
from schemas.orders import BrokerNotice
from schemas.topics import BROKER_NOTICES

log = structlog.get_logger()


def follow(of: Settings, hear: Callable[[Form], None]) -> Follower:
    """Hands on what comes from now on, in this event loop; what came before shows in the order book."""
    loop = asyncio.get_running_loop()

    def on_records(records: list[Any], _: bool) -> None:
        for form in forms(records):
            loop.call_soon_threadsafe(hear, form)

    follower = Follower([Followed(BROKER_NOTICES, END)], of, on_records, "notices")
    follower.start()
    return follower


def forms(records: list[BrokerNotice]) -> list[Form]:
    """Kite's orders among what brokers said."""
    found: list[Form] = []
    for notice in records:
        if (notice.provider, notice.kind) != (PROVIDER, "order"):
            continue
        try:
            form = json.loads(notice.text)
        except ValueError:
            form = None
        if isinstance(form, dict):
            found.append(form)
        else:
            log.error("an order frame cannot be read", text=notice.text[:500])
    return found
