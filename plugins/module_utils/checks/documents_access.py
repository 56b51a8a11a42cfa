# Judges the documents about access: how one comes in when nothing else helps, and when access was last reviewed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents import (
    CHECKS,
    age_problems,
    document_verdict,
    evidence_of,
    judge_pages,
    weaker_age,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import (
    AccessNow,
    DocumentFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending

EMERGENCY, REVIEW, COMMUNICATION = "team.access.emergency", "team.access.review", "go_live.change.communication"
TEST_AGE, REVIEW_AGE = 180, 90  # days
_TESTED = ("tested", "last_tested", "last-tested", "test_date")
_TRY = "Try the emergency access, mend what did not work, and set `tested:` in the document's front matter."
_ACCOUNT = "Name the sealed account as `account:` in the document's front matter."
_RECORD = "Review who has access, and write the record anew: docs/documents.md shows its form."


@CHECKS.settles(EMERGENCY)
def emergency_access(facts: DocumentFacts) -> Verdict:
    """It is written how one comes in when nothing else helps, with which account, and it was tried lately."""
    entry = facts.entries.get(EMERGENCY)
    if entry is None:
        return document_verdict(facts, EMERGENCY)
    found = Found()
    read = judge_pages(found, facts, entry)
    metas = [page.text.meta for page in read if page.text]
    account, tested = _said(metas, ("account", "accounts")), _said(metas, _TESTED)
    if read and not account:
        found.wrong("it names no account that is kept for emergencies", _ACCOUNT)
    if read:
        for problem in age_problems(tested, "tested", facts.test_age, facts.today):
            found.wrong(problem, _TRY)
    where = ", ".join(page.where for page in entry.pages)
    weaker = weaker_age(entry.wanted.max_age) + weaker_age(facts.test_age, TEST_AGE, "a test")
    evidence = evidence_of(facts, entry, account=account, tested=tested)
    return found.verdict(where, f"emergency access by {account} was last tested {tested}", [evidence], weaker)


@CHECKS.settles(REVIEW)
def access_review(facts: DocumentFacts) -> Verdict:
    """Access is reviewed at an interval, the last review is not older, and its record says who looked at what."""
    access = facts.access
    if not access.where:
        return pending(
            "Needs input access_review: nothing says where the record of the last review of access is.",
            f"Name it (in the inventory: bytebot_documents, key {REVIEW}).",
        )
    found, record = Found(), access.record or {}
    if access.record is None:
        found.wrong(f"{access.where} {access.problem}", _RECORD)
    else:
        for problem in _record_problems(facts, record):
            found.wrong(problem, _RECORD)
    if access.record is not None and access.now is None:
        found.unknown(
            "who has access now is not known, so neither is what has changed since",
            "Judge team.access.production first, with an account that may list roles and bindings.",
        )
    since = _since(access)
    told = "; since then " + "; ".join(since[:3]) if since else ", and nothing has changed since"
    good = f"reviewed {record.get('reviewed')} by {record.get('by')}, {len(_subjects(record))} subjects{told}"
    evidence = Evidence(
        f"record of the access review {access.where}",
        {
            "reviewed": record.get("reviewed"),
            "by": record.get("by"),
            "interval_days": record.get("interval_days"),
            "subjects": {name: list(powers) for name, powers in _subjects(record).items()},
            "changed_since": since,
            "problem": access.problem,
        },
        facts.at,
    )
    interval = record.get("interval_days")
    weaker = weaker_age(interval, REVIEW_AGE, "an access review") if isinstance(interval, int) else []
    return found.verdict(f"Access review {access.where}", good, [evidence], weaker)


@CHECKS.settles(COMMUNICATION)
def communication_plan(facts: DocumentFacts) -> Verdict:
    """The plan for what is told to whom, by which channel, when something goes wrong."""
    return document_verdict(facts, COMMUNICATION)


# ---------------------------------------------------------------------------- the record


def _record_problems(facts: DocumentFacts, record: Mapping[str, Any]) -> Iterator[str]:
    interval = record.get("interval_days")
    if not isinstance(interval, int) or isinstance(interval, bool) or interval < 1:
        yield "it says no interval (interval_days)"
        interval = facts.access.max_age
    yield from age_problems(
        str(record.get("reviewed") or ""), "reviewed", min(interval, facts.access.max_age), facts.today
    )
    if not str(record.get("by") or "").strip():
        yield "it does not say who reviewed (by)"
    if not _subjects(record):
        yield "it lists nobody who had access (subjects)"


def _subjects(record: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    given = record.get("subjects")
    if not isinstance(given, Mapping):
        return {}
    return {str(name): tuple(map(str, powers or ())) for name, powers in given.items() if isinstance(powers, list)}


def _since(access: AccessNow) -> list[str]:
    """What has changed since the review; the list of the authorised decides whether it may."""
    if access.now is None or access.record is None:
        return []
    before, now = _subjects(access.record), access.now
    found = [f"{name} has come" for name in sorted(now.keys() - before.keys())]
    found += [f"{name} has gone" for name in sorted(before.keys() - now.keys())]
    for name in sorted(now.keys() & before.keys()):
        if more := sorted(set(now[name]) - set(before[name])):
            found.append(f"{name} may {', '.join(more)} too")
        if less := sorted(set(before[name]) - set(now[name])):
            found.append(f"{name} may no longer {', '.join(less)}")
    return found


def _said(metas: list[Mapping[str, Any]], keys: tuple[str, ...]) -> str:
    for meta in metas:
        for key in keys:
            if value := meta.get(key):
                return ", ".join(map(str, value)) if isinstance(value, list) else str(value).strip()
    return ""
