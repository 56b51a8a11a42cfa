# The first backup of a young release: wanted only where none can be there yet, made as kubectl would, told as it ended.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.backup import claim, first
from ansible_collections.bytebot.production.plugins.module_utils.backup.claim import OnClaim
from ansible_collections.bytebot.production.plugins.module_utils.backup.drill import Drill, Regular
from ansible_collections.bytebot.production.plugins.module_utils.backup.store import Folder
from ansible_collections.bytebot.production.plugins.module_utils.backup.tools_pod import Tools
from ansible_collections.bytebot.production.plugins.module_utils.checks import drill as checks
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import BackupFacts, BackupSeen
from ansible_collections.bytebot.production.plugins.module_utils.checks.first_backup import First, is_older, none_since
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release
from tests.unit.collection.fakes import FakeCluster
from tests.unit.collection.test_backup_drill_checks import GREEN, REGULAR, WHOLE, record, said

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86_400.0
DEPLOYED = NOW - HOUR
WHERE = "CronJob database/dump"
CRON: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "dump", "namespace": "database", "uid": "u-1"},
    "spec": {
        "jobTemplate": {
            "metadata": {"labels": {"app": "dump"}, "annotations": {"a": "b"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {"containers": [{"name": "dump", "image": "i"}]}}},
        }
    },
}


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def job(began: float, ended: float = 0.0, flaw: str = "") -> dict[str, Any]:
    status: dict[str, Any] = {"completionTime": stamp(ended)} if ended else {}
    if flaw:
        status = {"conditions": [{"type": "Failed", "status": "True", "message": flaw}]}
    return {"metadata": {"name": "dump-1", "creationTimestamp": stamp(began)}, "status": status}


BEFORE = job(DEPLOYED - 120, DEPLOYED - 60)
YOUNG = BackupFacts(BackupSeen("cron_job", WHERE, CRON, (BEFORE,)), now=NOW)


def seen(**changes: Any) -> BackupFacts:
    return replace(YOUNG, seen=replace(YOUNG.seen or BackupSeen("cron_job", WHERE), **changes))


@pytest.mark.parametrize(
    ("facts", "deployed", "wanted"),
    [
        (YOUNG, DEPLOYED, True),
        (seen(made=()), DEPLOYED, True),
        (YOUNG, 0.0, False),  # nobody knows when that was
        (YOUNG, NOW - 2 * DAY, False),  # it has had the time to run
        (seen(maker=None), DEPLOYED, False),
        (seen(maker={**CRON, "spec": {**CRON["spec"], "suspend": True}}), DEPLOYED, False),
        (seen(maker={**CRON, "status": {"lastSuccessfulTime": stamp(NOW - 60)}}), DEPLOYED, False),
        (seen(denied="no"), DEPLOYED, False),
        (seen(kind="velero"), DEPLOYED, False),
        (seen(made=(job(DEPLOYED - 60, flaw="no space"),)), DEPLOYED, False),
        (seen(made=(BEFORE, job(NOW - 60, NOW - 30))), DEPLOYED, False),
        (seen(made=(BEFORE, job(NOW - 60, flaw="no host"))), DEPLOYED, False),
        (seen(made=(BEFORE, job(NOW - 60))), DEPLOYED, False),  # it runs now
        (seen(made=(job(DEPLOYED - 60),)), DEPLOYED, False),
        (BackupFacts(now=NOW), DEPLOYED, False),
    ],
)
def test_a_first_backup_is_wanted_only_where_none_can_be_there(
    facts: BackupFacts, deployed: float, wanted: bool
) -> None:
    assert none_since(facts, deployed) is wanted


@pytest.mark.parametrize(
    ("facts", "newest", "older"),
    [
        (YOUNG, DEPLOYED - 60, True),
        (YOUNG, DEPLOYED + 1, False),
        (YOUNG, NOW - 1000 * DAY, False),  # what the last run made is gone
        (YOUNG, None, False),
        (seen(made=()), None, True),
    ],
)
def test_an_artifact_that_is_lost_is_not_hidden_by_a_new_one(
    facts: BackupFacts, newest: float | None, older: bool
) -> None:
    assert is_older(facts, DEPLOYED, newest) is older


# ---------------------------------------------------------------------- the Job


class Controlled(FakeCluster):
    """Ends a Job at its second look, as it is told to; refuses to make one where it is told so."""

    def __init__(self, end: str = "Complete", *, may: bool = True) -> None:
        super().__init__(namespaces=("database",))
        self._kinds |= {("batch/v1", "Job"): ("jobs", True)}
        self._end, self._may, self._looks = end, may, 0

    def _send(
        self, method: str, path: str, body: Any, query: Mapping[str, str], content_type: str
    ) -> tuple[int, Mapping[str, str], str]:
        if method == "POST" and not self._may:
            return 403, {}, '{"kind": "Status", "message": "cannot create resource jobs"}'
        if method == "GET" and "/jobs/" in path and (found := self._stored.get(path)):
            self._looks += 1
            if self._end and self._looks > 1:
                found["status"] = {"conditions": [{"type": self._end, "status": "True"}]}
        return super()._send(method, path, body, query, content_type)

    @property
    def made(self) -> list[dict[str, Any]]:
        return [body for method, _path, body in self.sent if method == "POST" and body]


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., First | None]:
    """Begin one beside a release that was first deployed an hour ago, and an artifact of before."""

    def begin(cluster: Controlled, newest: float = DEPLOYED - 60, within_s: float = 5.0) -> First | None:
        @contextlib.contextmanager
        def reading(*_: Any) -> Iterator[None]:
            yield None

        known = [SimpleNamespace(first_deployed=f"{stamp(DEPLOYED)[:-1]}.123456789Z")]
        monkeypatch.setattr(first, "history", lambda *_: known)
        monkeypatch.setattr(first, "reading", reading)
        monkeypatch.setattr(claim, "newest", lambda *_: OnClaim("a.dump.cms", 1, newest))
        keys, tools = ("c", "k"), Tools("i", 999, 60.0)
        drill = Drill(cluster, "shop", "bytebot", "scratch", Folder(str(tmp_path)), keys, tools, "", lambda _: None)
        return first.made_first(drill, Regular(CRON, "dump", "*", WHERE), YOUNG, within_s, lambda _: None)

    return begin


def test_the_job_is_what_kubectl_makes(began: Callable[..., First | None]) -> None:
    cluster = Controlled()
    come = began(cluster)
    (made,) = cluster.made
    assert come is not None
    assert (come.job, come.trouble) == (made["metadata"]["name"], "")
    assert come.job.startswith("dump-first-")
    assert made["spec"] == CRON["spec"]["jobTemplate"]["spec"]
    assert made["metadata"]["labels"] == {"app": "dump"}
    assert made["metadata"]["annotations"] == {
        "a": "b",
        "cronjob.kubernetes.io/instantiate": "manual",
        **first.MADE_FOR,
    }
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "dump", "uid": "u-1", "controller": True}
    assert made["metadata"]["ownerReferences"] == [owner]


def test_a_long_name_still_fits() -> None:
    long = {**CRON, "metadata": {**CRON["metadata"], "name": "d" * 52}}
    assert len(first.job_of(long, "first-abcdef")["metadata"]["name"]) <= 63


def test_none_is_begun_where_a_younger_one_is_there_or_no_time_is_given(began: Callable[..., First | None]) -> None:
    cluster = Controlled()
    assert began(cluster, DEPLOYED + 1) is None
    assert began(cluster, within_s=0.0) is None
    assert cluster.made == []


def test_where_none_may_be_made_the_command_is_named(began: Callable[..., First | None]) -> None:
    come = began(Controlled(may=False))
    assert come is not None
    assert not come.job
    assert "kubectl create job --namespace database --from=cronjob/dump dump-first (" in come.remedy


@pytest.mark.parametrize(("end", "trouble"), [("Failed", "has failed"), ("", "has not ended in 0.01 s")])
def test_one_that_does_not_come_to_its_end_says_so(began: Callable[..., First | None], end: str, trouble: str) -> None:
    come = began(Controlled(end), within_s=5.0 if end else 0.01)
    assert come is not None
    assert trouble in come.trouble


def test_helm_tells_when_a_release_was_first_deployed() -> None:
    raw = {"name": "bytebot", "info": {"first_deployed": "2026-11-29T11:00:00Z", "last_deployed": "later"}}
    assert Release.from_helm(raw).first_deployed == "2026-11-29T11:00:00Z"


# ---------------------------------------------------------------------- what is told

LACKS = replace(REGULAR, restored=replace(WHOLE, facts=replace(WHOLE.facts, tables={}) if WHOLE.facts else None))


def test_that_it_was_made_for_the_drill_is_told() -> None:
    facts = replace(GREEN, first=First("dump-first-1", 3.0))
    for check in (checks.database, checks.regular):
        said(check(facts), "pass", "Job dump-first-1 made it for this drill")
        assert "dump-first-1" in str(check(facts).evidence[0].observed["first_backup"])


def test_without_it_the_result_stays_red_and_names_the_command() -> None:
    broken = record(passed=False, why="it lacks 2 tables")
    facts = replace(
        GREEN, databases=(LACKS,), records=(broken,), first=First(trouble="forbidden", remedy="Run kubectl …")
    )
    for check in (checks.database, checks.regular):
        said(check(facts), "fail", "it lacks 2 tables")
        assert check(facts).remedy == "Run kubectl …"
