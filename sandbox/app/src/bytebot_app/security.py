# Security events: every line that names one is completed and counted, wherever it is written.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter

Event = MutableMapping[str, Any]
# From 0 to 100: how much an event alone says that somebody attacks.
RISK = {
    "AUTHENTICATION_SUCCESS": 0, "LOGOUT": 0, "PASSWORD_CHANGED": 10, "USER_CREATED": 20, "USER_DELETED": 30,
    "ROLE_CREATED": 30, "ROLE_DELETED": 30, "ROLES_CHANGED": 40, "AUTHENTICATION_FAILURE": 30, "TOKEN_REJECTED": 30,
    "ACCOUNT_LOCKED": 60, "TOKEN_REUSE": 90, "CORS_VIOLATION": 30, "RATE_LIMIT_EXCEEDED": 50,
}  # fmt: skip
_OTHER_RISK = 50


@dataclass(frozen=True)
class Asked:
    """The request that lines are written for."""

    method: str
    endpoint: str
    address: str
    agent: str
    events: Counter


asking: ContextVar[Asked | None] = ContextVar("asking", default=None)


def complete(_logger: Any, _name: str, event: Event) -> Event:
    """The documented fields of security and authorization lines; other lines pass as they are."""
    asked, kind = asking.get(), event.get("eventType")
    if kind:
        event.setdefault("eventId", str(uuid.uuid4()))
        event.setdefault("riskScore", RISK.get(str(kind), _OTHER_RISK))
    if asked and kind:
        asked.events.labels(str(kind)).inc()
        event.setdefault("endpoint", asked.endpoint)
        event.setdefault("method", asked.method)
    if asked and (kind or event.get("event") == "authorization"):
        event.setdefault("ipAddress", asked.address)
        event.setdefault("userAgent", asked.agent)
    return event
