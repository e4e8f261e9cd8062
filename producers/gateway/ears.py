"""Hearing: the broker's order book again and again, what it pushes in between, and what it says is held."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import structlog

from infra.metrics import GATEWAY_LOOKS, GATEWAY_NEWS
from producers.gateway.broker import Broker, BrokerError, TokenError
from producers.gateway.core import Core
from producers.gateway.errand import Now
from producers.gateway.hands import Tell
from schemas.orders import BrokerPositions

POSITIONS_S, REST_S, BETWEEN_S = 60.0, 2.0, 5.0  # each minute; after fills have rested; but no faster than this
AGAIN_S = 1.0  # after the order book or the positions could not be had
PAUSE_S = 0.05
SHARE = 5  # between two order books passes so many times what the last one took: a large one must not take all there is
log = structlog.get_logger()


class Ears:
    """What the broker tells, handed to the core. ``wake``: something changed that may let an errand go."""

    def __init__(
        self, core: Core, broker: Broker, now: Callable[[], Now], tell: Tell, wake: Callable[[], None], name: str
    ) -> None:
        self._core, self._broker, self._now, self._tell, self._wake = core, broker, now, tell, wake
        self._name, self._account = name, broker.account
        self.trouble = ""  # why the order book cannot be had
        self.looked_s = -math.inf  # when the last order book that came was asked for

    async def look(self) -> None:
        """The order book: what it shows is so, whatever else was heard or missed."""
        search, asked_s, not_before_s = self._core.search, -math.inf, 0.0
        while True:
            if time.monotonic() < max(not_before_s, search.next_look_s(asked_s)):
                await asyncio.sleep(PAUSE_S)
                continue
            look = search.look(self._now())
            asked_s = look.asked_s
            try:
                shown = await self._broker.orders()
            except BrokerError as error:
                self._is_blind(error)
                not_before_s = time.monotonic() + AGAIN_S
                continue
            took_s = time.monotonic() - asked_s
            not_before_s = time.monotonic() + SHARE * took_s
            self.trouble, self._core.no_token, self.looked_s = "", "", asked_s
            GATEWAY_LOOKS.labels(self._account, "done").inc()
            self._tell(search.looked(look, shown, self._now()))
            self._wake()

    async def listen(self) -> None:
        """What the broker pushes."""
        async for seen in self._broker.updates():
            GATEWAY_NEWS.labels(self._account, seen.source).inc()
            self._tell(self._core.search.news(seen, self._now()))
            self._wake()

    async def positions(self, write: Callable[[BrokerPositions], None]) -> None:
        """What is held: at the start, each minute, and when fills have come to rest."""
        told_s, search = -math.inf, self._core.search
        while True:
            now = self._now()
            has_rested = search.filled_s > told_s and now.s - search.filled_s >= REST_S
            if now.s - told_s >= (BETWEEN_S if has_rested else POSITIONS_S):
                try:
                    held = await self._broker.positions()
                except BrokerError as error:
                    log.warning("the broker's positions cannot be had", reason=str(error))
                else:
                    told_s = now.s
                    write(BrokerPositions(self._account, now.us, held, self._name))
            await asyncio.sleep(AGAIN_S)

    def _is_blind(self, error: BrokerError) -> None:
        if str(error) != self.trouble:
            log.warning("the broker's order book cannot be had", reason=str(error))
        self.trouble = str(error)
        self._core.search.look_wanted = True
        if isinstance(error, TokenError):
            self._core.no_token = str(error)
        GATEWAY_LOOKS.labels(self._account, "failed").inc()
