"""Runs the fleet: ``python -m streams.fleet [slot]``; the slot numbers this computer's workers from 0."""

from __future__ import annotations

import asyncio
import logging
import sys

from infra.clock import market_clock
from infra.errors import UserError
from infra.faust_app import run
from infra.log import SeldomFilter, set_up
from infra.settings import settings
from streams.fleet.app import fleet_app, make_changelogs
from streams.fleet.book import Book
from streams.fleet.clerk import Clerk
from streams.fleet.first import first_start


async def main(slot: int) -> int:
    """Wires and runs; the exit status."""
    of, book = settings(), Book()
    await asyncio.to_thread(make_changelogs, of)
    app = fleet_app(of, book, slot)
    clerk = Clerk(of, book, market_clock(), first_start)
    clerk.start()
    return await run(app, lambda: asyncio.to_thread(clerk.stop))


if __name__ == "__main__":
    log = set_up("fleet")
    for noisy in ("faust", "mode", "aiokafka"):  # what matters of them is told in our own words
        logging.getLogger(noisy).setLevel(logging.ERROR)
    for handler in logging.getLogger().handlers:
        handler.addFilter(SeldomFilter())
    try:
        sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)))
    except UserError as error:
        log.error(str(error))
        sys.exit(1)
