"""Log-in as Kite has it: a request token, changed once for an access token that dies at 06:00 the next day.

An access token carries its own times and a signature, so it outlives a restart of the simulator.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from datetime import time as clock_time

from infra.clock import Clock
from producers.simulator.errors import KiteError
from schemas.calendar import calendar_of

REQUEST_TOKEN_S = 300.0
DIES_AT = clock_time(6)
MAC_BYTES = 9


class Sessions:
    """The one app (key and secret) and its sessions."""

    def __init__(self, api_key: str, secret: str, clock: Clock, wall: Callable[[], float] = time.time) -> None:
        self.api_key = api_key
        self._secret = secret.encode()
        self._clock = clock
        self._wall = wall
        self._requests: dict[str, float] = {}  # request token -> the wall time at which it dies
        self._ended: set[str] = set()
        self._ended_before = 0  # wall microseconds: tokens issued until then are dead

    def check_key(self, api_key: str) -> None:
        """KiteError unless it is the app's key."""
        if not hmac.compare_digest(api_key.encode(), self.api_key.encode()):
            raise KiteError(403, "TokenException", "Invalid `api_key`.")

    def request_token(self, api_key: str) -> str:
        """A token to be changed for an access token, within minutes and once."""
        self.check_key(api_key)
        now = self._wall()
        self._requests = {token: dies for token, dies in self._requests.items() if dies > now}
        token = secrets.token_urlsafe(24).replace("-", "x").replace("_", "y")
        self._requests[token] = now + REQUEST_TOKEN_S
        return token

    def access_token(self, api_key: str, request_token: str, checksum: str) -> str:
        """Changes a request token. ``checksum``: SHA-256 of key, request token and secret, in hexadecimal."""
        self.check_key(api_key)
        wanted = hashlib.sha256(api_key.encode() + request_token.encode() + self._secret).hexdigest()
        if not hmac.compare_digest(wanted, checksum):
            raise KiteError(403, "TokenException", "Invalid `checksum`.")
        if self._requests.pop(request_token, 0.0) < self._wall():
            raise KiteError(403, "TokenException", "Token is invalid or has expired.")
        return self._sign(int(self._wall() * 1e6), self._dies_us() // 1_000_000)

    def _sign(self, issued_us: int, dies_s: int) -> str:
        body = struct.pack(">QI", issued_us, dies_s)[1:]
        mac = hmac.new(self._secret, b"access" + body, hashlib.sha256).digest()[:MAC_BYTES]
        return base64.b32encode(body + mac).decode()

    def _dies_us(self) -> int:
        zone = calendar_of("NSE").zone
        now = datetime.fromtimestamp(self._clock.now_us() / 1e6, zone)
        day = now.date() if now.time() < DIES_AT else now.date() + timedelta(days=1)
        return int(datetime.combine(day, DIES_AT, zone).timestamp() * 1e6)

    def is_valid(self, api_key: str, access_token: str) -> bool:
        """Whether a key and token may be used now."""
        if not hmac.compare_digest(api_key.encode(), self.api_key.encode()) or access_token in self._ended:
            return False
        try:
            body = base64.b32decode(access_token)[:-MAC_BYTES]
            issued_us, dies_s = struct.unpack(">QI", b"\x00" + body)
        except (binascii.Error, struct.error, ValueError):
            return False
        if not hmac.compare_digest(self._sign(issued_us, dies_s), access_token):
            return False
        alive: bool = issued_us > self._ended_before and self._clock.now_us() < dies_s * 1_000_000
        return alive

    def check(self, api_key: str, access_token: str) -> None:
        """KiteError unless valid."""
        if not self.is_valid(api_key, access_token):
            raise KiteError(403, "TokenException", "Incorrect `api_key` or `access_token`.")

    def end(self, access_token: str) -> None:
        """Logs a session out."""
        self._ended.add(access_token)

    def end_all(self) -> None:
        """Ends every session that there is now."""
        self._ended_before = int(self._wall() * 1e6)
        self._requests.clear()
