# What can never succeed: the sign of each cause, what is no sign yet, and whose pods count.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import (
    RolloutFacts,
    Status,
    assess,
    pods_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from tests.unit.collection.helm_fakes import Object, deployment, event, obj, pod, replica_set, waiting
from tests.unit.collection.rollout_objects import (
    API,
    BALANCED,
    CLAIM,
    DB,
    ENDED,
    FAILED_JOB,
    JOB,
    NEW,
    conditions,
    custom,
    facts,
)


def of_api(*statuses: Object, **more: Any) -> RolloutFacts:
    """A Deployment that waits, with one pod in the state given."""
    return facts(API, replica_sets=(NEW,), pods=(pod(NEW, ready=False, containerStatuses=list(statuses), **more),))


def of_event(reason: str, message: str, **status: Any) -> RolloutFacts:
    one = pod(NEW, ready=False, **status)
    return facts(API, replica_sets=(NEW,), pods=(one,), events=(event(one, reason, message),))


MISSING = 'secret "db" not found'
LEFT = pod(DB, "db-0", ready=False, containerStatuses=[waiting("CrashLoopBackOff", "", 3, **ENDED)])
LEFT["metadata"]["labels"] = {"controller-revision-hash": "old"}
BLOCKED = {**DB, "status": {**DB["status"], "updateRevision": "new"}}
CAUSED = [
    ("image_missing", of_api(waiting("ErrImagePull", "registry/api:9: not found"))),
    ("image_missing", of_api(waiting("ImagePullBackOff", "Back-off: manifest unknown"))),
    ("image_denied", of_api(waiting("ErrImagePull", "pull access denied: 401 Unauthorized"))),
    ("image_pull", of_api(waiting("ErrImagePull", "dial tcp: i/o timeout"))),
    ("image_pull", of_api(waiting("RegistryUnavailable", "down"))),
    ("image_pull", of_api(waiting("ImageInspectError", "broken"))),
    ("image_name", of_api(waiting("InvalidImageName", "couldn't parse image reference"))),
    ("image_name", of_api(waiting("ErrImageNeverPull", "not present with pull policy of Never"))),
    ("config_missing", of_api(waiting("CreateContainerConfigError", MISSING))),
    (
        "container_start",
        of_api(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
    ),
    ("container_start", of_api(waiting("CreateContainerError", "no command specified"))),
    ("container_start", of_api(waiting("RunContainerError", "exec: not found in $PATH"))),
    ("container_start", of_api(waiting("PostStartHookError", "exit 1"))),
    ("crash_loop", of_api(waiting("CrashLoopBackOff", "back-off 40s", 3, **ENDED))),
    ("init_failed", of_api(initContainerStatuses=[waiting("CrashLoopBackOff", "back-off", 3)])),
    ("blocked", facts(BLOCKED, pods=(LEFT,), ignored_uids=frozenset({LEFT["metadata"]["uid"]}))),
    ("volume_missing", of_event("FailedMount", f'MountVolume.SetUp failed for volume "db" : {MISSING}')),
    ("volume_missing", of_event("FailedMount", "references non-existent secret key: tls.key")),
    (
        "unschedulable",
        of_api(conditions=conditions(("PodScheduled", "False"), reason="Unschedulable", message="0/1 nodes")),
    ),
    (
        "create_refused",
        facts(deployment(1, 0, conditions=conditions(("ReplicaFailure", "True"), reason="FailedCreate"))),
    ),
    (
        "create_refused",
        facts(deployment(1, 0, conditions=conditions(("Progressing", "False"), reason="ReplicaSetCreateError"))),
    ),
    ("create_refused", facts(DB, events=(event(DB, "FailedCreate", "exceeded quota"),))),
    (
        "deadline",
        facts(deployment(1, 0, conditions=conditions(("Progressing", "False"), reason="ProgressDeadlineExceeded"))),
    ),
    ("job_failed", facts(FAILED_JOB)),
    ("pod_failed", facts(pod(ready=False, phase="Failed"))),
    ("paused", facts({**deployment(2, updatedReplicas=0), "spec": {"replicas": 2, "paused": True}})),
    ("paused", facts({**JOB, "spec": {"suspend": True}})),
    ("claim_failed", facts(CLAIM, events=(event(CLAIM, "ProvisioningFailed", "no such class"),))),
    ("claim_failed", facts({**CLAIM, "status": {"phase": "Lost"}})),
    ("load_balancer", facts(BALANCED, events=(event(BALANCED, "SyncLoadBalancerFailed", "quota exceeded"),))),
    ("stalled", facts(custom(Ready="False", Stalled="True"))),
]


@pytest.mark.parametrize(("cause", "observed"), CAUSED, ids=[f"{row[0]}-{number}" for number, row in enumerate(CAUSED)])
def test_every_cause_is_known_by_its_sign(cause: str, observed: RolloutFacts) -> None:
    signals = assess(observed).signals
    assert [signal.cause for signal in signals] == [cause]
    assert CAUSES[cause].title in signals[0].sentence
    assert signals[0].workload == str(observed.wanted[0])


def test_every_cause_has_a_row() -> None:
    assert {row[0] for row in CAUSED} == set(CAUSES)


NO_CAUSE = {
    "too few restarts": of_api(waiting("CrashLoopBackOff", "back-off 10s", 2)),
    "being created": of_api(waiting("ContainerCreating")),
    "a slow image": of_api(waiting("PodInitializing")),
    "a volume that is only slow": of_event("FailedMount", "timed out waiting for the condition"),
    "a volume that is there by now": of_event(
        "FailedMount", MISSING, conditions=conditions(("PodReadyToStartContainers", "True"))
    ),
    "a volume of a pod that runs by now": of_event(
        "FailedMount", MISSING, containerStatuses=[{"name": "app", "state": {"running": {}}}]
    ),
    "gated scheduling": of_api(conditions=conditions(("PodScheduled", "False"), reason="SchedulingGated")),
    "progress goes on": facts(deployment(1, 0, conditions=conditions(("Progressing", "True")))),
    "not observed yet": facts(
        deployment(1, 0, observedGeneration=0, conditions=conditions(("ReplicaFailure", "True")))
    ),
    "a claim that waits for its first consumer": facts(
        CLAIM, events=(event(CLAIM, "WaitForFirstConsumer", "waiting"),)
    ),
    "a pod that is being deleted": facts(
        API,
        replica_sets=(NEW,),
        pods=(
            {
                **pod(NEW, containerStatuses=[waiting("ErrImagePull", "not found")]),
                "metadata": {**pod(NEW)["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"},
            },
        ),
    ),
    "somebody else's event": facts(DB, events=(event(API, "FailedCreate", "exceeded quota"),)),
}


@pytest.mark.parametrize("observed", NO_CAUSE.values(), ids=NO_CAUSE)
def test_what_may_still_succeed_is_no_sign(observed: RolloutFacts) -> None:
    status = assess(observed)
    assert status.signals == ()
    assert not status.complete


def test_what_is_complete_gives_no_sign() -> None:
    """A container of a complete workload may still show an old trouble."""
    done = deployment(1)
    sets = replica_set(done, 1)
    broken = pod(sets, containerStatuses=[waiting("CrashLoopBackOff", "", 9)])
    assert assess(facts(done, replica_sets=(sets,), pods=(broken,))) == Status((), ())


def test_crash_restarts_is_an_input() -> None:
    observed = of_api(waiting("CrashLoopBackOff", "back-off 10s", 1, **ENDED))
    signal = assess(observed, crash_restarts=1).signals[0]
    assert signal.message == "exit code 137, OOMKilled, 1 restarts"
    assert (signal.pod, signal.container) == ("api-1-x", "app")


# ---------------------------------------------------------------------- whose pods count


def test_pods_of_old_replica_sets_never_count() -> None:
    old = replica_set(API, 9)
    newest = replica_set(API, 10)  # as a number: "9" is above "10" as a text
    broken = [
        pod(one, f"pod-{number}", containerStatuses=[waiting("ErrImagePull", "not found")])
        for number, one in enumerate((old, newest))
    ]
    observed = facts(API, replica_sets=(old, newest), pods=tuple(broken))
    assert [signal.pod for signal in assess(observed).signals] == ["pod-1"]
    assert [one["metadata"]["name"] for one in pods_of(API, observed)] == ["pod-1"]


def test_pods_of_others_never_count() -> None:
    stranger = pod(replica_set(obj("Deployment", "other"), 1), containerStatuses=[waiting("ErrImagePull", "not found")])
    orphan = pod(None, containerStatuses=[waiting("ErrImagePull", "not found")])
    assert assess(facts(API, replica_sets=(NEW,), pods=(stranger, orphan))).signals == ()
    assert assess(facts(API, pods=(stranger, orphan))).signals == ()


def test_ignored_pods_and_jobs_never_count() -> None:
    one = pod(NEW, containerStatuses=[waiting("ErrImagePull", "not found")])
    ignored = frozenset({one["metadata"]["uid"], FAILED_JOB["metadata"]["uid"]})
    observed = facts(API, FAILED_JOB, replica_sets=(NEW,), pods=(one,), ignored_uids=ignored)
    assert assess(observed).signals == ()
    assert len(assess(observed).waiting) == 2


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"reason": "Evicted", "message": "low on memory"}, ("Evicted", "low on memory")),
        (
            {"containerStatuses": [{"name": "app", "state": {"terminated": {"exitCode": 3}}}]},
            ("Failed", "app exit code 3"),
        ),
        ({}, ("Failed", "it gives no reason")),
    ],
)
def test_a_failed_pod_says_how_it_ended(status: Object, told: tuple[str, str]) -> None:
    signal = assess(facts(pod(ready=False, phase="Failed", **status))).signals[0]
    assert (signal.reason, signal.message) == told
    assert (signal.pod, signal.container) == ("api-1-x", "app")


def test_a_failed_job_names_its_newest_pod() -> None:
    pods = tuple(
        {
            **pod(FAILED_JOB, f"try-{day}"),
            "metadata": {**pod(FAILED_JOB, f"try-{day}")["metadata"], "creationTimestamp": f"2026-01-0{day}T00:00:00Z"},
        }
        for day in (1, 3, 2)
    )
    signal = assess(facts(FAILED_JOB, pods=pods)).signals[0]
    assert (signal.pod, signal.container) == ("try-3", "app")
