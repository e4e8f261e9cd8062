"""``GET /health`` on loopback, from the standard library: a web framework would take a third of the agent's memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Report = Callable[[], tuple[bool, dict[str, Any]]]


class _Page(BaseHTTPRequestHandler):
    report: Report

    def do_GET(self) -> None:
        well, content = self.report() if self.path == "/health" else (False, {"status": "there is only /health"})
        body = json.dumps(content).encode()
        self.send_response(200 if well else 404 if self.path != "/health" else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the supervisor asks all the time."""


def serve(port: int, report: Report) -> bool:
    """Answers from now on, in a thread of its own; False when the port is taken."""
    page = type("Page", (_Page,), {"report": staticmethod(report)})
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), page)
    except OSError:
        return False
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True, kwargs={"poll_interval": 2}).start()
    return True
