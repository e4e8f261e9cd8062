"""`python -m streams.console`: the API on loopback."""

from __future__ import annotations

import uvicorn

from infra.log import set_up
from infra.settings import settings
from streams.console.app import create_app


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    log = set_up("console")
    chosen = settings()
    log.info("serving", address=f"{chosen.console_url}/api/docs")
    uvicorn.run(
        create_app(chosen),
        host="127.0.0.1",
        port=chosen.console_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,  # live streams have no end of their own
    )


if __name__ == "__main__":
    main()
