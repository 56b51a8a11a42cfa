# Backups judged from tables of what makes them; without a restore none is ever green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import BackupFacts, BackupSeen, backup
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC).timestamp()


def when(hours: float) -> str:
    return datetime.fromtimestamp(NOW - hours * 3600, UTC).isoformat()


def cron(**changes: Any) -> dict[str, Any]:
    spec = {"schedule": "0 2 * * *", "suspend": False, **changes}
    return {"metadata": {"name": "dump"}, "spec": spec, "status": {}}


def job(hours: float, failed: str = "", *, running: bool = False) -> dict[str, Any]:
    conditions = [{"type": "Failed", "status": "True", "message": failed}] if failed else []
    ended = {} if failed or running else {"completionTime": when(hours)}
    return {
        "metadata": {"name": f"dump-{hours:g}", "creationTimestamp": when(hours + 0.1)},
        "status": {"conditions": conditions, **ended},
    }


def snapshot(hours: float, **status: Any) -> dict[str, Any]:
    told = {"readyToUse": True, "creationTime": when(hours), "restoreSize": "2Gi", **status}
    return {"metadata": {"name": "snap", "creationTimestamp": when(hours)}, "status": told}


def velero(hours: float, phase: str = "Completed", **status: Any) -> dict[str, Any]:
    told = {"phase": phase, "completionTimestamp": when(hours), **status}
    return {"metadata": {"name": "b", "creationTimestamp": when(hours)}, "status": told}


def judged(kind: str, *made: dict[str, Any], maker: Any = None, denied: str = "") -> Verdict:
    return backup(BackupFacts(BackupSeen(kind, "the backups", maker, made, denied), 24 * 3600, NOW))


@pytest.mark.parametrize(
    ("told", "state", "said"),
    [
        (judged("cron_job", job(2), maker=cron()), "pending", "Needs a restore drill"),
        (judged("cron_job", job(2), job(0, running=True), maker=cron()), "pending", "restore drill"),
        (judged("cron_job", job(2), maker=cron(suspend=True)), "fail", "it is suspended"),
        (judged("cron_job", job(20), job(2, "BackoffLimitExceeded"), maker=cron()), "fail", "BackoffLimitExceeded"),
        (judged("cron_job", job(20, "it broke"), job(2), maker=cron()), "pending", "restore drill"),  # mended since
        (judged("cron_job", job(25), maker=cron()), "fail", "25h old, 24h is the most"),
        (judged("cron_job", maker=cron()), "fail", "no backup yet"),
        (judged("cron_job"), "fail", "it is not there"),
        (judged("cron_job", denied="Not permitted to get cronjobs"), "pending", "Not permitted"),
        (judged("volume_snapshot", snapshot(2)), "pending", "restore drill"),
        (judged("volume_snapshot", snapshot(2, readyToUse=False)), "fail", "no backup yet"),
        (judged("volume_snapshot", snapshot(2, restoreSize="0")), "fail", "it is empty"),
        (judged("volume_snapshot", snapshot(2, error={"message": "no room"})), "fail", "no room"),
        (judged("velero", velero(2)), "pending", "restore drill"),
        (judged("velero", velero(2, "PartiallyFailed", errors=3)), "fail", "PartiallyFailed, 3 errors"),
        (judged("velero", velero(2, progress={"totalItems": 0})), "fail", "it is empty"),
        (judged("velero"), "fail", "no backup yet"),
    ],
)
def test_backups_are_judged(told: Verdict, state: str, said: str) -> None:
    assert (told.state, said in told.summary) == (state, True), told.summary


def test_the_last_success_counts_where_its_job_is_gone() -> None:
    maker = cron() | {"status": {"lastSuccessfulTime": when(3)}}
    assert judged("cron_job", maker=maker).state == "pending"


def test_nothing_named_is_pending_and_names_the_input() -> None:
    assert "bytebot_backup" in backup(BackupFacts()).remedy


@given(st.lists(st.builds(job, st.floats(0, 60), st.sampled_from(["", "broke"])), max_size=5))
def test_without_a_restore_nothing_is_green(jobs: list[dict[str, Any]]) -> None:
    assert judged("cron_job", *jobs, maker=cron()).state in ("fail", "pending")
