"""Kite behind the feed's small interface."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import structlog
from kiteconnect.exceptions import KiteException

from infra.clock import market_clock
from infra.errors import UserError
from infra.settings import settings
from producers.feed.provider import ConnectionLostError, Decoded, Frame, NoTokenError, TokenRejectedError
from producers.kite import session
from producers.kite.instruments import to_instruments
from producers.kite.packets import decode_all
from producers.kite.ticks import KiteConnection, open_connection
from schemas.market import Instrument

log = structlog.get_logger()
LOOK_AGAIN_S = 1.0
CHECK_SESSION_S = 5.0


class Kite:
    """``producers.feed.provider.Provider`` for Zerodha, and for the simulator at Kite's place."""

    name = "kite"
    connection_limit = 3000

    def __init__(self) -> None:
        self._rejected: str | None = None

    async def connect(self) -> KiteConnection:
        """A connection with the newest token."""
        token = await self._token()
        if token is None:
            raise NoTokenError("nobody has logged in at Kite yet: `./portfolio kite login`")
        chosen = settings()
        try:
            return await open_connection(chosen.kite_ws_url, chosen.kite_api_key, token, market_clock())
        except TokenRejectedError:
            self._rejected = token
            raise

    async def new_token(self) -> None:
        """Waits, without asking Kite again, until the stored token is another one."""
        while True:
            try:
                if await self._token() not in (None, self._rejected):
                    return
            except ConnectionLostError as error:
                log.warning("waiting for a token", error=str(error))
            await asyncio.sleep(LOOK_AGAIN_S)

    def decode(self, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Decoded]]:
        """The frames' ticks."""
        return decode_all(frames)

    async def keep_session(self) -> None:
        """At the simulator: logs in at the start and whenever the token has died."""
        while settings().uses_simulator:
            try:
                token = await self._token()
                if token is None or not await asyncio.to_thread(session.token_is_good, token):
                    await asyncio.to_thread(session.log_in_at_simulator)
                    log.info("logged in at the simulator")
            except (UserError, ConnectionLostError) as error:
                log.warning("no session at the simulator", error=str(error))
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            await asyncio.sleep(CHECK_SESSION_S)

    async def instruments(self) -> list[Instrument]:
        """Today's dump. ConnectionLostError when it can't be had now."""
        try:
            token = await self._token()
            rows = await asyncio.to_thread(lambda: session.client(token).instruments())
        except (KiteException, OSError) as error:
            raise ConnectionLostError(f"Kite gave no list of instruments: {error}") from error
        return to_instruments(rows)

    async def _token(self) -> str | None:
        try:
            return await asyncio.to_thread(session.stored_token)
        except UserError as error:
            raise ConnectionLostError(str(error)) from error
