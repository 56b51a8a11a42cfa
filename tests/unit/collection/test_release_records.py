# What is kept beside a release: a backup is young, restored and verified, and what runs is what helm deployed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.release_records import (
    BACKUP,
    CHECKS,
    DEPLOY,
    DrillSeen,
    RecordFacts,
    RevisionSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

NOW = 1_800_000_000.0
HOUR = 3600.0
SINCE = "2027-01-15T08:00:00Z"
IMAGES = ("registry/api:1.0.0", "registry/worker:1.0.0")
REVISION = RevisionSeen(4, "deployed", True, "Upgrade complete", NOW - 5 * HOUR, "1.0.0", "v" * 64, IMAGES)
DRILL = DrillSeen("the regular backup", NOW - 0.5 * HOUR, NOW - HOUR, True)
GOOD = RecordFacts(
    "shop", "bytebot", (REVISION,), drills=(DRILL,), since=SINCE, outcome="unchanged", running=IMAGES,
    digests={"chart_digest": "c", "values_digest": "v" * 64, "image_digests": ["sha256:1"]}, now=NOW,
)  # fmt: skip


def judged(control: str, **changes: Any) -> Verdict:
    (result,) = CHECKS.judge(replace(GOOD, **changes), [control])
    return result.verdict


def test_a_young_backup_that_was_restored_passes_with_the_revision_that_it_is_of() -> None:
    found = judged(BACKUP)
    assert found.state == "pass"
    assert "A backup of revision 4 made at" in found.summary
    assert not found.weaker


@pytest.mark.parametrize(
    ("drills", "state", "said"),
    [
        ((), "pending", "No drill"),
        ((replace(DRILL, made=NOW - 3 * HOUR),), "fail", "is 3h old; 2h are allowed"),
        ((replace(DRILL, passed=False, why="rows are missing"),), "fail", "(rows are missing)"),
        ((replace(DRILL, made=NOW + HOUR),), "fail", "is to come"),
        ((DRILL, replace(DRILL, made=NOW - 5 * HOUR, passed=False)), "pass", ""),
        ((DRILL, replace(DRILL, made=NOW - 0.8 * HOUR, passed=False)), "fail", "not restored"),
    ],
)
def test_which_backup_counts(drills: tuple[DrillSeen, ...], state: str, said: str) -> None:
    found = judged(BACKUP, drills=drills)
    assert found.state == state
    assert said in found.summary


def test_what_could_not_be_read_proves_nothing() -> None:
    assert judged(BACKUP, drills=(), no_drills="not permitted").state == "pending"
    assert judged(DEPLOY, gap="not permitted").state == "pending"


def test_a_longer_time_is_weaker() -> None:
    found = judged(BACKUP, drills=(replace(DRILL, made=NOW - 3 * HOUR),), within_s=4 * HOUR)
    assert found.state == "pass"
    assert found.weaker == ("a backup of at most 4h ago wanted, document: 2h",)


def test_what_was_deployed_and_runs_passes() -> None:
    found = judged(DEPLOY)
    assert found.state == "pass"
    assert found.evidence[0].observed["since"] == SINCE
    assert judged(DEPLOY, outcome="deployed").state == "pass"


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({"since": ""}, "pending", "has not begun"),
        ({"revisions": ()}, "fail", "There is no release"),
        ({"outcome": ""}, "fail", "nothing was deployed"),
        ({"outcome": "failed"}, "fail", "failed"),
        ({"revisions": (replace(REVISION, status="failed", good=False),)}, "fail", "helm calls it failed"),
        ({"revisions": (replace(REVISION, values_digest="w" * 64),)}, "fail", "other values"),
        ({"running": (*IMAGES, "registry/api:1.1.0")}, "fail", "registry/api:1.1.0 runs, which it does not name"),
        ({"running": IMAGES[:1]}, "fail", "registry/worker:1.0.0 does not run"),
        ({"running": ()}, "fail", "no workload of it runs"),
        ({"digests": {}}, "fail", "which images run was not judged"),
    ],
)
def test_what_is_not_what_was_deployed(changes: dict[str, Any], state: str, said: str) -> None:
    found = judged(DEPLOY, **changes)
    assert found.state == state
    assert said in found.summary
