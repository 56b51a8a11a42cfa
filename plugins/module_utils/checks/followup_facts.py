# What was read of what people reported, were told and learned since a go-live.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

TICKETS, MESSAGES, TRAINING = "tickets", "messages", "training"
# The fields of an entry of each kind, those that may be left out after the bar.
FIELDS: Mapping[str, tuple[str, ...]] = {
    TICKETS: ("id", "severity", "state", "opened", "answered"),
    MESSAGES: ("sent", "to"),
    TRAINING: ("person", "day"),
}
CRITICAL = (
    "critical",
    "blocker",
    "highest",
    "urgent",
    "p0",
    "p1",
    "sev0",
    "sev1",
    "sev-0",
    "sev-1",
    "1",
    "1 - critical",
)
CLOSED = ("closed", "resolved", "done", "fixed", "cancelled", "canceled")
ANSWER_HOURS = 8


@dataclass(frozen=True, slots=True)
class Collected:
    """The entries of one record.

    :param told: how its system answered; None where nothing says where it is.
    :param problem: why its entries cannot be told. :param entries: by field, what its query found.
    """

    source: str = ""
    told: Told | None = None
    problem: str = ""
    entries: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class FollowupFacts:
    """One observation.

    :param collected: by kind; :param critical: severities that are; :param closed: states of tickets that are.
    :param answer_hours: within which somebody answers a ticket.
    """

    collected: Mapping[str, Collected] = field(default_factory=dict)
    go_live: datetime | None = None
    critical: tuple[str, ...] = CRITICAL
    closed: tuple[str, ...] = CLOSED
    answer_hours: int = ANSWER_HOURS
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    at: str = field(default_factory=utc_now)
