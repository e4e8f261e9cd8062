"""The access token of the day: a new one is found without a restart."""

from __future__ import annotations

import asyncio
import time

import structlog

from producers.kite.session import stored_token

NEEDED_S, GOOD_S = 1.0, 10.0  # from one look to the next, while a token is needed and otherwise
MISSING = "nobody has logged in at Kite yet: `./portfolio kite login`"
log = structlog.get_logger()


class Tokens:
    """The newest stored token that Kite has not refused."""

    def __init__(self) -> None:
        self.current = ""
        self.trouble = MISSING  # why there is none
        self._refused = ""

    def refuse(self, token: str, why: str) -> None:
        """Kite did not take it; only another one helps."""
        self._refused = token
        if self.current == token:
            self.current, self.trouble = "", why

    async def run(self) -> None:
        """Looks for another one, for ever."""
        looked = 0.0
        while True:
            if time.monotonic() - looked >= (GOOD_S if self.current else NEEDED_S):
                looked = time.monotonic()
                await self._look()
            await asyncio.sleep(NEEDED_S / 4)

    async def _look(self) -> None:
        try:
            token = await asyncio.to_thread(stored_token)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is looked for again
            if not self.current:
                self.trouble = str(error)
            return
        if token is None:
            self.trouble = MISSING
        elif token not in (self.current, self._refused):
            log.info("another access token")
            self.current, self.trouble = token, ""
