# What people reported, were told and learned since a go-live: by tables of records, and by exported files.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.followup import (
    CHECKS,
    FEEDBACK,
    ISSUES,
    LEARNED,
    STATUS,
    USERS,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.followup_facts import (
    MESSAGES,
    TICKETS,
    TRAINING,
    Collected,
    FollowupFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.since_go_live import go_live_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, DENIED, SILENT, Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_followup import observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules.followup_check import _RECORD

LIVE = datetime(2026, 10, 1, 8, tzinfo=UTC)
NOW = LIVE + timedelta(days=40)
DONE = {"id": "B-1", "severity": "critical", "state": "closed", "opened": "2026-10-01T09:00:00Z",
        "answered": "2026-10-01T09:10:00Z"}  # fmt: skip
BEFORE = {"id": "B-0", "severity": "critical", "state": "open", "opened": "2026-09-30T09:00:00Z", "answered": None}
MINOR = {**DONE, "id": "B-2", "severity": "low", "state": "open"}
OPEN = {**DONE, "id": "B-3", "severity": "Critical", "state": "In Progress"}
SENT = {"sent": "2026-10-01T12:00:00Z", "to": "stakeholders"}
OLD, NEW = {"person": "Ann", "day": "2026-09-01"}, {"person": "Ben", "day": "2026-10-20"}


def judged(control: str, kind: str, *entries: dict[str, Any], **more: Any) -> tuple[str, str]:
    collected = more.pop("collected", Collected("the record", Told(data={}), "", entries))
    facts = FollowupFacts({kind: collected}, **{"go_live": LIVE, "now": NOW, **more})
    verdict = CHECKS.judge(facts, [control])[0].verdict
    return str(verdict.state), verdict.summary


KINDS = {USERS: TICKETS, FEEDBACK: TICKETS, ISSUES: TICKETS, STATUS: MESSAGES, LEARNED: TRAINING}


@pytest.mark.parametrize(
    ("control", "entries", "state", "said"),
    [
        (USERS, [BEFORE, DONE, MINOR], "pass", "2 since the go-live, 1 of them critical, none of these open"),
        (USERS, [], "pass", "0 since the go-live"),
        (USERS, [DONE, OPEN], "fail", "B-3 is critical and open"),
        (ISSUES, [DONE, OPEN, {**OPEN, "id": "B-4"}], "fail", "B-3, B-4 are critical and open"),
        (ISSUES, [{**OPEN, "state": None}], "inconclusive", "B-3 has no state"),
        (ISSUES, [{**OPEN, "severity": None}], "inconclusive", "B-3 has no severity"),
        (ISSUES, [{**OPEN, "opened": "soon"}], "inconclusive", "does not say when it was opened"),
        (FEEDBACK, [BEFORE, DONE], "pass", "each of 1 since the go-live was answered within 8 h"),
        (FEEDBACK, [BEFORE], "pass", "none was opened since the go-live"),
        (FEEDBACK, [{**DONE, "answered": None}], "fail", "B-1 is not answered within 8 h"),
        (FEEDBACK, [{**DONE, "answered": "2026-10-01T19:00:00Z"}], "fail", "B-1 is not answered within 8 h"),
        (FEEDBACK, [{**DONE, "opened": (NOW - timedelta(hours=1)).isoformat(), "answered": None}], "pass", "each of 1"),
        (FEEDBACK, [{**DONE, "opened": (NOW - timedelta(hours=1)).isoformat(), "answered": None}], "pass", "but for 1"),
        (FEEDBACK, [{**DONE, "answered": "2026-09-01T09:00:00Z"}], "inconclusive", "answered before it was opened"),
        (FEEDBACK, [{**DONE, "opened": "2027-10-01T09:00:00Z", "answered": None}], "inconclusive", "is to come"),
        (FEEDBACK, [{**DONE, "answered": "by Ann"}], "inconclusive", "does not say at which time it was answered"),
        (ISSUES, [{**DONE, "answered": "by Ann"}], "pass", "none of these open"),
        (STATUS, [SENT], "pass", "1 sent since the go-live"),
        (STATUS, [], "fail", "none was sent since the go-live (0 before)"),
        (STATUS, [{"sent": "2026-09-30"}], "fail", "none was sent since the go-live (1 before)"),
        (STATUS, [{"sent": "2027-01-01"}], "fail", "none was sent"),
        (STATUS, [SENT, {"sent": None}], "inconclusive", "message 2 has no time"),
        (LEARNED, [OLD, NEW], "pass", "1 more were trained"),
        (LEARNED, [OLD, {**OLD, "day": "2026-10-20"}], "fail", "nobody was trained since the go-live who was not"),
        (LEARNED, [], "fail", "nobody was trained"),
        (LEARNED, [{"person": "Zoe", "day": "2027-02-01"}], "fail", "nobody was trained"),
        (LEARNED, [{"person": "", "day": "2026-10-20"}], "inconclusive", "entry 1 does not say who"),
    ],
)
def test_what_a_record_says(control: str, entries: list[dict[str, Any]], state: str, said: str) -> None:
    found = judged(control, KINDS[control], *entries)
    assert found[0] == state, found
    assert said in found[1]


@pytest.mark.parametrize("control", KINDS)
def test_a_record_that_is_not_read_is_never_green(control: str) -> None:
    kind = KINDS[control]
    assert judged(control, "other")[0] == "pending"
    for told, state in (
        (Told(ABSENT, None, "404"), "fail"),
        (Told(DENIED, None, "403"), "pending"),
        (Told(SILENT, None, "x"), "error"),
    ):
        assert judged(control, kind, collected=Collected("r", told))[0] == state
    assert judged(control, kind, collected=Collected("r", Told(data={}), "no list"))[0] == "error"


@pytest.mark.parametrize(
    ("control", "due"),
    [(USERS, timedelta(hours=2)), (FEEDBACK, timedelta(days=1)), (ISSUES, timedelta(days=1)),
     (STATUS, timedelta(days=1)), (LEARNED, timedelta(days=30))],
)  # fmt: skip
def test_before_its_time_a_control_is_pending_and_says_when_it_is_due(control: str, due: timedelta) -> None:
    just_before = judged(control, KINDS[control], OPEN, now=LIVE + due - timedelta(seconds=1))
    assert just_before == ("pending", f"Not due before {(LIVE + due).isoformat()}.")
    assert judged(control, KINDS[control], go_live=None)[0] == "pending"
    assert judged(control, KINDS[control], now=LIVE + due)[0] in {"pass", "fail"}


def test_an_answer_later_than_usual_is_told_as_weaker() -> None:
    facts = FollowupFacts({TICKETS: Collected("r", Told(data={}))}, LIVE, answer_hours=24, now=NOW)
    assert CHECKS.judge(facts, [FEEDBACK])[0].verdict.weaker == ("an answer within 24 h wanted, usual: 8",)


# ---------------------------------------------------------------------- reading


def given(**more: Any) -> dict[str, Any]:
    return {"go_live": "2026-10-01T08:00:00Z", "answer_hours": 8, "allowed_hosts": [], "ca_file": None, "resolve": {},
            "timeout": 1.0, **dict.fromkeys(KINDS.values()), **more}  # fmt: skip


def record(path: Path, content: Any, **more: Any) -> dict[str, Any]:
    path.write_text(json.dumps(content), encoding="utf-8")
    return {"path": str(path), **more}


def test_the_fields_of_another_system_are_found_by_queries(tmp_path: Path) -> None:
    jira = {"issues": [{"key": "B-9", "fields": {"priority": {"name": "Highest"}, "status": {"name": "To Do"},
                                                 "created": "2026-10-01T10:00:00.000+0000"}}]}  # fmt: skip
    fields = {"list": "issues", "id": "key", "severity": "fields.priority.name", "state": "fields.status.name",
              "opened": "fields.created"}  # fmt: skip
    facts = observe(given(tickets=record(tmp_path / "j.json", jira, fields=fields)), _RECORD, Redactor())
    verdict = CHECKS.judge(facts, [ISSUES])[0].verdict
    assert (str(verdict.state), "B-9 is critical and open" in verdict.summary) == ("fail", True)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"other": []}, "finds nothing, and no list"),
        ({"tickets": {"a": 1}}, "finds dict, and no list"),
        ({"tickets": ["a"]}, "no mappings"),
        ({"tickets": [{}] * 2001}, "2001 entries"),
    ],
)
def test_what_is_no_list_of_entries_is_an_error_and_no_empty_list(tmp_path: Path, content: Any, problem: str) -> None:
    facts = observe(given(tickets=record(tmp_path / "t.json", content)), _RECORD, Redactor())
    verdict = CHECKS.judge(facts, [ISSUES])[0].verdict
    assert (str(verdict.state), problem in verdict.summary) == ("error", True), verdict.summary


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"go_live": "soon"}, "is no time"),
        ({"tickets": {"path": "/x", "fields": {"colour": "a"}}}, "fields has colour"),
        ({"tickets": {"path": "/x", "fields": {"id": "a["}}}, "no JMESPath expression"),
        ({"tickets": {"path": "/x", "url": "https://a.test"}}, "exclude each other"),
        ({"tickets": {"url": "https://a.test"}}, "allowed_hosts"),
    ],
)
def test_wrong_inputs_cost_one_sentence(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said.replace("[", r"\[")):
        observe(given(**wrong), _RECORD, Redactor())


def test_nothing_is_read_where_nothing_says_where() -> None:
    assert observe(given(), _RECORD, Redactor()).collected == {}
    assert go_live_of("") is None
