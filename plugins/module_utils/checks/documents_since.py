# Judges documents that a go-live asks for: the report of the penetration test, and what is written after the go-live.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.change_record import time_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents import (
    CHECKS,
    document_verdict,
    evidence_of,
    judge_pages,
    weaker_age,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import DocumentFacts, Page
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import (
    AGES,
    DOCUMENT_AGE,
    PENETRATION,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.since_go_live import not_due
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.document_text import Text
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

SINCE = (
    "post_go_live.day_support.documentation",
    "post_go_live.month_optimization.documentation",
    "post_go_live.month_process.review",
    "post_go_live.month_process.lessons",
    "post_go_live.month_process.procedures",
)
_OPEN = ("open_findings", "open-findings", "open findings")
_LINE = re.compile(r"(?im)^\W*(?:open critical(?: findings)?|critical(?: findings)? open)\s*[:|]\s*(\S+)")
_CRITICAL, _STILL = re.compile(r"\bcritical\b", re.IGNORECASE), re.compile(r"\b(?:open|unresolved|not fixed)\b", re.I)
_NONE = re.compile(r"\b(?:no|none|not any|zero|0|closed|fixed|resolved|mended)\b(?! fixed)", re.IGNORECASE)
_SEVERITIES = frozenset({"critical", "high", "medium", "moderate", "low", "info", "informational", "severity"})
_STILL_CELLS = frozenset({"open", "unresolved", "not fixed"})
_CELLS = 5  # after that of the severity in a row
_COUNT = "Say in the report how many findings of each severity are open (`open_findings: {critical: 0, high: 1}`)."
_MEND = "Mend what is critical, and have it tested again."
_AFTER = "Have its owner go through it with what the operation has taught, and set the date of the review."
_TIME = "Write the time of the review as well (`reviewed: 2026-10-01T15:00:00Z`)."


@CHECKS.settles(PENETRATION)
def penetration_tested(facts: DocumentFacts) -> Verdict:
    """The report is about this version, not too old, and no critical finding is open."""
    entry = facts.entries.get(PENETRATION)
    if entry is None:
        return document_verdict(facts, PENETRATION)
    found = Found()
    read = judge_pages(found, facts, entry)
    counts: dict[str, Any] = {}
    for page in read:
        if page.text:
            counts = _worse(counts, _open_findings(page.text))
            _contradiction(found, page, page.text)
    if read:
        _no_critical(found, counts)
    where = ", ".join(page.where for page in entry.pages)
    weaker = weaker_age(entry.wanted.max_age, AGES[PENETRATION], "a penetration test")
    evidence = evidence_of(facts, entry, open_findings={str(key): str(value)[:40] for key, value in counts.items()})
    others = ", ".join(f"{value} {key}" for key, value in counts.items() if key != "critical")
    good = f"the report is about {', '.join(facts.live.versions)}, no critical finding is open"
    return found.verdict(where, good + (f" (open: {others})" if others else ""), [evidence], weaker)


def _open_findings(text: Text) -> dict[str, Any]:
    """How many findings are open by severity, as the front matter says or lists it, or a line of a PDF.

    A word such as "no" is kept as it is: it may as well answer whether anybody has looked.
    """
    for key in _OPEN:
        given = text.meta.get(key)
        if isinstance(given, Mapping):
            return {str(name).lower(): len(one) if isinstance(one, list) else one for name, one in given.items()}
    line = _LINE.search(text.prose)
    if line is None:
        return {}
    told = line.group(1).strip(" *_|.")
    return {"critical": int(told) if told.isdecimal() else told}


def _worse(counts: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Of each severity what is worse, so that no report hides what another says; what is no number is the worst."""
    return {**counts, **{key: max(value, counts.get(key, value), key=_badness) for key, value in further.items()}}


def _badness(value: Any) -> float:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else math.inf


def _no_critical(found: Found, counts: Mapping[str, Any]) -> None:
    critical = counts.get("critical")
    if critical is None or isinstance(critical, bool) or not isinstance(critical, int) or critical < 0:
        found.wrong("it does not say how many critical findings are open", _COUNT)
    elif critical:
        found.wrong(f"{critical} critical {'finding is' if critical == 1 else 'findings are'} open", _MEND)


def _contradiction(found: Found, page: Page, text: Text) -> None:
    """A sentence or a row that says of a critical finding that it is open, whatever is counted above."""
    said = [" ".join(block.text.split()) for block in text.blocks if not block.heading]
    for number, one in enumerate(said):
        row = [cell.lower() for cell in said[number + 1 : number + 1 + _CELLS]] if one.lower() == "critical" else []
        until = next((at for at, cell in enumerate(row) if cell in _SEVERITIES), len(row))
        in_row = bool(_STILL_CELLS & set(row[:until]))
        if in_row or (_CRITICAL.search(one) and _STILL.search(one) and not _NONE.search(one)):
            found.wrong(f"{page.where} names a critical finding as open: {one[:80]!r}", _MEND)
            return


# ---------------------------------------------------------------------------- after the go-live


def since_verdict(facts: DocumentFacts, control: str) -> Verdict:
    """A document that is whole, and was reviewed after the go-live."""
    if blocked := not_due(control, facts.go_live, facts.now, facts.at):
        return blocked
    entry = facts.entries.get(control)
    if entry is None or facts.go_live is None:
        return document_verdict(facts, control)
    found = Found()
    read = judge_pages(found, facts, entry)
    for page in read:
        if page.text:
            _after(found, f"{page.where}: " if len(entry.pages) > 1 else "", page.text.reviewed, facts.go_live)
    where = ", ".join(page.where for page in entry.pages[:3])
    last = min((page.text.reviewed for page in read if page.text), default="")
    evidence = evidence_of(facts, entry, go_live=facts.go_live.isoformat())
    good = f"reviewed {last}, after the go-live of {facts.go_live.isoformat()}"
    return found.verdict(where, good, [evidence], weaker_age(entry.wanted.max_age, DOCUMENT_AGE))


def _after(found: Found, told: str, reviewed: str, go_live: datetime) -> None:
    """A mere day is compared by the day; on the go-live's own day only a time can tell."""
    when = time_of(reviewed)
    if when is None:
        return  # said already
    if _is_day(reviewed):
        if when.date() == go_live.astimezone(UTC).date():
            found.unknown(f"{told}whether it was reviewed after the go-live of the same day is not said", _TIME)
        elif when.date() < go_live.astimezone(UTC).date():
            found.wrong(f"{told}it was last reviewed on {reviewed}, before the go-live of {go_live.date()}", _AFTER)
    elif when <= go_live:
        found.wrong(f"{told}it was last reviewed at {reviewed}, before the go-live of {go_live.isoformat()}", _AFTER)


def _is_day(written: str) -> bool:
    try:
        date.fromisoformat(written.strip())
    except ValueError:
        return False
    return True


def _judge_of(control: str) -> Callable[[DocumentFacts], Verdict]:
    return lambda facts: since_verdict(facts, control)


for _control in SINCE:
    CHECKS.settles(_control)(_judge_of(_control))
