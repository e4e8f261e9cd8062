"""Runs a candle worker: ``python -m streams.candles [slot]``; the slot numbers this computer's workers from 0."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys

from infra.errors import UserError
from infra.faust_app import run
from infra.libc import keep_freed_memory
from infra.log import SeldomFilter, set_up
from infra.settings import settings
from streams.candles.app import candles_app


async def main(slot: int) -> int:
    """Wires and runs; the exit status."""
    keep_freed_memory()
    app, agent = candles_app(settings(), slot)
    gc.freeze()  # what lives as long as the process is looked through no more; held records form no cycles
    gc.set_threshold(100_000, 20, 20)
    return await run(app, agent.last_flush)


if __name__ == "__main__":
    log = set_up("candles")
    for noisy in ("cassandra", "faust", "mode", "aiokafka"):  # what matters of them is told in our own words
        logging.getLogger(noisy).setLevel(logging.ERROR)
    for handler in logging.getLogger().handlers:
        handler.addFilter(SeldomFilter())
    try:
        sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)))
    except UserError as error:
        log.error(str(error))
        sys.exit(1)
