# pgBackRest and barman judged by what they really said (tests/unit/fixtures/backup_tools); none of it is ever green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import (
    BackupFacts,
    BackupSeen,
    Drilled,
    backup,
    failure_remedy,
    last_failure,
    last_success,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup_tools import (
    barman_seen,
    cause_of,
    newest_failed,
    pgbackrest_seen,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

SAID = Path(__file__).parents[1] / "fixtures" / "backup_tools"
WHERE = "the backups"
NOW = 1_796_044_800.0  # a few minutes after the answers were taken
HOUR = 3600.0


def pg(name: str) -> str:
    return (SAID / "pgbackrest-2.45" / f"{name}.json").read_text(encoding="utf-8")


def bar(name: str) -> str:
    return (SAID / "barman-3.4.0" / f"{name}.json").read_text(encoding="utf-8")


def facts(seen: BackupSeen, **changes: Any) -> BackupFacts:
    return replace(BackupFacts(seen, 24 * HOUR, NOW), **changes)


def judged_pg(said: str, stanza: str = "main", **changes: Any) -> Verdict:
    return backup(facts(pgbackrest_seen(WHERE, stanza, said), **changes))


def judged_bar(listed: str, checked: str, cause: str = "", **changes: Any) -> Verdict:
    return backup(facts(barman_seen(WHERE, "main", listed, checked, cause), **changes))


def changed(name: str, **changes: Any) -> str:
    """A real answer with other fields of the stanza."""
    return json.dumps([{**json.loads(pg(name))[0], **changes}])


def aged(name: str, key: int, hours: float) -> str:
    """A real answer whose backups in one repository are older."""
    (one,) = json.loads(pg(name))
    for entry in one["backup"]:
        if entry["database"]["repo-key"] == key:
            entry["timestamp"] = {which: at - hours * HOUR for which, at in entry["timestamp"].items()}
    return json.dumps([one])


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("full", "pending", "Needs a restore drill: the backups made a backup"),
        ("incr", "pending", "Needs a restore drill"),
        ("mended", "pending", "Needs a restore drill"),  # a good one has followed
        ("after-failed", "pending", "Needs a restore drill"),  # one that fails is in no list
        ("two-repos", "pending", "Needs a restore drill"),
        ("running", "pending", "a backup or an expire holds the stanza's lock; nothing shows that"),
        ("missing-stanza", "fail", "missing stanza path (status 1)"),
        ("empty-stanza", "fail", "it has made no backup yet; no valid backups (status 2)"),
        ("page-error", "fail", "the last backup, 20261130-130519F, failed: pages of it do not have their checksums"),
        ("two-repos-one-missing", "fail", "repository 2: missing stanza path (status 1)"),
        ("two-repos-one-empty", "fail", "repository 2: no valid backups (status 2)"),
        ("two-repos-one-unreadable", "fail", "repository 1: [PathOpenError] unable to list file info"),
        # pgBackRest calls all of these ok, with status 0.
        ("archive-lost", "fail", "repository 1: its log archive is empty, and 20261130-130735F needs 0000000100000000"),
        ("after-upgrade", "fail", "repository 1: it has no good backup of the present cluster"),
        ("upgraded-one-repo", "fail", "repository 2: it has no good backup of the present cluster"),
    ],
)
def test_what_pgbackrest_says_is_judged(name: str, state: str, said: str) -> None:
    told = judged_pg(pg(name))
    assert (told.state, said in told.summary) == (state, True), told.summary
    assert told.remedy


ONE = json.loads(pg("full"))[0]
BACKUP = ONE["backup"][0]


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ("", "pending", "is no JSON: nothing"),
        ("WARN: unable to open log file", "pending", "is no JSON: WARN: unable to open log file"),
        ("[" * 100_000, "pending", "is no JSON"),
        ("[]", "pending", "does not speak of stanza main"),
        ("{}", "pending", "does not speak of stanza main"),
        ("null", "pending", "is no JSON"),
        (
            changed("full", backup=[{**BACKUP, "timestamp": {}}]),
            "pending",
            "does not tell when 20261130-130510F",
        ),
        (
            changed("full", backup=[{**BACKUP, "timestamp": {"stop": float("nan")}}]),
            "pending",
            "does not tell",
        ),
        (changed("full", status={}, repo=[]), "pending", "its status is not told"),
        (changed("full", repo=[]), "pending", "Needs a restore drill"),  # as before version 2.32
        (changed("full", repo=[], status={"code": 3, "message": "missing stanza data"}), "fail", "missing stanza data"),
        (changed("full", status={"code": 5, "message": "database mismatch across repos"}), "fail", "(status 5)"),
        (changed("full", archive=[]), "fail", "its log archive is empty"),
        (
            changed("full", archive=[{**ONE["archive"][0], "max": "000000010000000000000001"}]),
            "fail",
            "ends at 000000010000000000000001, and 20261130-130510F needs 000000010000000000000002",
        ),
        (
            changed("full", archive=[{**ONE["archive"][0], "min": "000000010000000000000003", "max": "F" * 24}]),
            "fail",
            "begins at 000000010000000000000003, and 20261130-130510F needs 000000010000000000000002",
        ),
        (changed("full", archive=[{**ONE["archive"][0], "min": None}]), "pending", "Needs a restore drill"),
        (
            changed("full", archive=[], backup=[{**BACKUP, "archive": {"start": None, "stop": None}}]),
            "pending",
            "Needs a restore drill",  # made with the server stopped
        ),
        (aged("full", 1, 25), "fail", "old, 24h is the most"),
        (aged("two-repos", 2, 25), "pending", "the newest backup in repository 2 is 25.2h old; nothing shows"),
        (aged("two-repos", 1, 25), "pending", "the newest backup in repository 1 is 25.2h old"),
    ],
)
def test_an_answer_of_pgbackrest_in_another_form(answer: str, state: str, said: str) -> None:
    told = judged_pg(answer)
    assert (told.state, said in told.summary) == (state, True), told.summary


def test_a_stanza_that_was_never_made_is_told_by_its_name() -> None:
    (one,) = json.loads(pg("missing-stanza"))
    assert judged_pg(json.dumps([{**one, "name": "nosuch"}]), "nosuch").state == "fail"
    told = judged_pg(pg("full"), "nosuch")
    assert (told.state, "does not speak of stanza nosuch" in told.summary) == ("pending", True)


WAITS = "20261130T130940 is copied and waits for its log (WAITING_FOR_WALS)"


@pytest.mark.parametrize(
    ("listed", "checked", "state", "said"),
    [
        ("list-done", "check-ok", "pending", "Needs a restore drill: the backups made a backup"),
        ("list-after", "check-ok", "pending", "Needs a restore drill"),
        ("list-running", "check-ok", "pending", "Needs a restore drill"),
        ("list-waiting", "check-waiting", "fail", f"it has made no backup yet; {WAITS}"),
        ("list-failed", "check-failed", "fail", "the last backup, 20261130T130947, failed: barman does not tell why"),
        ("list-empty", "check-begin", "fail", "it has made no backup yet; barman check backup_maximum_age: interval"),
        ("list-done", "check-no-receiver", "fail", "barman check receive_wal_running: See the Barman log file"),
        ("list-done", "check-server-down", "fail", "barman check postgresql fails"),
        ("list-unknown", "check-unknown", "fail", "barman knows no server main"),
        ("list-done", "check-unknown", "pending", "that can be read: Unknown server 'nosuch'"),
    ],
)
def test_what_barman_says_is_judged(listed: str, checked: str, state: str, said: str) -> None:
    told = judged_bar(bar(listed), bar(checked))
    assert (told.state, said in told.summary) == (state, True), told.summary
    assert told.remedy


LISTED = json.loads(bar("list-two"))["main"]
OK = bar("check-ok")


def entries(*found: dict[str, Any], **more: Any) -> str:
    return json.dumps({"main": list(found), **more})


@pytest.mark.parametrize(
    ("listed", "checked", "state", "said"),
    [
        ("", OK, "pending", "is no JSON: nothing"),
        ("EXCEPTION: no module", OK, "pending", "is no JSON: EXCEPTION: no module"),
        ("{}", OK, "pending", "does not speak of server main (is it active?)"),
        ('{"_ERROR": ["it is disabled"]}', OK, "pending", "does not speak of server main: it is disabled"),
        ('{"_ERROR": 1}', OK, "pending", "does not speak of server main"),
        (entries(*LISTED, _ERROR=["invalid WAL segment name"]), OK, "fail", "barman: invalid WAL segment name"),
        (entries({"backup_id": "1", "status": "DONE"}), OK, "pending", "barman does not tell when 1 ended"),
        (entries(*LISTED), "", "pending", "barman check tells nothing that can be read: nothing; nothing shows"),
        (entries(*LISTED), '{"main": {}}', "pending", "barman check tells nothing that can be read"),
        (entries(*LISTED), '{"main": {"ssh": {"status": "?"}}}', "fail", "barman check ssh fails"),
        (entries(*LISTED), '{"main": {"ssh": 1}}', "fail", "barman check ssh fails"),
        # One that failed and was followed by a good one is told by the check, and is no fault any more.
        (entries(*LISTED), '{"main": {"failed_backups": {"status": "FAILED"}}}', "pending", "Needs a restore drill"),
        (
            entries({**LISTED[0], "status": "WAITING_FOR_WALS"}, LISTED[1]),
            OK,
            "pending",
            "20261130T131016 is copied and waits for its log (WAITING_FOR_WALS); nothing shows that",
        ),
        (entries({**LISTED[0], "status": "SYNCING"}), OK, "fail", "no backup yet"),
        (entries({**LISTED[0], "end_time_timestamp": str(NOW - 25 * HOUR)}), OK, "fail", "25h old, 24h is the most"),
    ],
)
def test_an_answer_of_barman_in_another_form(listed: str, checked: str, state: str, said: str) -> None:
    told = judged_bar(listed, checked)
    assert (told.state, said in told.summary) == (state, True), told.summary


def test_why_a_backup_of_barman_failed_is_asked_and_told() -> None:
    assert newest_failed("main", bar("list-failed")) == "20261130T130947"
    assert not newest_failed("main", bar("list-done"))
    assert not newest_failed("main", "no JSON")
    assert not newest_failed("main", entries({"backup_id": "--all", "status": "FAILED"}))
    cause = cause_of("main", bar("show-failed"))
    assert cause.startswith("failure copying files (data transfer failure")
    assert not cause_of("main", "")
    seen = barman_seen(WHERE, "main", bar("list-failed"), bar("check-failed"), cause)
    assert "failure copying files" in last_failure(facts(seen))
    assert "Job" not in failure_remedy(facts(seen))


def test_full_backups_are_counted() -> None:
    full = "1 full backups are kept, 2 are the least"
    assert full in judged_pg(pg("incr"), keep=2).summary
    assert judged_pg(pg("two-repos"), keep=2).state == "pending"  # two in the first one
    assert judged_bar(bar("list-two"), OK, keep=2).state == "pending"
    no_full = changed("full", backup=[{**BACKUP, "type": "incr"}])
    assert "0 full backups are kept, 1 are the least" in judged_pg(no_full).summary
    later = {**LISTED[0], "backup_type": "incremental"}
    assert full in judged_bar(entries(later, LISTED[1]), OK, keep=2).summary


def test_an_interval_lets_backups_be_older_than_the_rpo_and_asks_for_the_log() -> None:
    often: dict[str, Any] = {"rpo_s": 120.0, "interval_s": 24 * HOUR}
    told = judged_pg(pg("full"), **often)
    assert (told.state, "whether its log archive keeps the RPO of 2m is not told" in told.summary) == ("pending", True)
    assert "Needs a restore drill" in judged_bar(bar("list-two"), OK, **often).summary  # barman has judged that itself
    silent = json.loads(OK)
    silent["main"]["wal_maximum_age"]["hint"] = "no last_wal_maximum_age provided"
    assert "is not told" in judged_bar(bar("list-two"), json.dumps(silent), **often).summary
    assert judged_pg(pg("full"), rpo_s=120.0).state == "fail"
    assert judged_pg(aged("full", 1, 25), **often).state == "fail"


def test_the_evidence_has_what_was_told() -> None:
    told = judged_pg(pg("two-repos")).evidence[0].observed
    assert told["archive"] == {"repository 1": "00000001000000000000000F", "repository 2": "00000001000000000000000F"}
    assert [one["name"] for one in told["made"]][-1] == "20261130-130825F (repository 2)"
    told = judged_bar(bar("list-after"), OK).evidence[0].observed
    assert told["retention"]["20261130T130940"] == "OBSOLETE"
    assert told["check"]["wal_maximum_age"].startswith("interval provided: 1 hour")


def test_the_newest_good_one_counts() -> None:
    assert last_success(facts(pgbackrest_seen(WHERE, "main", pg("page-error")))) == 1_796_043_918
    assert last_success(facts(barman_seen(WHERE, "main", bar("list-running"), OK))) == 1_796_044_219


def test_after_a_restore_a_gap_still_waits_and_all_else_is_green() -> None:
    drilled = Drilled("", NOW - HOUR, NOW - HOUR)
    assert judged_pg(pg("full"), drilled=drilled).state == "pass"
    assert judged_pg(pg("running"), drilled=drilled).state == "pending"
    assert judged_pg(pg("archive-lost"), drilled=drilled).state == "fail"


KEYS = ["name", "backup", "repo", "db", "status", "archive", "main", "_ERROR"]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)
FIELDS = sorted(ONE)


@given(st.sampled_from(FIELDS), ANY)
def test_whatever_pgbackrest_says_it_is_read_and_never_green(name: str, value: Any) -> None:
    assert judged_pg(json.dumps([{**ONE, name: value}])).state in ("fail", "pending")
    assert judged_pg(json.dumps([{**ONE, "backup": [{**BACKUP, name: value}]}])).state in ("fail", "pending")


@given(ANY, ANY, ANY)
def test_whatever_barman_says_it_is_read_and_never_green(listed: Any, checked: Any, field: Any) -> None:
    assert judged_bar(json.dumps({"main": listed}), json.dumps(checked)).state in ("fail", "pending")
    assert judged_bar(json.dumps({"main": [{**LISTED[0], "status": field}]}), OK).state in ("fail", "pending")
    assert judged_bar(bar("list-two"), json.dumps({"main": {"ssh": field}})).state in ("fail", "pending")
