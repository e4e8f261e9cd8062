"""The feed supervisor of this computer: workers, leadership, and a small health page. Only wires."""

from __future__ import annotations

import asyncio
import signal

import uvicorn
from fastapi import FastAPI
from prometheus_client import make_asgi_app

from infra import log as logs
from infra.settings import settings
from producers.feed.leader import Leadership, lead_when_ours
from producers.feed.pools import WantedWorkers
from producers.feed.provider import provider_named
from producers.feed.supervisor import Supervisor

POLL_S = 0.1


def _page(supervisor: Supervisor) -> uvicorn.Server:
    app = FastAPI(title="Portfolio feed supervisor")
    app.mount("/metrics", make_asgi_app())

    @app.get("/health")
    def health() -> dict[str, object]:
        return {"status": "ok", "workers": supervisor.running}

    port = settings().feed_metrics_port
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", access_log=False))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    return server


async def _main() -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    supervisor, wanted, leadership = Supervisor(), WantedWorkers(), Leadership()
    server = _page(supervisor)
    page = asyncio.create_task(server.serve())
    leading = asyncio.create_task(lead_when_ours(leadership, provider_named("kite")))
    while not stop.is_set():
        supervisor.want(wanted.poll())
        await asyncio.sleep(POLL_S)
    leading.cancel()
    await supervisor.stop()
    server.should_exit = True
    await asyncio.gather(page, leading, return_exceptions=True)
    wanted.close()
    leadership.close()


if __name__ == "__main__":
    logs.set_up("feed")
    asyncio.run(_main())
