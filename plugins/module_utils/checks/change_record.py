# Judges a change record of whatever system keeps it: approved, its window is now, it names the version that goes live.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import mark_in
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, DENIED, Told
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    errored,
    failed,
    passed,
    pending,
    utc_now,
)

REQUEST = "go_live.change.request"
FIELDS = ("state", "start", "end", "version")
APPROVED = ("approved", "scheduled", "implement", "implementing", "in progress")
_RECORD = "Correct where the record is, and by which queries its fields are found (bytebot_records)."
_ASK = "Have the change approved for this version and this time before anything is deployed."
_MOVE = "Have the window of the change moved, or wait for it."
_SECONDS, _MILLISECONDS = re.compile(r"\d{9,10}"), re.compile(r"\d{12,13}")
_ZONE = re.compile(r"([+-]\d{2})(\d{2})$")


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What was read of a change record.

    :param told: how its system answered; None where nothing says where it is. :param found: by field, what its query
        found. :param problem: why a query cannot be asked of it. :param versions: that go live, or run already.
    """

    source: str = ""
    told: Told | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    approved: tuple[str, ...] = APPROVED
    versions: tuple[str, ...] = ()
    no_versions: str = ""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    at: str = field(default_factory=utc_now)


CHECKS: Checks[ChangeFacts] = Checks()


@CHECKS.settles(REQUEST)
def change_request(facts: ChangeFacts) -> Verdict:
    """The record is approved, its window contains now, and it names the version that goes live."""
    unread = _unread(facts)
    if unread:
        return unread
    shown = {name: facts.found.get(name) for name in FIELDS}
    seen = Evidence(facts.source, {"record": shown, "approved_by": list(facts.approved), "now": str(facts.now),
                                   "versions": list(facts.versions)}, facts.at)  # fmt: skip
    start, end = time_of(shown["start"]), time_of(shown["end"])
    wrong = _wrong(facts, shown, start, end)
    if wrong:
        return failed(f"Change record {facts.source}: {'; '.join(wrong)}.", _ASK, seen)
    if not facts.versions:
        return pending(
            f"Which version goes live is not known: {facts.no_versions}.", "Deploy the release, or name it.", seen
        )
    if start and facts.now < start:
        return pending(f"Change record {facts.source}: its window begins at {start.isoformat()}.", _MOVE, seen)
    return passed(
        f"Change record {facts.source} is {shown['state']}, for version {', '.join(facts.versions)}, "
        f"until {end.isoformat() if end else ''}.",
        seen,
    )


def _unread(facts: ChangeFacts) -> Verdict | None:
    """What is said where no record was read."""
    told = facts.told
    if told is None or (told.ok and not facts.found and not facts.problem):
        how = f"how the fields of the record {facts.source} are found" if told else "where the change record is"
        where = "key change, with its fields" if told else "key change"
        return pending(
            f"Needs input records: nothing says {how}.", f"Name it (in the inventory: bytebot_records, {where})."
        )
    seen = Evidence(facts.source, told.seen(), facts.at)
    if told.kind == ABSENT:
        return failed(f"There is no change record at {facts.source} ({told.cause}).", _RECORD, seen)
    if told.kind == DENIED:
        allow = "Sign in with an account that may read the record."
        return pending(f"The change record at {facts.source} may not be read: {told.cause}.", allow, seen)
    if not told.ok:
        return errored(f"The change record at {facts.source} could not be read: {told.cause}.", _RECORD, seen)
    if facts.problem:
        return errored(f"Change record {facts.source}: {facts.problem}.", "Correct the query.", seen)
    return None


def _wrong(facts: ChangeFacts, shown: Mapping[str, Any], start: datetime | None, end: datetime | None) -> list[str]:
    state = shown["state"]
    found = []
    if not _is_approved(state, facts.approved):
        found.append(f"it is {_word(state)}, and not approved")
    if start is None or end is None:
        found.append(f"it has no window (start {_word(shown['start'])}, end {_word(shown['end'])})")
    elif end <= start:
        found.append("its window ends before it begins")
    elif facts.now > end:
        found.append(f"its window was over at {end.isoformat()}")
    text = _text(shown["version"])
    if facts.versions and not any(_names(text, one) for one in facts.versions):
        found.append(f"it does not name version {' or '.join(facts.versions)}, which goes live")
    if mark := mark_in(text):
        found.append(f"it still has {mark}")
    return found


def _is_approved(state: Any, approved: tuple[str, ...]) -> bool:
    if isinstance(state, bool):
        return state
    return isinstance(state, (str, int)) and str(state).strip().lower() in {one.lower() for one in approved}


def _names(text: str, version: str) -> bool:
    return re.search(rf"(?<![\d.])v?{re.escape(version)}(?![\w-]|\.\d)", text) is not None


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_text(one) for one in value)
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _word(value: Any) -> str:
    return _text(value)[:60] or "nothing"


def time_of(value: Any) -> datetime | None:
    """A moment as these systems write it: ISO 8601, also with a blank for the T, or (milli)seconds since 1970.

    Without a zone it is UTC, as ServiceNow's API tells times.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value).strip()
    try:
        if _SECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        if _MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        found = datetime.fromisoformat(_ZONE.sub(r"\1:\2", text))
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
