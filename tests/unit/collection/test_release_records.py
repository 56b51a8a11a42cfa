# What is kept beside a release: a backup is restored, the way back was gone, and what runs is what helm deployed.
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
    ROLLBACK,
    DrillSeen,
    Ran,
    RecordFacts,
    RevisionSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback_record import Rollback, Side
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from ansible_collections.bytebot.production.plugins.module_utils.observe_records import observe
from tests.unit.collection.fakes import FakeCluster

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
        ({"running": (f"{IMAGES[0]}@sha256:2", IMAGES[1])}, "fail", f"{IMAGES[0]}@sha256:2 runs, which it does not"),
        ({"running": (f"{IMAGES[0]}@sha256:2", IMAGES[1])}, "fail", f"{IMAGES[0]} does not run, which it names"),
        ({"running": ("mirror/api@sha256:1", IMAGES[1])}, "fail", "mirror/api@sha256:1 runs, which it does not name"),
        ({"running": ()}, "fail", "no workload of it runs"),
        ({"digests": {}}, "fail", "which images run was not judged"),
        ({"digests": {"image_digests": ["sha256:1"]}}, "fail", "which values are wanted was not judged"),
    ],
)
def test_what_is_not_what_was_deployed(changes: dict[str, Any], state: str, said: str) -> None:
    found = judged(DEPLOY, **changes)
    assert found.state == state
    assert said in found.summary


API = Ran("bytebot-api-7d9-x", "api", "registry/api:1.0.0", "registry/api:1.0.0", "sha256:1")


@pytest.mark.parametrize(
    ("ran", "said"),
    [
        ({"image": "registry/api:1.1.0"}, "pod bytebot-api-7d9-x runs registry/api:1.1.0 in place of registry"),
        ({"image": "registry/other:1.0.0"}, "in place of registry/api:1.0.0"),
        ({"image": "registry/api@sha256:2"}, "in place of registry/api:1.0.0"),
        ({"image": "registry/api:1.0.0@sha256:2"}, "in place of registry/api:1.0.0"),
        ({"image": "registry/api:1.1.0@sha256:1"}, "in place of registry/api:1.0.0"),
        ({"image": "registry/api:1.0.0", "wanted": "registry/api:1.0.0@sha256:1"}, "in place of registry/api:1.0.0@"),
        ({"image": "registry/api"}, "in place of registry/api:1.0.0"),
        ({"image": "api@sha256:1", "wanted": "api@sha256:1", "digest": "sha256:2"}, "runs api@sha256:1 as sha256:2"),
    ],
)  # fmt: skip
def test_a_pod_that_runs_another_image_than_its_workload_names_is_seen(ran: dict[str, Any], said: str) -> None:
    found = judged(DEPLOY, pods=(API, replace(API, **ran)))
    assert found.state == "fail"
    assert said in found.summary


@pytest.mark.parametrize(
    "ran",
    [
        {},
        {"digest": ""},
        {"image": "mirror:5000/registry/api:1.0.0"},
        {"image": "r/api:1@sha256:1", "wanted": "r/api:1@sha256:1"},
        # Admission adds the digest of a tag, puts it in the tag's place, or fills in the image of a mesh's proxy.
        {"image": "registry/api:1.0.0@sha256:1"},
        {"image": "mirror:5000/registry/api@sha256:1"},
        {"image": "r/api@sha256:1", "wanted": "r/api:1@sha256:1"},
        {"container": "istio-proxy", "image": "docker.io/istio/proxyv2:1.27.0", "wanted": "auto", "digest": "sha256:9"},
    ],
)
def test_pods_that_run_what_their_workloads_name_pass(ran: dict[str, Any]) -> None:
    assert judged(DEPLOY, pods=(replace(API, **ran),)).state == "pass"


@pytest.mark.parametrize("image", [f"{IMAGES[0]}@sha256:1", "registry/api@sha256:1"])
def test_a_workload_whose_image_admission_pinned_by_what_was_judged_passes(image: str) -> None:
    assert judged(DEPLOY, running=(image, IMAGES[1])).state == "pass"


def test_pods_that_could_not_be_read_prove_nothing() -> None:
    assert judged(DEPLOY, no_pods="not permitted").state == "pending"
    assert judged(DEPLOY, no_pods="not permitted", running=IMAGES[:1]).state == "fail"


def workload(kind: str, name: str, **images: str) -> dict[str, Any]:
    containers = [{"name": key, "image": image} for key, image in images.items()]
    meta = {"name": name, "namespace": "shop", "annotations": {"meta.helm.sh/release-name": "bytebot"}}
    spec = {"template": {"spec": {"containers": containers}}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec}


def pod(name: str, owner: tuple[str, str], *, phase: str = "Running", **images: str) -> dict[str, Any]:
    """A pod whose containers run the images that it names."""
    labels = {"pod-template-hash": "7d9"} if owner[0] == "ReplicaSet" else {}
    references = [{"kind": owner[0], "name": owner[1], "controller": True}]
    meta = {"name": name, "namespace": "shop", "labels": labels, "ownerReferences": references}
    statuses = [{"name": key, "imageID": f"registry/x@sha256:{key}"} for key in images]
    spec = {"containers": [{"name": key, "image": image} for key, image in images.items()]}
    status = {"phase": phase, "containerStatuses": statuses}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def test_the_images_of_pods_are_read_beside_those_of_their_workloads() -> None:
    api, there = ("ReplicaSet", "bytebot-api-7d9"), IMAGES[0]
    pods = (
        pod("bytebot-api-7d9-a", api, api="registry/api:1.1.0", injected="mesh:1"),
        pod("bytebot-api-7d9-b", api, api=there),
        pod("bytebot-api-7d9-c", api, phase="Failed", api="registry/api:0.8.0"),
        pod("bytebot-api-7d9-gone", api, api="registry/api:0.9.0"),
        pod("bytebot-store-0", ("StatefulSet", "bytebot-store"), store="registry/store:2"),
        pod("other-1", ("StatefulSet", "other"), store="registry/other:1"),
    )
    store = workload("StatefulSet", "bytebot-store", store="registry/store:2")
    cluster = FakeCluster(workload("Deployment", "bytebot-api", api=there), store, *pods, namespaces=("shop",))
    for one in pods:  # what no client writes of a pod
        live = cluster.live("Pod", one["metadata"]["name"], "shop") or {}
        live["status"] = one["status"]
        if live["metadata"]["name"].endswith("-gone"):
            live["metadata"]["deletionTimestamp"] = SINCE
    found = observe(cluster, "shop", "bytebot", stage={}, within_s=7200, rollback_within_s=7200)
    assert not found.gap
    assert sorted((one.pod, one.container, one.image, one.wanted, one.digest) for one in found.pods) == [
        ("bytebot-api-7d9-a", "api", "registry/api:1.1.0", there, "sha256:api"),
        ("bytebot-api-7d9-b", "api", there, there, "sha256:api"),
        ("bytebot-store-0", "store", "registry/store:2", "registry/store:2", "sha256:store"),
    ]


DAY = 24 * HOUR
NEW, OLD, OLDEST = (Side(0, f"0.{minor}.0", f"1.{minor}.0", (f"registry/api:1.{minor}.0",)) for minor in (3, 2, 1))
HISTORY = (
    RevisionSeen(5, "deployed", True, side=replace(NEW, revision=5)),
    RevisionSeen(4, "superseded", True, "Rollback to 2", side=replace(OLD, revision=4)),
    RevisionSeen(3, "superseded", True, side=replace(NEW, revision=3)),
    RevisionSeen(2, "superseded", True, side=replace(OLD, revision=2)),
)
BACK = Rollback("bytebot", NOW - DAY, 42.5, True, replace(NEW, revision=3), replace(OLD, revision=2), reason="drill")
OTHER_PAIR = replace(BACK, left=OLD, back_to=OLDEST)
FAILED = replace(BACK, at=NOW - HOUR, passed=False, why="bytebot-api is not ready.")


def plan(*rollbacks: Rollback, revisions: tuple[RevisionSeen, ...] = HISTORY, **changes: Any) -> Verdict:
    return judged(ROLLBACK, revisions=revisions, rollbacks=rollbacks, **changes)


def test_a_rollback_of_this_pair_passes_with_both_versions_and_its_time() -> None:
    found = plan(OTHER_PAIR, BACK)
    assert found.state == "pass"
    assert found.summary.startswith("The rollback from 1.3.0 (chart 0.3.0) to 1.2.0 (chart 0.2.0) passed at ")
    assert found.summary.endswith(", in 42.5 s.")
    assert found.evidence[0].observed["before"]["app_version"] == "1.2.0"


@pytest.mark.parametrize(
    ("rollbacks", "state", "said"),
    [
        ((), "pending", "No rollback of this release is recorded."),
        ((BACK, FAILED), "fail", "did not pass (bytebot-api is not ready)"),
        ((replace(FAILED, at=NOW - 2 * DAY), BACK), "pass", ""),
        ((OTHER_PAIR,), "fail", "another pair of versions, from 1.2.0 (chart 0.2.0) to 1.1.0"),
        ((replace(BACK, back_to=OLDEST),), "fail", "what runs is 1.3.0 (chart 0.3.0), and 1.2.0 (chart 0.2.0) before"),
        ((BACK, replace(BACK, left=OLD, back_to=NEW)), "pass", ""),
        ((BACK, replace(FAILED, left=OLD, back_to=OLDEST)), "pass", ""),
        ((replace(BACK, left=replace(NEW, images=("registry/api:9",))),), "fail", "another pair"),
        ((replace(BACK, at=NOW - 91 * DAY),), "fail", "is 91d old; 90d are allowed"),
        ((replace(BACK, at=NOW + HOUR),), "fail", "to come"),
    ],
)
def test_which_rollback_counts(rollbacks: tuple[Rollback, ...], state: str, said: str) -> None:
    found = plan(*rollbacks)
    assert found.state == state
    assert said in found.summary


def test_while_the_older_version_runs_the_way_back_from_it_is_not_known() -> None:
    found = plan(BACK, revisions=(replace(HISTORY[1], status="deployed"), *HISTORY[2:]))
    assert (found.state, found.remedy) == ("pending", "Deploy again what is to go live, and judge again.")
    led = plan(FAILED, revisions=(replace(HISTORY[1], status="deployed"), *HISTORY[2:]))
    assert led.state == "fail"


def test_without_a_version_before_nothing_can_pass() -> None:
    assert plan(revisions=HISTORY[:1]).summary.endswith("helm's record holds no version before the one that runs.")
    assert plan(BACK, revisions=HISTORY[:1]).state == "pending"
    assert plan(FAILED, revisions=HISTORY[:1]).state == "fail"
    assert plan(OTHER_PAIR, revisions=HISTORY[:1]).state == "fail"
    bad = (HISTORY[0], replace(HISTORY[1], status="failed", good=False))
    assert plan(BACK, revisions=bad).state == "pending"


def test_what_cannot_be_read_of_rollbacks_proves_nothing() -> None:
    assert plan(BACK, gap="not permitted").state == "pending"
    assert plan(BACK, no_rollbacks="not permitted").state == "pending"
    assert plan(BACK, revisions=()).state == "pending"


def test_an_older_rollback_is_weaker() -> None:
    found = plan(replace(BACK, at=NOW - 100 * DAY), rollback_within_s=120 * DAY)
    assert found.state == "pass"
    assert found.weaker == ("a rollback of at most 120d ago wanted, usual: 90d",)
