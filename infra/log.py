"""Structured logs: one JSON object a line on standard error, or colours where a person looks at it."""

from __future__ import annotations

import logging
import sys
import time

import structlog

from infra.settings import settings


def set_up(process: str) -> structlog.stdlib.BoundLogger:
    """Configures this process's log and returns its logger, bound to the process's name."""
    level = getattr(logging, settings().log_level.upper())
    person = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if person else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(process=process)
    return logger


class SeldomFilter(logging.Filter):
    """Lets each message of a library through once a minute: clients repeat theirs many times a second while a
    server is away."""

    def __init__(self, pause_s: float = 60.0) -> None:
        super().__init__()
        self._pause_s = pause_s
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let it through."""
        what, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._last.get(what, -self._pause_s) < self._pause_s:
            return False
        self._last[what] = now
        return True
