# One JSON object per line on standard output; probes stay at debug, and nothing secret is ever a field.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog

from bytebot_app import security

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="unknown")
user_id: ContextVar[str | None] = ContextVar("user_id", default=None)

LEVELS = {"error": 40, "warn": 30, "info": 20, "debug": 10, "verbose": 10}
_OTHERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "psycopg", "psycopg.pool")
# The last net, below the rule that no secret is logged: an exception's text is somebody else's.
_SECRET_NAME = re.compile(
    r"password|passwd|passphrase|secret|authorization|cookie|private.?key|api.?key|encryption.?key|credential|token",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a token of ours, or anybody's
    r"|(?<=://)[^/\s@]+@"  # user and password in an address
    r"|\bsk-[\w-]{8,}"  # a key of an LLM provider
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=-]{6,}"
    r"|(?i:(?:password|passwd|pwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?)(?!\[redacted\])[^\s\"',;&}]+",
    re.DOTALL,
)
Event = MutableMapping[str, Any]


def configure(level: str, version: str, environment: str, form: str = "json") -> None:
    """Send everything, the server's own lines too, through one formatter."""

    def add_context(_logger: Any, _name: str, event: Event) -> Event:
        stated = event.pop("level", "info")
        return {
            "timestamp": event.pop("timestamp"),
            "level": "warn" if stated == "warning" else stated,
            "message": event.pop("event", ""),
            "service": "bytebot-api",
            "version": version,
            "environment": environment,
            "correlationId": correlation_id.get(),
            "userId": user_id.get(),
            **event,
        }

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        add_context,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_color,
            structlog.processors.format_exc_info,
            _stack_as_error,
            redacted,
            structlog.processors.JSONRenderer(default=str)
            if form == "json"
            else structlog.processors.KeyValueRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVELS[level])
    for name in _OTHERS:
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # The application writes a line of its own for each request, with the fields that the contract wants.
    logging.getLogger("uvicorn.access").disabled = True
    structlog.configure(
        # An event counts even where its line is below the level.
        processors=[
            security.complete,
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def logger() -> structlog.stdlib.BoundLogger:
    """The application's logger."""
    made: structlog.stdlib.BoundLogger = structlog.get_logger("bytebot")
    return made


def redacted(_logger: Any, _name: str, event: Event) -> Event:
    """Nothing that has a secret's name or form leaves."""
    return {name: "[redacted]" if _SECRET_NAME.search(name) else _clean(value) for name, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_TEXT.sub("[redacted]", value)
    if isinstance(value, Mapping):
        return redacted(None, "", {str(name): one for name, one in value.items()})
    return [_clean(one) for one in value] if isinstance(value, list | tuple | set) else value


def _stack_as_error(_logger: Any, _name: str, event: Event) -> Event:
    if "exception" in event:
        event["error"] = event.pop("exception")
    return event


def _without_color(_logger: Any, _name: str, event: Event) -> Event:
    event.pop("color_message", None)
    return event
