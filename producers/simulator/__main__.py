"""``python -m producers.simulator``: wires the exchange, its sockets and its REST side, and runs them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from infra.clock import market_clock
from infra.errors import UserError
from infra.log import set_up
from infra.settings import settings
from producers.simulator.exchange import Exchange
from producers.simulator.limits import RateLimits
from producers.simulator.orders.faults import OrderFaults
from producers.simulator.orders.floor import Trading
from producers.simulator.orders.journal import Journal
from producers.simulator.orders.telling import Postbacks
from producers.simulator.rest import build_app
from producers.simulator.sessions import Sessions
from producers.simulator.sockets import Sockets
from producers.tape.control import control

GRACE_S = 2  # for requests that are being answered when the process is stopped


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
    journal = Journal(chosen.home / "data" / "simulator")
    postbacks = Postbacks(chosen.simulator_postback_url, chosen.kite_api_secret)
    trading = Trading(exchange, journal, OrderFaults(exchange.tell), postbacks)
    limits = RateLimits(orders_per_s=chosen.simulator_orders_per_s, day=lambda: exchange.market.catalogue.day)
    app = build_app(exchange, sessions, trading, limits, [control(exchange)])
    config = uvicorn.Config(
        app, "127.0.0.1", chosen.simulator_rest_port, log_level="warning", access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )  # fmt: skip
    rest = Rest(config)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Sockets(exchange, sessions).serve(chosen.simulator_ws_port):
        stepping = asyncio.create_task(exchange.run())
        posting = asyncio.create_task(postbacks.run())
        answering = asyncio.create_task(rest.serve())
        log.info("open", rest=chosen.simulator_rest_port, websocket=chosen.simulator_ws_port, load=exchange.load)
        stopping = asyncio.create_task(stopped.wait())
        done, _ = await asyncio.wait((stepping, answering, posting, stopping), return_when=asyncio.FIRST_COMPLETED)
        rest.should_exit = True
        await answering
        stepping.cancel()
        posting.cancel()
        for task in done:
            task.result()  # what broke the market or its server is told, and the process ends


def main() -> None:
    """Entry point."""
    try:
        asyncio.run(serve())
    except UserError as error:
        set_up("simulator").error(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
