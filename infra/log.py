"""Structured logs: one JSON object a line on standard error, or colours where a person looks at it."""

from __future__ import annotations

import logging
import sys

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
