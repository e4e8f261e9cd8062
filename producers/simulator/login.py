"""Log-in pages and tokens: ``/connect/login`` for a browser (or a POST), ``/session/token`` for the app."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from producers.simulator.answers import Door, answer, parameters
from producers.simulator.errors import KiteError
from producers.simulator.exchange import Exchange

USER = {
    "user_id": "SIM001",
    "user_type": "individual",
    "email": "trader@example.com",
    "user_name": "Simulated Trader",
    "user_shortname": "Trader",
    "broker": "ZERODHA",
    "exchanges": ["NSE", "NFO", "BSE"],
    "products": ["CNC", "NRML", "MIS"],
    "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
    "avatar_url": None,
    "meta": {"demat_consent": "physical"},
}
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Simulated Kite</title>
<style>body{{font:16px/1.5 system-ui;max-width:24rem;margin:15vh auto;padding:0 1rem}}
input,button{{font:inherit;width:100%;padding:.5rem;margin:.25rem 0;box-sizing:border-box}}</style>{}</html>"""
FORM = """<h1>Log in</h1><p>The simulated exchange. Any password will do.</p>
<form method="post" action="/connect/login"><input type="hidden" name="api_key" value="{api_key}">
<input type="hidden" name="redirect_url" value="{redirect_url}">
<label>User <input name="user_id" value="SIM001"></label>
<label>Password <input name="password" type="password"></label><button>Log in</button></form>"""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def login_router(exchange: Exchange, door: Door) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get("/connect/login")
    async def form(api_key: str = "", redirect_url: str = "") -> HTMLResponse:
        door.sessions.check_key(api_key)
        fields = {"api_key": html.escape(api_key), "redirect_url": html.escape(_redirect(redirect_url))}
        return HTMLResponse(PAGE.format(FORM.format(**fields)))

    @router.post("/connect/login")
    async def log_in(request: Request) -> RedirectResponse:
        asked = await parameters(request)
        target = _redirect(asked.get("redirect_url", ""))
        token = door.sessions.request_token(asked.get("api_key", ""))
        query = urlencode({"action": "login", "type": "login", "status": "success", "request_token": token})
        return RedirectResponse(f"{target}{'&' if '?' in target else '?'}{query}", status_code=302)

    @router.get("/connect/finish")
    async def finish(request_token: str = "") -> HTMLResponse:
        return HTMLResponse(
            PAGE.format(f"<h1>Logged in</h1><p>The request token:</p><pre>{html.escape(request_token)}</pre>")
        )

    @router.post("/session/token")
    async def start(request: Request) -> Any:
        asked = await parameters(request)
        key, request_token = asked.get("api_key", ""), asked.get("request_token", "")
        door.limits.count(key, "other")
        if not (key and request_token and asked.get("checksum")):
            raise KiteError(400, "InputException", "Missing `api_key`, `request_token` or `checksum`.")
        token = door.sessions.access_token(key, request_token, asked["checksum"])
        times = {"login_time": exchange.local_time(exchange.clock.now_us())}
        return answer({**USER, **times, "api_key": key, "access_token": token, "public_token": token[:16],
                       "refresh_token": "", "enctoken": ""})  # fmt: skip

    @router.delete("/session/token")
    async def end(api_key: str = "", access_token: str = "") -> Any:
        door.sessions.check(api_key, access_token)
        door.sessions.end(access_token)
        return answer(True)

    @router.get("/user/profile")
    async def profile(request: Request) -> Any:
        door.enter(request)
        return answer(USER)

    return router


def _redirect(wanted: str) -> str:
    """Where the browser goes after log-in: the given address if it is on this machine, else our own last page."""
    if not wanted:
        return "/connect/finish"
    parts = urlsplit(wanted)
    if parts.scheme not in ("http", "https") or parts.hostname not in LOOPBACK:
        raise KiteError(400, "InputException", "The simulator sends a browser only to an address of this machine.")
    return wanted
