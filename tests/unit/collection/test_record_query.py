# Records of change, on-call and release systems, by recorded answers in the published form of each API.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import observe_record
from ansible_collections.bytebot.production.plugins.module_utils.checks.change_record import (
    CHECKS,
    FIELDS,
    ChangeFacts,
    time_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.own import compiled, parse
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, DENIED, SILENT, Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules import record_query

NOW = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
GOOD = {
    "state": "approved",
    "start": "2026-11-30 03:00:00",
    "end": "2026-11-30T08:00:00+01:00",
    "version": "Bytebot v1.0.0",
}
# Written after the published descriptions of these APIs; not taken from the services themselves.
SERVICENOW = {"result": [{
    "number": "CHG0030001", "state": "-2", "approval": "approved", "start_date": "2026-11-30 03:00:00",
    "end_date": "2026-11-30 06:00:00", "short_description": "Bytebot 1.0.0", "description": "the go-live",
}]}  # fmt: skip
JIRA = {
    "key": "OPS-123",
    "fields": {
        "status": {"name": "Implementing"}, "summary": "Go-live", "fixVersions": [{"name": "1.0.0"}],
        "customfield_10101": "2026-11-30T03:00:00.000+0000", "customfield_10102": "2026-11-30T07:00:00.000+0100",
    },
}  # fmt: skip
PAGERDUTY = {"oncalls": [{"escalation_level": 1, "user": {"type": "user_reference", "summary": "Ines Okafor"}}]}
GITHUB = {"tag_name": "v1.0.0", "draft": False, "prerelease": False, "published_at": "2026-11-29T10:00:00Z"}


def examples() -> dict[str, dict[str, Any]]:
    """The arguments of the examples in the module's own documentation, by the name of the task."""
    import yaml

    tasks = yaml.safe_load(record_query.EXAMPLES)
    return {task["name"]: task["bytebot.production.record_query"] for task in tasks}


def facts(found: dict[str, Any] | None = None, **given: Any) -> ChangeFacts:
    usual = {"source": "record", "told": Told(data={}), "versions": ("1.0.0",), "now": NOW}
    return ChangeFacts(found={**GOOD, **(found or {})}, **usual | given)


def judged(given: ChangeFacts) -> tuple[str, str]:
    verdict = CHECKS.judge(given)[0].verdict
    return str(verdict.state), verdict.summary


@pytest.mark.parametrize(
    "found", [{}, {"state": True}, {"state": "IMPLEMENT"}, {"start": 1796000000}, {"version": ["a", "1.0.0"]}]
)
def test_an_approved_change_of_now_passes(found: dict[str, Any]) -> None:
    assert judged(facts(found))[0] == "pass", judged(facts(found))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"state": "requested"}, "it is requested, and not approved"),
        ({"state": None}, "it is nothing, and not approved"),
        ({"state": False}, "not approved"),
        ({"end": "2026-11-30 03:30:00"}, "its window was over at 2026-11-30T03:30:00+00:00"),
        ({"end": "2026-11-29 03:30:00"}, "its window ends before it begins"),
        ({"start": None}, "it has no window (start nothing"),
        ({"start": "tonight"}, "it has no window (start tonight"),
        ({"version": "Bytebot 1.0.01"}, "it does not name version 1.0.0"),
        ({"version": {"a": 1}}, "it does not name version 1.0.0"),
        ({"version": "1.0.0 for [your name]"}, "it still has [your name]"),
    ],
)
def test_a_change_that_does_not_hold(found: dict[str, Any], said: str) -> None:
    state, summary = judged(facts(found))
    assert (state, said in summary) == ("fail", True), summary


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"told": None}, "pending"),
        ({"told": Told(ABSENT, None, "it answers 404")}, "fail"),
        ({"told": Told(DENIED, None, "it answers 401")}, "pending"),
        ({"told": Told(SILENT, None, "nothing listens")}, "error"),
        ({"problem": "the query does not fit"}, "error"),
        ({"versions": (), "no_versions": "not deployed"}, "pending"),
        ({"now": datetime(2026, 11, 30, 2, 0, tzinfo=UTC)}, "pending"),
    ],
)
def test_what_is_said_where_nothing_is_known(given: dict[str, Any], state: str) -> None:
    assert judged(facts(**given))[0] == state


@pytest.mark.parametrize(("name", "record"), [("ServiceNow", SERVICENOW), ("Jira", JIRA)])
def test_the_examples_read_recorded_changes(name: str, record: dict[str, Any]) -> None:
    change = next(one["change"] for told, one in examples().items() if name in told)
    found = {field: compiled(change[field], field).search(record) for field in FIELDS}
    approved = {"approved": tuple(change["approved"])} if "approved" in change else {}
    assert (
        judged(ChangeFacts("record", Told(data=record), found, versions=("1.0.0",), now=NOW, **approved))[0] == "pass"
    )


@pytest.mark.parametrize(
    ("name", "record", "wrong"),
    [("PagerDuty", PAGERDUTY, {"oncalls": []}), ("GitHub", GITHUB, {**GITHUB, "draft": True})],
)
def test_the_examples_judge_other_recorded_answers(name: str, record: Any, wrong: Any) -> None:
    controls = next(one["controls"] for told, one in examples().items() if name in told)
    one = record_query._controls({"controls": controls})[0]
    assert str(record_query._own(one, "record", Told(data=record), "now").verdict.state) == "pass"
    assert str(record_query._own(one, "record", Told(data=wrong), "now").verdict.state) == "fail"
    assert str(record_query._own(one, "record", Told(SILENT, None, "x"), "now").verdict.state) == "error"
    assert str(record_query._own(one, "record", Told(ABSENT, None, "404"), "now").verdict.state) == "fail"


def test_what_signs_in_has_the_prefix_of_its_system_and_is_never_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, Any] = {}

    class Asked:
        def __init__(self, _http: Any, login: Any) -> None:
            seen.update(login.headers)

        def json(self, url: str) -> Told:
            seen["url"] = url
            return Told(data={})

    monkeypatch.setattr(observe_record, "Service", Asked)
    (tmp_path / "token").write_text("s3cret-token-value\n")
    redactor = Redactor()
    usual = dict.fromkeys(("path", "token_variable", "username", "password_file", "password_variable", "ca_file"))
    given = {
        **usual, "url": "https://api.pagerduty.com/oncalls?x=1", "token_file": str(tmp_path / "token"), "timeout": 1.0,
        "token_prefix": "Token token=", "accept": "a/b", "allowed_hosts": ["api.pagerduty.com"], "resolve": {},
    }  # fmt: skip
    source, _told = observe_record.record_of("record", given, given, redactor)
    assert (seen["Authorization"], seen["Accept"]) == ("Token token=s3cret-token-value", "a/b")
    assert source == "https://api.pagerduty.com/oncalls?…"
    assert redactor.text(json.dumps(seen)).count("s3cret") == 0
    with pytest.raises(InputError, match="not in allowed_hosts"):
        observe_record.record_of("record", given, {**given, "allowed_hosts": ["other.test"]}, redactor)


def test_a_file_is_read_as_a_record(tmp_path: Path) -> None:
    (tmp_path / "change.yml").write_text("state: approved\n")
    (tmp_path / "broken.yml").write_text("a: [\n")
    assert observe_record._from_file(tmp_path / "change.yml", "c").data == {"state": "approved"}
    assert observe_record._from_file(tmp_path / "none.yml", "c").kind == ABSENT
    assert "not YAML" in observe_record._from_file(tmp_path / "broken.yml", "c").cause


def test_a_query_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no JMESPath expression"):
        compiled("result[", "change, state")
    with pytest.raises(InputError, match="source has no place"):
        record_query._controls({"controls": [{"id": "own.a.b", "source": {}}]})
    assert parse([], "controls", "") == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("2026-11-30T04:00:00Z", NOW),
        ("2026-11-30 04:00:00", NOW),
        ("2026-11-30T05:00:00.000+0100", NOW),
        (int(NOW.timestamp()), NOW),
        (str(int(NOW.timestamp() * 1000)), NOW),
        ("soon", None),
        (True, None),
        (None, None),
    ],
)
def test_moments_as_systems_write_them(given: Any, found: datetime | None) -> None:
    assert time_of(given) == found


def test_a_record_without_queries_for_its_fields_is_told_so() -> None:
    state, said = judged(ChangeFacts("CHG1", Told()))
    assert (state, "how the fields of the record CHG1 are found" in said) == ("pending", True)
    state, said = judged(ChangeFacts())
    assert (state, "nothing says where the change record is" in said) == ("pending", True)
