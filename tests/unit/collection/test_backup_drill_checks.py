# Backups judged from tables of what drills found: only what was restored and is the same is green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.backup.configuration import Compared
from ansible_collections.bytebot.production.plugins.module_utils.backup.database import (
    Catalogue,
    DatabaseFacts,
    Restored,
)
from ansible_collections.bytebot.production.plugins.module_utils.backup.records import Record
from ansible_collections.bytebot.production.plugins.module_utils.checks import drill
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import BackupFacts, BackupSeen
from ansible_collections.bytebot.production.plugins.module_utils.checks.drill_facts import (
    ConfigurationDrill,
    Copy,
    DatabaseDrill,
    DrillFacts,
    Targets,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.recovery_plan import Plan
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86_400.0
WHERE = "CronJob database/dump"
TABLES = {"public.users": (3, "17"), "public.tasks": (5, "-4")}
LIVE = DatabaseFacts(NOW - 60, 1000, "15.1", "5" * 64, TABLES)
CATALOGUE = Catalogue(NOW - 60, frozenset(TABLES), frozenset(TABLES))
WHOLE = Restored(CATALOGUE, LIVE, {"take": 1.0, "restore": 2.0, "check": 1.0})
OWN = DatabaseDrill("backup", "own.cms", NOW - 60, 10, WHOLE, True, WHOLE.seconds)
REGULAR = DatabaseDrill(WHERE, "night.cms", NOW - 8 * HOUR, 10, WHOLE, False, WHOLE.seconds)
KINDS = {"ConfigMap": 2, "Secret": 1}
CONFIGURATION = ConfigurationDrill(
    "state.cms", NOW - 60, 0.5, KINDS, KINDS, release=("sh.helm.release.v1.bytebot.v1",),
    compared=Compared(made=("Secret a",), rehearsed=("ConfigMap b",)),
)  # fmt: skip
PLAN: dict[str, Any] = {
    "recovery": {
        "document": "wiki/recovery",
        "owner": "platform",
        "reviewed": "2026-11-01",
        "steps": ["stop", "restore", "start"],
    },
    "disaster": {
        "document": "wiki/disaster",
        "owner": "platform",
        "reviewed": "2026-11-01",
        "last_exercise": "2026-06-01",
        "sites": [
            {"name": "one", "role": "primary", "location": "Bern"},
            {"name": "two", "role": "standby", "location": "Oslo"},
        ],
        "order": ["database", "secrets", "release"],
        "contacts": [
            {"name": "A", "role": "lead", "reach": "pager"},
            {"name": "B", "role": "database", "reach": "pager"},
        ],
    },
}
BACKUP = BackupFacts(
    BackupSeen(
        "cron_job",
        WHERE,
        {"metadata": {"name": "dump"}, "spec": {}, "status": {}},
        (
            {
                "metadata": {"name": "dump-1", "creationTimestamp": "2026-11-29T03:59:00Z"},
                "status": {"completionTime": "2026-11-29T04:00:00Z"},
            },
        ),
    ),
    now=NOW,
)


def record(kind: str = "database", source: str = WHERE, **changes: Any) -> Record:
    given: dict[str, Any] = {"at": NOW - HOUR, "passed": True, "made": NOW - 8 * HOUR, "size": 1000}
    return Record(kind, source, **{**given, "seconds": {"restore": 60.0}, **changes})


RECORDS = (record(), record("configuration", "backup", seconds={"restore": 2.0}))
GREEN = DrillFacts(
    live=LIVE,
    databases=(OWN, REGULAR),
    configuration=CONFIGURATION,
    records=RECORDS,
    backup=BACKUP,
    targets=Targets(DAY, 600),
    plan=Plan("plan.yml", PLAN),
    copy=Copy("s3://backups", "own.cms", NOW - HOUR, 10),
    now=NOW,
)


def said(verdict: Verdict, state: str, text: str) -> None:
    assert (verdict.state, text in verdict.summary) == (state, True), verdict.summary


@pytest.mark.parametrize("check", drill.CHECKS.controls)
def test_all_is_green_where_all_was_restored(check: str) -> None:
    results = {result.control: result.verdict for result in drill.CHECKS.judge(GREEN)}
    assert results[check].state == "pass", results[check].summary
    assert results[check].evidence


@pytest.mark.parametrize("check", drill.CHECKS.controls)
def test_nothing_is_green_where_nothing_was_done(check: str) -> None:
    nothing = DrillFacts(waits="Needs a drill.", waits_for="Permit it.", now=NOW)
    results = {result.control: result.verdict for result in drill.CHECKS.judge(nothing)}
    assert results[check].state in ("pending", "fail")
    assert results[check].remedy


def restored(**changes: Any) -> Restored:
    return replace(WHOLE, **changes)


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (replace(REGULAR, size=0, restored=Restored()), "night.cms (CronJob database/dump): it is empty"),
        (replace(REGULAR, restored=restored(trouble="not enough data", phase="take")), "while opening it"),
        (replace(REGULAR, restored=restored(trouble="disk full", phase="restore")), "while restoring"),
        (replace(REGULAR, restored=restored(trouble="heap is wrong", phase="check")), "pg_amcheck"),
        (replace(REGULAR, restored=restored(facts=None)), "could not be compared"),
        (
            replace(REGULAR, restored=restored(facts=replace(LIVE, tables={"public.users": (3, "17")}))),
            "it lacks table public.tasks",
        ),
        (
            replace(REGULAR, restored=restored(catalogue=replace(CATALOGUE, data=frozenset({"public.users"})))),
            "it has no rows of table public.tasks",
        ),
        (
            replace(OWN, restored=restored(facts=replace(LIVE, tables={**TABLES, "public.users": (3, "18")}))),
            "rows are not those of the snapshot in table public.users",
        ),
        (replace(OWN, restored=restored(facts=replace(LIVE, schema="6" * 64))), "its schema is not"),
    ],
)
def test_an_artifact_with_a_flaw_is_red(one: DatabaseDrill, text: str) -> None:
    facts = replace(GREEN, databases=(one,))
    said(drill.database(facts), "fail", text)
    new = drill.records_of(facts)
    assert [found.passed for found in new if found.kind == "database"] == [False]


def test_an_older_artifact_may_have_other_rows_but_not_fewer_tables() -> None:
    other = replace(LIVE, schema="6" * 64, tables={**TABLES, "public.users": (2, "9"), "public.old": (0, "0")})
    said(drill.database(replace(GREEN, databases=(OWN, replace(REGULAR, restored=restored(facts=other))))), "pass", "")


def test_a_backup_that_could_not_be_made_or_a_job_that_failed_is_red() -> None:
    said(drill.database(replace(GREEN, failure="no room")), "fail", "could not be made: no room")
    said(drill.configuration(replace(GREEN, configuration=None, failure="no room")), "fail", "no room")
    seen = copy.deepcopy(BACKUP.seen)
    assert seen
    seen.made[0]["status"] = {"conditions": [{"type": "Failed", "status": "True", "message": "no room"}]}  # type: ignore[index]
    broken = replace(GREEN, backup=replace(BACKUP, seen=seen))
    said(drill.database(broken), "fail", "the last backup, dump-1, failed: no room")
    said(drill.regular(broken), "fail", "the last backup, dump-1, failed: no room")


def test_a_drill_that_broke_off_is_an_error_and_no_pass() -> None:
    broken = replace(GREEN, databases=(), configuration=None, trouble="the pod does not run")
    said(drill.database(broken), "error", "the pod does not run")
    said(drill.configuration(broken), "error", "the pod does not run")
    assert drill.records_of(broken) == []


@pytest.mark.parametrize(
    ("changes", "state", "text"),
    [
        ({"kept": {"Secret": 1}}, "fail", "it has no ConfigMap"),
        ({"gone": ("ConfigMap settings",)}, "fail", "it lacks object ConfigMap settings"),
        ({"changed": ("ConfigMap settings",)}, "fail", "otherwise than the cluster"),
        ({"compared": Compared(lost=("ConfigMap a: no room",))}, "fail", "lost in the restore"),
        ({"compared": Compared(other=("ConfigMap a: data.x",))}, "fail", "restored as another"),
        ({"clear": ("dump.yaml shows Secret db/password in clear",)}, "fail", "in clear"),
        ({"trouble": "openssl cannot open it"}, "fail", "openssl cannot open it"),
        ({"release": ()}, "fail", "Helm's record"),
        ({"denied": ("Role",)}, "pending", "not permitted to list Role"),
        ({"unserved": ("metrics/v1",)}, "pending", "metrics/v1"),
    ],
)
def test_a_configuration_that_is_not_whole_is_not_green(changes: dict[str, Any], state: str, text: str) -> None:
    facts = replace(GREEN, configuration=replace(CONFIGURATION, **changes))
    said(drill.configuration(facts), state, text)
    assert [one.passed for one in drill.records_of(facts) if one.kind == "configuration"] == [False]


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ((), "no restore drill of the database is recorded"),
        (RECORDS[:1], "no restore drill of the configuration is recorded"),
        ((record(passed=False, why="cut"), RECORDS[1]), "database failed: cut"),
        ((record(), record(at=NOW - HOUR, passed=False, why="cut"), RECORDS[1]), "database failed: cut"),
        ((record(at=NOW - 31 * DAY), RECORDS[1]), "31d old, 30d is the most"),
    ],
)
def test_recovery_needs_a_young_passed_drill_of_both(records: tuple[Record, ...], text: str) -> None:
    said(drill.recovery(replace(GREEN, records=records)), "fail", text)


def test_a_drill_that_passed_after_one_that_failed_counts() -> None:
    records = (record(at=NOW - 2 * HOUR, passed=False, why="cut"), *RECORDS)
    said(drill.recovery(replace(GREEN, records=records)), "pass", "")


@pytest.mark.parametrize(
    ("part", "key", "value", "text"),
    [
        ("recovery", "owner", "", "names no owner"),
        ("recovery", "document", None, "names no document"),
        ("recovery", "reviewed", "soon", "no date reviewed"),
        ("recovery", "reviewed", "2026-05-01", "ago, 90d is the most"),
        ("recovery", "reviewed", "2027-05-01", "in the future"),
        ("recovery", "steps", ["one"], "fewer than 3 steps"),
        ("recovery", "owner", "TBD", "placeholder TBD"),
        ("disaster", "sites", PLAN["disaster"]["sites"][:1], "fewer than 2 sites"),
        ("disaster", "sites", [PLAN["disaster"]["sites"][0]] * 2, "at one location"),
        ("disaster", "contacts", [], "fewer than 2 people"),
        ("disaster", "contacts", [{"name": "A", "role": "", "reach": "x"}] * 2, "fewer than 2 people"),
        ("disaster", "order", "database", "in which order"),
        ("disaster", "last_exercise", "2025-01-01", "last_exercise was"),
        ("disaster", "owner", "[name]", "placeholder [name]"),
    ],
)
def test_a_plan_with_a_hole_is_red(part: str, key: str, value: Any, text: str) -> None:
    content = copy.deepcopy(PLAN)
    content[part][key] = value
    facts = replace(GREEN, plan=Plan("plan.yml", content))
    said(drill.recovery(facts) if part == "recovery" else drill.disaster(facts), "fail", text)


def test_a_missing_part_is_red_and_a_missing_plan_pending() -> None:
    half = Plan("plan.yml", {"recovery": PLAN["recovery"]})
    said(drill.disaster(replace(GREEN, plan=half)), "fail", "no part disaster")
    said(drill.disaster(replace(GREEN, plan=None)), "pending", "recovery_plan")
    said(drill.recovery(replace(GREEN, plan=None)), "pending", "recovery_plan")


@pytest.mark.parametrize(
    ("found", "state", "text"),
    [
        (None, "pending", "Needs input copy"),
        (Copy("s3://b"), "fail", "there is no second copy in s3://b"),
        (Copy("s3://b", "x", NOW - 30 * HOUR, 10), "fail", "is 30h old, 24h is the most"),
        (Copy("s3://b", trouble="it refuses the key"), "fail", "it refuses the key"),
        (Copy("s3://b", waits="to look needs a probe"), "pending", "needs a probe"),
    ],
)
def test_a_second_copy_is_seen_or_not(found: Copy | None, state: str, text: str) -> None:
    said(drill.disaster(replace(GREEN, copy=found)), state, text)


@pytest.mark.parametrize(
    ("changes", "state", "text"),
    [
        ({"targets": None}, "pending", "recovery_targets"),
        ({"targets": Targets(DAY, 61)}, "fail", "restoring takes 62 s"),
        ({"targets": Targets(HOUR, 600)}, "fail", "8h old"),
        ({"records": ()}, "pending", "restore drill"),
        ({"records": (record(at=NOW - 40 * DAY),)}, "pending", "restore drill"),
        ({"records": (record(passed=False),)}, "pending", "restore drill"),
        ({"live": replace(LIVE, size=20_000)}, "fail", "restoring takes 1.24e+03 s"),  # it has grown twentyfold since
        ({"records": (record(made=0.0),)}, "fail", "old, 24h are wanted"),
        ({"records": (record(source="the backup just taken"),)}, "pending", f"no backup of {WHERE} was restored"),
        ({"records": (record(source="the backup just taken"),), "targets": Targets(DAY, 59)}, "fail", "takes 60 s"),
    ],
)
def test_targets_are_held_against_what_was_measured(changes: dict[str, Any], state: str, text: str) -> None:
    said(drill.rto_rpo(replace(GREEN, **changes)), state, text)


@pytest.mark.parametrize(
    ("changes", "state", "text"),
    [
        ({"databases": (), "records": ()}, "pending", "Needs a restore drill"),
        ({"databases": (), "records": (record(at=NOW - 31 * DAY),)}, "fail", "newest restore drill is 31d old"),
        ({"records": (record(passed=False, why="cut"),)}, "fail", "was not restored: cut"),
        ({"databases": (replace(REGULAR, made=NOW - 30 * HOUR),)}, "fail", "newest artifact is 30h old"),
        ({"backup": BackupFacts()}, "pending", "Needs input backup"),
    ],
)
def test_regular_backups_need_a_drill_of_their_own(changes: dict[str, Any], state: str, text: str) -> None:
    said(drill.regular(replace(GREEN, **changes)), state, text)


def test_the_evidence_of_very_many_tables_is_bounded() -> None:
    many = replace(LIVE, tables={f"public.t{number:04}": (1, "1") for number in range(1000)})
    catalogue = Catalogue(NOW, frozenset(many.tables), frozenset(many.tables))
    one = replace(OWN, restored=restored(facts=many, catalogue=catalogue))
    verdict = drill.database(replace(GREEN, live=many, databases=(one,)))
    shown = verdict.evidence[0].observed["snapshot"]
    assert (verdict.state, len(shown["tables"]), shown["number_of_tables"]) == ("pass", 200, 1000)


def test_the_data_is_as_old_as_the_older_of_file_and_archive() -> None:
    assert REGULAR.began == NOW - 8 * HOUR
    assert replace(REGULAR, made=NOW).began == CATALOGUE.created
    assert replace(REGULAR, made=0.0, restored=Restored()).began == 0.0
