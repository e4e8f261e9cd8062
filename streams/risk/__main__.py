"""Runs risk: ``python -m streams.risk [slot]``; one process is in charge, whichever slot it has."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys

from infra.clock import market_clock
from infra.errors import UserError
from infra.faust_app import run
from infra.log import SeldomFilter, set_up
from infra.settings import settings
from schemas.charges import ChargesError, schedule_now
from streams.risk.app import risk_app
from streams.risk.clerk import Clerk
from streams.risk.prices import MarketLog
from streams.risk.store import Store


async def main(slot: int) -> int:
    """Wires and runs; the exit status."""
    of, clock = settings(), market_clock()
    schedule_now()  # a table that cannot be used is said at once
    market, clerk = MarketLog(of, clock), Clerk(of)
    app, agent = risk_app(of, market, clock, clerk, slot)
    store = Store(of, lambda: agent.active)
    await asyncio.to_thread(agent.table.make_changelog)
    for part in (market, clerk, store):
        part.start()
    gc.freeze()  # what start-up made stays
    gc.set_threshold(100_000, 50, 100)  # the book is records without cycles: looking through all of it takes long
    return await run(app, agent.last_commit)


if __name__ == "__main__":
    log = set_up("risk")
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)  # as below; it may well be away
    for noisy in ("faust", "mode", "aiokafka"):  # what matters of them is told in our own words
        logging.getLogger(noisy).setLevel(logging.ERROR)
    for handler in logging.getLogger().handlers:
        handler.addFilter(SeldomFilter())
    try:
        sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)))
    except (UserError, ChargesError) as error:
        log.error(str(error))
        sys.exit(1)
