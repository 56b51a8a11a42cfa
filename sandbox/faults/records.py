# Faults in what people reported, were told and learned since the go-live, and in what a go-live rests on: copies of the
# sandbox's records and documents that are wrong, and inputs that point to them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.faults.documents import data, one, spoilt
from sandbox.faults.fault import Fault

USERS, PENETRATION = "go_live.t_plus_2h.feedback", "go_live.testing.penetration"
DAY, MONTH = "post_go_live.day_support", "post_go_live.month_process"
RUNBOOKS = "post_go_live.month_optimization.documentation"
REVIEW, LESSONS, PROCEDURES = f"{MONTH}.review", f"{MONTH}.lessons", f"{MONTH}.procedures"
TICKETS, REPORT, REVIEWED = "people/tickets.yml", "people/penetration.md", "people/review.md"
_SINCE = ("users/faq.md", "runbooks/alerts.md", "runbooks/incident.md", REVIEWED, "operations/deployment.md")


def _before(text: str) -> str:
    """Reviewed before the go-live, and not so long ago that it is too old."""
    day = (datetime.now(UTC) - timedelta(days=40)).date().isoformat()
    return re.sub(r"(?m)^reviewed: .*$", f"reviewed: {day}", text)


def _all_before(copy: Path) -> None:
    for name in _SINCE:
        one(name, _before)(copy)


def _opened_again(record: dict[str, Any]) -> None:
    record["tickets"][0]["state"] = "in progress"


def _unread(record: dict[str, Any]) -> None:
    """A ticket of days ago that nobody answered."""
    opened = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    record["tickets"][1].update(opened=opened, answered=None)


def _without_lessons(text: str) -> str:
    return re.sub(r"(?ms)^(## Lessons learned\n).*", r"\1", text)


# What comes at and after the go-live holds for later stages, so the gate of the stage deploy stays open.
FAULTS = (
    Fault(
        name="penetration_finding_open", says="the penetration test left a critical finding open", layer="inputs",
        signed=True, turns_red=(PENETRATION,), shuts=False,
        variables=spoilt(one(REPORT, lambda text: text.replace("critical: 0", "critical: 1"))),
    ),
    Fault(
        name="penetration_other_version", says="the penetration test was of another version", layer="inputs",
        signed=True, turns_red=(PENETRATION,), shuts=False,
        variables=spoilt(one(REPORT, lambda text: text.replace("1.0.0", "0.9.0"))),
    ),
    Fault(
        name="open_critical_ticket", says="a critical ticket since the go-live is still open", layer="inputs",
        signed=True, turns_red=(USERS, f"{DAY}.issues"), shuts=False, variables=spoilt(data(TICKETS, _opened_again)),
    ),
    Fault(
        name="feedback_channel_unread", says="nobody answered a ticket for two days", layer="inputs",
        signed=True, turns_red=(f"{DAY}.feedback",), shuts=False, variables=spoilt(data(TICKETS, _unread)),
    ),
    Fault(
        name="status_not_sent", says="stakeholders were told nothing since the go-live", layer="inputs", signed=True,
        turns_red=(f"{DAY}.status",), shuts=False,
        variables=spoilt(data("people/messages.yml", lambda record: record.update(messages=[]))),
    ),
    Fault(
        name="document_older_than_go_live", says="documents were last reviewed before the go-live", layer="inputs",
        signed=True, turns_red=(f"{DAY}.documentation", RUNBOOKS, REVIEW, LESSONS, PROCEDURES), shuts=False,
        variables=spoilt(_all_before),
    ),
    Fault(
        name="review_missing", says="nothing is written about the review after the go-live", layer="inputs",
        signed=True, turns_red=(REVIEW, LESSONS), shuts=False,
        variables=spoilt(lambda copy: (copy / REVIEWED).unlink()),
    ),
    Fault(
        name="lessons_section_empty", says="the heading of the lessons has nothing below it", layer="inputs",
        signed=True, turns_red=(REVIEW, LESSONS), shuts=False, variables=spoilt(one(REVIEWED, _without_lessons)),
    ),
    Fault(
        name="training_record_missing", says="nobody was trained since the go-live", layer="inputs", signed=True,
        turns_red=(f"{MONTH}.training",), shuts=False,
        variables=spoilt(data("people/training.yml", lambda record: record["training"].pop())),
    ),
)  # fmt: skip
