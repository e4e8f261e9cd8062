"""``python -m producers.simulator``: wires the exchange, its sockets and its REST side, and runs them."""

from __future__ import annotations

import asyncio
import os
import signal

import uvicorn

from infra.clock import market_clock
from infra.log import set_up
from infra.settings import settings
from producers.simulator.exchange import Exchange
from producers.simulator.rest import build_app
from producers.simulator.sessions import Sessions
from producers.simulator.sockets import Sockets
from producers.tape.control import control

LOAD = "PORTFOLIO_SIMULATOR_LOAD"  # 1: every instrument ticks in every step


async def serve() -> None:
    """Runs until SIGTERM or SIGINT."""
    chosen, log = settings(), set_up("simulator")
    clock = market_clock()
    exchange = Exchange(
        chosen.simulator_seed, chosen.simulator_instruments, clock, load=os.environ.get(LOAD, "") not in ("", "0")
    )
    sessions = Sessions(chosen.kite_api_key, chosen.kite_api_secret, clock)
    app = build_app(exchange, sessions, [control(exchange)])
    rest = uvicorn.Server(
        uvicorn.Config(app, "127.0.0.1", chosen.simulator_rest_port, log_level="warning", access_log=False)
    )
    async with Sockets(exchange, sessions).serve(chosen.simulator_ws_port):
        stepping = asyncio.create_task(exchange.run())
        answering = asyncio.create_task(rest.serve())
        log.info("open", rest=chosen.simulator_rest_port, websocket=chosen.simulator_ws_port, load=exchange.load)
        await asyncio.wait((stepping, answering), return_when=asyncio.FIRST_COMPLETED)
        rest.should_exit = True
        await answering
        stepping.cancel()
        if stepping.done() and not stepping.cancelled():
            stepping.result()  # what broke the market is told, and the process ends


def main() -> None:
    """Entry point."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
