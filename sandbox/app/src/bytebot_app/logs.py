# One JSON object per line on standard output; probes stay at debug, and nothing secret is ever a field.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import Any

import structlog

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="unknown")
user_id: ContextVar[str | None] = ContextVar("user_id", default=None)

LEVELS = {"error": 40, "warn": 30, "info": 20, "debug": 10, "verbose": 10}


def configure(level: str, version: str, environment: str) -> None:
    """Send everything, the server's own lines too, through one formatter."""

    def add_context(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["message"] = event.pop("event", "")
        event["level"] = "warn" if event.get("level") == "warning" else event.get("level", "info")
        return {
            **event,
            "service": "bytebot-api",
            "version": version,
            "environment": environment,
            "correlationId": correlation_id.get(),
            "userId": user_id.get(),
        }

    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        add_context,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVELS[level])
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "psycopg.pool"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logger() -> structlog.stdlib.BoundLogger:
    """The application's logger."""
    made: structlog.stdlib.BoundLogger = structlog.get_logger("bytebot")
    return made
