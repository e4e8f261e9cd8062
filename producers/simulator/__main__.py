"""``python -m producers.simulator``: wires the exchange, its sockets and its REST side, and runs them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from infra.clock import market_clock
from infra.log import set_up
from infra.settings import settings
from producers.simulator.exchange import Exchange
from producers.simulator.rest import build_app
from producers.simulator.sessions import Sessions
from producers.simulator.sockets import Sockets
from producers.tape.control import control


class Rest(uvicorn.Server):
    """uvicorn, without its own signal handlers: this process has one way to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield


async def serve() -> None:
    """Runs until SIGTERM or SIGINT."""
    chosen, log = settings(), set_up("simulator")
    clock = market_clock()
    exchange = Exchange(chosen.simulator_seed, chosen.simulator_instruments, clock, chosen.simulator_load)
    sessions = Sessions(chosen.kite_api_key, chosen.kite_api_secret, clock)
    app = build_app(exchange, sessions, [control(exchange)])
    rest = Rest(uvicorn.Config(app, "127.0.0.1", chosen.simulator_rest_port, log_level="warning", access_log=False))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Sockets(exchange, sessions).serve(chosen.simulator_ws_port):
        stepping = asyncio.create_task(exchange.run())
        answering = asyncio.create_task(rest.serve())
        log.info("open", rest=chosen.simulator_rest_port, websocket=chosen.simulator_ws_port, load=exchange.load)
        stopping = asyncio.create_task(stopped.wait())
        done, _ = await asyncio.wait((stepping, answering, stopping), return_when=asyncio.FIRST_COMPLETED)
        rest.should_exit = True
        await answering
        stepping.cancel()
        for task in done:
            task.result()  # what broke the market or its server is told, and the process ends


def main() -> None:
    """Entry point."""
    asyncio.run(serve())


if __name__ == "__main__":
    main()
