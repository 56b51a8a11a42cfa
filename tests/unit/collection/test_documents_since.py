# The report of the penetration test, and what is written after a go-live: each thing that is wrong with one, by tables.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import (
    DocumentFacts,
    Entry,
    Live,
    Page,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_since import SINCE
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import PENETRATION, usual
from ansible_collections.bytebot.production.plugins.module_utils.document_text import MARKDOWN, parse

TODAY = date(2026, 11, 30)
LIVE = datetime(2026, 10, 10, 8, tzinfo=UTC)
REPORT = """---
owner: Nadia Berg
reviewed: 2026-09-01
open_findings: {critical: 0, high: 1}
---
# Penetration test of version 1.2.0

## Scope
The API, the web sockets and the desktop.

## Findings
| Finding | Severity | State |
| --- | --- | --- |
| The login answers slowly | High | open |
| A token lived for ever | Critical | fixed |

## Summary
No critical finding is open, and the high one waits for the proxy.
"""
PROCEDURE = """---
owner: Operations
reviewed: 2026-11-01
---
# Deploying

## Steps
Run the playbook, and look at the gate.

## Changes
The window before the go-live is an hour longer than it was.
"""
PROCEDURES, DOCUMENTATION = "post_go_live.month_process.procedures", "post_go_live.day_support.documentation"
LESSONS, REVIEW = "post_go_live.month_process.lessons", "post_go_live.month_process.review"


def judged(text: str, control: str = PENETRATION, **more: Any) -> tuple[str, str]:
    page = (
        Page("a.md", parse(text.encode(), MARKDOWN, "a.md")) if text else Page("a.md", problem="is gone", absent=True)
    )
    given: dict[str, Any] = {"live": Live(frozenset(), versions=("1.2.0",)), "today": TODAY, "go_live": LIVE,
             "now": LIVE + timedelta(days=50)}  # fmt: skip
    facts = DocumentFacts({control: Entry(control, usual(control), (page,))}, **given | more)
    verdict = CHECKS.judge(facts, [control])[0].verdict
    return str(verdict.state), verdict.summary


def test_a_report_of_this_version_without_an_open_critical_finding_passes() -> None:
    found = judged(REPORT)
    assert found[0] == "pass", found
    assert "no critical finding is open (open: 1 high)" in found[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is gone"),
        (REPORT.replace("critical: 0", "critical: 2"), "2 critical findings are open"),
        (REPORT.replace("critical: 0, ", ""), "does not say how many critical findings"),
        (REPORT.replace("critical: 0", "critical: few"), "does not say how many critical findings"),
        (REPORT.replace("critical: 0", "critical: true"), "does not say how many critical findings"),
        (REPORT.replace("open_findings: {critical: 0, high: 1}\n", ""), "does not say how many critical findings"),
        (REPORT.replace("| Critical | fixed |", "| Critical | open |"), "names a critical finding as open"),
        (REPORT + "\n* The critical finding in the login is still open.\n", "names a critical finding as open"),
        (REPORT.replace("version 1.2.0", "version 1.1.0"), "does not name version 1.2.0"),
        (REPORT.replace("2026-09-01", "2025-09-01"), "at most 365 are wanted"),
        (REPORT.replace("owner: Nadia Berg\n", ""), "names no owner"),
        (REPORT.replace("## Scope", "## Weather"), "no section on scope"),
    ],
)
def test_each_thing_that_is_wrong_with_a_report_is_red(text: str, said: str) -> None:
    found = judged(text)
    assert found[0] == "fail", found
    assert said in found[1]


def test_the_count_may_be_a_line_of_the_text() -> None:
    bare = REPORT.replace("open_findings: {critical: 0, high: 1}\n", "")
    assert judged(f"{bare}\nOpen critical findings: 0\n")[0] == "pass"
    assert judged(f"{bare}\nOpen critical findings: 3\n")[0] == "fail"
    for word in ("no", "none", "None.", "-"):
        found = judged(f"{bare}\nOpen critical findings: {word}\n")
        assert found[0] == "fail", found
        assert "does not say how many critical findings are open" in found[1]


@pytest.mark.parametrize(
    ("listed", "state"), [("[]", "pass"), ("[F-1, F-2]", "fail"), ("no", "fail"), ('"none"', "fail"), ("{}", "fail")]
)
def test_the_open_findings_may_be_listed_and_a_word_is_no_list(listed: str, state: str) -> None:
    found = judged(REPORT.replace("critical: 0", f"critical: {listed}"))
    assert found[0] == state, found
    assert ("2 critical findings are open" in found[1]) == (listed == "[F-1, F-2]")


@pytest.mark.parametrize(
    ("counts", "state"),
    [(("0", "0"), "pass"), (("2", "0"), "fail"), (("0", "2"), "fail"), (("some", "0"), "fail"), (("0", "-1"), "fail")],
)
def test_no_report_hides_what_another_says(counts: tuple[str, str], state: str) -> None:
    texts = [REPORT.replace("critical: 0", f"critical: {one}") for one in counts]
    pages = tuple(Page(f"{at}.md", parse(text.encode(), MARKDOWN, "x.md")) for at, text in enumerate(texts))
    live = Live(frozenset(), versions=("1.2.0",))
    facts = DocumentFacts({PENETRATION: Entry(PENETRATION, usual(PENETRATION), pages)}, live=live, today=TODAY)
    assert str(CHECKS.judge(facts, [PENETRATION])[0].verdict.state) == state


def test_without_a_version_that_runs_it_is_pending() -> None:
    assert judged(REPORT, live=Live(frozenset(), no_versions="no release"))[0] == "pending"


# ---------------------------------------------------------------------- after the go-live


@pytest.mark.parametrize("control", SINCE)
def test_before_its_time_it_is_pending_and_without_a_go_live_too(control: str) -> None:
    assert judged("", control, now=LIVE)[1].startswith("Not due before 2026-1")
    assert judged("", control, go_live=None)[0] == "pending"
    assert judged("", control)[0] == "fail"


@pytest.mark.parametrize(
    ("reviewed", "state"),
    [
        ("2026-11-01", "pass"),
        ("2026-10-10T09:00:00Z", "pass"),
        ("2026-10-10", "pending"),
        ("2026-10-10T07:00:00Z", "fail"),
        ("2026-10-09", "fail"),
        ("2026-10-10T10:30:00+03:00", "fail"),
        ("soon", "fail"),
    ],
)
def test_a_document_is_reviewed_after_the_go_live(reviewed: str, state: str) -> None:
    found = judged(PROCEDURE.replace("2026-11-01", reviewed), PROCEDURES)
    assert found[0] == state, found
    assert judged(PROCEDURE.replace("2026-11-01", reviewed), DOCUMENTATION)[0] == state


def test_lessons_and_the_review_have_their_sections() -> None:
    lessons = PROCEDURE.replace("## Steps", "## Lessons learned")
    assert judged(lessons, LESSONS)[0] == "pass"
    empty = lessons.replace("Run the playbook, and look at the gate.\n", "")
    assert judged(empty, LESSONS)[0] == "fail"
    assert "no section on" in judged(PROCEDURE, REVIEW)[1]


def test_of_several_documents_each_is_reviewed() -> None:
    text = parse(PROCEDURE.encode(), MARKDOWN, "a.md")
    old = replace(text, meta={**text.meta, "reviewed": "2026-10-01"})
    entry = Entry(DOCUMENTATION, usual(DOCUMENTATION), (Page("a.md", text), Page("b.md", old)))
    facts = DocumentFacts({DOCUMENTATION: entry}, today=TODAY, go_live=LIVE, now=LIVE + timedelta(days=50))
    verdict = CHECKS.judge(facts, [DOCUMENTATION])[0].verdict
    assert (str(verdict.state), "b.md: it was last reviewed on 2026-10-01" in verdict.summary) == ("fail", True)
