"""Kite's login and the access token, which dies each morning: kept encrypted in PostgreSQL, where workers find it.

A person logs in with a browser at :func:`login_url` and brings the request token back; at the simulator, which
needs no person, :func:`log_in_at_simulator` does both.
"""

from __future__ import annotations

import contextlib
from urllib.parse import parse_qs, urlsplit

import httpx
from kiteconnect import KiteConnect
from kiteconnect.exceptions import KiteException

from infra.errors import UserError
from infra.postgres import connect
from infra.secrets import decrypt, encrypt
from infra.settings import settings

PROVIDER = "kite"


def client(access_token: str | None = None) -> KiteConnect:
    """The official REST client at the address of the settings."""
    chosen = settings()
    return KiteConnect(chosen.kite_api_key, access_token, root=chosen.kite_api_url, timeout=10)


def stored_token() -> str | None:
    """The newest access token, or None when nobody has logged in. UserError when PostgreSQL is away."""
    with contextlib.closing(connect()) as database, database.cursor() as cursor:
        cursor.execute(
            "SELECT access_token FROM broker_sessions WHERE provider = %s AND api_key = %s",
            (PROVIDER, settings().kite_api_key),
        )
        row = cursor.fetchone()
    return decrypt(bytes(row[0])) if row else None


def store_token(user_id: str, access_token: str) -> None:
    """Keeps a token in place of the last one."""
    with contextlib.closing(connect()) as database, database, database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO broker_sessions (provider, api_key, user_id, access_token) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (provider, api_key) DO UPDATE SET user_id = excluded.user_id, "
            "access_token = excluded.access_token, logged_in_at = now()",
            (PROVIDER, settings().kite_api_key, user_id, encrypt(access_token)),
        )


def login_url() -> str:
    """Where a person logs in; Kite sends the browser back with a request token."""
    url: str = client().login_url()
    return url


def start_session(request_token: str) -> str:
    """Exchanges a request token for an access token, keeps it, and returns the user's id. UserError when refused."""
    try:
        session = client().generate_session(request_token, settings().kite_api_secret)
    except (KiteException, OSError) as error:
        raise UserError(f"Kite did not take the request token ({error}); log in again for a new one.") from error
    store_token(session["user_id"], session["access_token"])
    return str(session["user_id"])


def token_is_good(access_token: str) -> bool:
    """Whether Kite still takes it. Any other trouble than a refusal counts as good: it isn't the token's."""
    try:
        client(access_token).profile()
    except KiteException as error:
        return bool(error.code != 403)
    except OSError:
        return True
    return True


def log_in_at_simulator() -> None:
    """Logs in as a newcomer would with a browser. UserError when the simulator refuses."""
    chosen = settings()
    try:
        answer = httpx.post(f"{chosen.kite_api_url}/connect/login", data={"api_key": chosen.kite_api_key}, timeout=10)
    except httpx.HTTPError as error:
        raise UserError(f"The simulator at {chosen.kite_api_url} does not answer: {error}") from error
    query = parse_qs(urlsplit(answer.headers.get("location", "")).query)
    if "request_token" not in query:
        raise UserError(f"The simulator refused the log-in with status {answer.status_code}: {answer.text[:200]}")
    start_session(query["request_token"][0])
