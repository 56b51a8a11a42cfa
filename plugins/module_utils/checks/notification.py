# Judges the record of a message that tells others when it goes live: sent, to those who must know, with the schedule.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.change_record import time_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import mark_in
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, DENIED, Told
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    errored,
    failed,
    inconclusive,
    passed,
    pending,
    utc_now,
)

STAKEHOLDERS = "go_live.change.stakeholders"
FIELDS = ("sent", "to", "text")
_SEND = "Send the schedule of the go-live to all who must know, and name the record of that message."
_RECORD = "Correct where the record is, and by which queries its fields are found (bytebot_records, notification)."
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class NotificationFacts:
    """What was read of the record of a message.

    :param told: how its system answered; None where nothing says where it is. :param found: by field, what its query
        found. :param problem: why a query cannot be asked of it. :param at: when it goes live, as the inventory says.
    :param wanted: who must have got it.
    """

    source: str = ""
    told: Told | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    at: str = ""
    wanted: tuple[str, ...] = ()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    observed_at: str = field(default_factory=utc_now)


CHECKS: Checks[NotificationFacts] = Checks()


@CHECKS.settles(STAKEHOLDERS)
def stakeholders(facts: NotificationFacts) -> Verdict:
    """The message was sent before the go-live, to those who must know, and names its day."""
    if unread := _unread(facts):
        return unread
    at, sent = time_of(facts.at), time_of(facts.found.get("sent"))
    to = _texts(facts.found.get("to"))
    text = " ".join(_texts(facts.found.get("text")))
    seen = Evidence(
        facts.source,
        {"sent": str(facts.found.get("sent")), "recipients": len(to), "wanted": list(facts.wanted),
         "goes_live": facts.at, "characters": len(text)},
        facts.observed_at,
    )  # fmt: skip
    if at is None:
        remedy = "Say in the inventory when it goes live (bytebot_go_live, at)."
        return pending("Needs input bytebot_go_live: nothing says when it goes live (at).", remedy, seen)
    wrong = list(_wrong(facts, at, sent, to, text))
    if wrong:
        return failed(f"Message {facts.source}: {'; '.join(wrong)}.", _SEND, seen)
    if form := "" if names_day(text, at) else unclear_day(text, at):
        day, other = at.date(), at.date().replace(month=at.day, day=at.month)
        told = f"names the day as {form}, which is {day.isoformat()} or {other.isoformat()}"
        return inconclusive(f"Message {facts.source} {told}.", f"Send it with the day as {day.isoformat()}.", seen)
    when = sent.isoformat() if sent else "no time"
    if gap := _gap(facts, sent, when):
        return pending(*gap, seen)
    return passed(f"Message {facts.source} with the schedule was sent to {len(to)} at {when}.", seen)


def _gap(facts: NotificationFacts, sent: datetime | None, when: str) -> tuple[str, str] | None:
    """What is not known or not done yet, and what to do."""
    if not facts.wanted:
        remedy = "Name its recipients (in the inventory: bytebot_records, notification, stakeholders)."
        return "Needs input stakeholders: nothing says who must know when it goes live.", remedy
    if sent is None or sent > facts.now:
        return f"Message {facts.source} is to be sent at {when}.", _SEND
    return None


def _unread(facts: NotificationFacts) -> Verdict | None:
    """What is said where no record was read."""
    told = facts.told
    if told is None or (told.ok and not facts.found and not facts.problem):
        how = f"how the fields of the record {facts.source} are found" if told else "where the record of the message is"
        where = "key notification, with its fields" if told else "key notification"
        return pending(
            f"Needs input records: nothing says {how}.", f"Name it (in the inventory: bytebot_records, {where})."
        )
    seen = Evidence(facts.source, told.seen(), facts.observed_at)
    if told.kind == ABSENT:
        return failed(f"No message was sent: there is none at {facts.source} ({told.cause}).", _SEND, seen)
    if told.kind == DENIED:
        allow = "Sign in with an account that may read the record."
        return pending(f"The record at {facts.source} may not be read: {told.cause}.", allow, seen)
    if not told.ok:
        return errored(f"The record at {facts.source} could not be read: {told.cause}.", _RECORD, seen)
    if facts.problem:
        return errored(f"Record {facts.source}: {facts.problem}.", "Correct the query.", seen)
    return None


def _wrong(facts: NotificationFacts, at: datetime, sent: datetime | None, to: list[str], text: str) -> Iterator[str]:
    if sent is None:
        yield "it was not sent"
    elif sent > at:
        yield "it was sent after the go-live"
    if not to:
        yield "it went to nobody"
    there = {one.strip().lower() for one in to}
    if lost := [one for one in facts.wanted if one.strip().lower() not in there]:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        yield f"it did not go to {', '.join(lost[:_SHOWN])}{more}"
    if not names_day(text, at) and not unclear_day(text, at):
        yield f"it does not name the day of the go-live ({at.date().isoformat()})"
    if mark := mark_in(text):
        yield f"it still has {mark[:80]}"


def names_day(text: str, at: datetime) -> bool:
    """Whether a day stands in a text; 1.12.2026 does not stand in 11.12.2026."""
    return any(re.search(rf"(?<!\d){re.escape(form)}(?!\d)", text) for form in day_forms(at))


def unclear_day(text: str, at: datetime) -> str:
    """How a text names a day that is this one or another, as 03/04/2026; empty where none stands there."""
    if at.day == at.month or at.day > len(_MONTHS):
        return ""
    return next((form for form in _by_slashes(at) if re.search(rf"(?<!\d){re.escape(form)}(?!\d)", text)), "")


def _by_slashes(at: datetime) -> list[str]:
    year, month, day = at.year, at.month, at.day
    parts = ((f"{day:02}", f"{month:02}"), (f"{day}", f"{month}"))
    return [f"{one}/{two}/{year}" for first, second in parts for one, two in ((first, second), (second, first))]


def day_forms(at: datetime) -> list[str]:
    """A day as people write it, in forms that are no other day for anybody."""
    year, month, day, name = at.year, at.month, at.day, _MONTHS[at.month - 1]
    numbers = [f"{year}-{month:02}-{day:02}", f"{day:02}.{month:02}.{year}", f"{day}.{month}.{year}"]
    numbers += _by_slashes(at) if day == month or day > len(_MONTHS) else []
    words = [f"{number} {one} {year}" for number in (f"{day}", f"{day:02}") for one in (name, name[:3])]
    return [*numbers, *words, *[f"{one} {day}, {year}" for one in (name, name[:3])]]


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) and value.strip() else []
