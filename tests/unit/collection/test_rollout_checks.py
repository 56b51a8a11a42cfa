# What a rollout waits for and what can never succeed: each kind's rule, each cause, and when a sign is certain.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import (
    WATCHED,
    Certainty,
    RolloutFacts,
    Signal,
    Status,
    assess,
    pods_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    InputError,
    NotPermitted,
    RolloutFailed,
    TimedOut,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity
from ansible_collections.bytebot.production.plugins.module_utils.rollout import (
    Patience,
    RolloutWatch,
    apis_of,
    watchable,
)
from tests.unit.collection.helm_fakes import (
    SHOP,
    HeldCluster,
    Object,
    deployment,
    event,
    obj,
    pod,
    replica_set,
    waiting,
)


def facts(*wanted: Object, **more: Any) -> RolloutFacts:
    """Facts in which the wanted objects are live."""
    live = {identity(one): one for one in wanted}
    return RolloutFacts(tuple(live), live, **more)


def waits(live: Object) -> str:
    """What one object waits for, without its name; empty where it is complete."""
    found = assess(facts(live)).waiting
    return found[0].partition(": ")[2] if found else ""


# ---------------------------------------------------------------------- what each kind waits for


def stateful(replicas: Any = 3, ready: int = 3, updated: int = 3, **strategy: Any) -> Object:
    status = {"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": updated}
    return obj("StatefulSet", "db", {"replicas": replicas, "updateStrategy": strategy}, status)


def daemon(desired: int = 2, updated: int = 2, available: int = 2, **strategy: Any) -> Object:
    numbers = {"desiredNumberScheduled": desired, "updatedNumberScheduled": updated, "numberAvailable": available}
    return obj("DaemonSet", "agent", {"updateStrategy": strategy}, {"observedGeneration": 1, **numbers})


def conditions(*pairs: tuple[str, str], reason: str = "Because", message: str = "so it is") -> list[Object]:
    return [{"type": kind, "status": status, "reason": reason, "message": message} for kind, status in pairs]


BALANCED = obj("Service", "web", {"type": "LoadBalancer"})


def custom(observed: int = 2, /, **conditions: str) -> Object:
    """A custom resource of generation 2 with these conditions."""
    told = [
        {"type": kind, "status": status, "reason": "why", "message": "because"} for kind, status in conditions.items()
    ]
    held = obj(
        "Certificate", "tls", {}, {"observedGeneration": observed, "conditions": told} if told else {}, generation=2
    )
    return {**held, "apiVersion": "cert-manager.io/v1"}


WAITS = [
    ("Deployment: complete", deployment(2), ""),
    ("Deployment: not observed", deployment(2, observedGeneration=0), "its new specification is not observed yet"),
    ("Deployment: no status at all", obj("Deployment", "api"), "its new specification is not observed yet"),
    ("Deployment: updating", deployment(3, updatedReplicas=1), "1 of 3 replicas are updated"),
    ("Deployment: old ones run", deployment(2, replicas=3), "1 old replicas still run"),
    ("Deployment: not available", deployment(2, 1), "1 of 2 replicas are available"),
    (
        "Deployment: replicas by default",
        obj("Deployment", "api", {}, {"observedGeneration": 1}),
        "0 of 1 replicas are updated",
    ),
    (
        "Deployment: replicas null",
        obj("Deployment", "api", {"replicas": None}, {"observedGeneration": 1}),
        "0 of 1 replicas are updated",
    ),
    ("Deployment: scaled to 0", deployment(0), ""),
    ("Deployment: scaling to 0", deployment(0, replicas=1), "1 old replicas still run"),
    ("Deployment: paused before it began", deployment(2, updatedReplicas=0), "0 of 2 replicas are updated"),
    ("StatefulSet: complete", stateful(), ""),
    ("StatefulSet: not observed", obj("StatefulSet", "db"), "its new specification is not observed yet"),
    ("StatefulSet: not ready", stateful(ready=2), "2 of 3 replicas are ready"),
    ("StatefulSet: not updated", stateful(updated=1), "1 of 3 replicas are updated"),
    (
        "StatefulSet: partition not reached",
        stateful(updated=0, rollingUpdate={"partition": 2}),
        "0 of 1 replicas are updated",
    ),
    ("StatefulSet: partition reached", stateful(updated=1, rollingUpdate={"partition": 2}), ""),
    ("StatefulSet: partition above replicas", stateful(updated=0, rollingUpdate={"partition": 9}), ""),
    (
        "StatefulSet: partition null",
        stateful(updated=2, rollingUpdate={"partition": None}),
        "2 of 3 replicas are updated",
    ),
    ("StatefulSet: on delete", stateful(updated=0, type="OnDelete"), ""),
    ("StatefulSet: on delete, not ready", stateful(ready=0, updated=0, type="OnDelete"), "0 of 3 replicas are ready"),
    ("StatefulSet: scaled to 0", stateful(0, 0, 0), ""),
    ("DaemonSet: complete", daemon(), ""),
    ("DaemonSet: not updated", daemon(updated=1), "1 of 2 pods are updated"),
    ("DaemonSet: not available", daemon(available=0), "0 of 2 pods are available"),
    ("DaemonSet: no node", daemon(0, 0, 0), ""),
    ("DaemonSet: not observed", obj("DaemonSet", "agent", {}, {}), "its new specification is not observed yet"),
    ("DaemonSet: on delete", daemon(updated=0, type="OnDelete"), ""),
    ("Job: complete", obj("Job", "migrate", {}, {"conditions": conditions(("Complete", "True"))}), ""),
    ("Job: running", obj("Job", "migrate", {"completions": 5}, {"succeeded": 2}), "2 of 5 runs succeeded"),
    ("Job: all runs done, not yet complete", obj("Job", "migrate", {}, {"succeeded": 1}), "1 of 1 runs succeeded"),
    ("Job: work queue", obj("Job", "migrate", {"completions": None}, {}), "0 of 1 runs succeeded"),
    ("Job: failed", obj("Job", "migrate", {}, {"conditions": conditions(("Failed", "True"))}), "0 of 1 runs succeeded"),
    ("Claim: bound", obj("PersistentVolumeClaim", "data", {}, {"phase": "Bound"}), ""),
    ("Claim: pending", obj("PersistentVolumeClaim", "data", {}, {"phase": "Pending"}), "the claim is Pending"),
    ("Claim: lost", obj("PersistentVolumeClaim", "data", {}, {"phase": "Lost"}), "the claim is Lost"),
    ("Pod: ready", pod(), ""),
    ("Pod: running and not ready", pod(ready=False), "the pod is Running"),
    ("Pod: done", pod(ready=False, phase="Succeeded"), ""),
    ("Pod: failed", pod(ready=False, phase="Failed"), "the pod is Failed"),
    ("Service: inside", obj("Service", "web", {"type": "ClusterIP"}), ""),
    ("Service: no address", BALANCED, "no load balancer has given it an address"),
    ("Service: an address", {**BALANCED, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}, ""),
    ("Service: given by hand", obj("Service", "web", {"type": "LoadBalancer", "externalIPs": ["192.0.2.1"]}), ""),
    ("custom: tells nothing", custom(), ""),
    ("custom: status is a text", {**custom(), "status": "fine"}, ""),
    ("custom: conditions are odd", {**custom(), "status": {"conditions": ["x", {"type": "Other"}]}}, ""),
    ("custom: ready", custom(Ready="True"), ""),
    ("custom: not ready", custom(Ready="False"), "its condition Ready is False (why: because)"),
    ("custom: unknown", custom(Ready="Unknown"), "its condition Ready is Unknown (why: because)"),
    ("custom: at work", custom(Ready="True", Reconciling="True"), "its controller still works on it (Reconciling)"),
    ("custom: status of before", custom(1, Ready="True"), "its new specification is not observed yet"),
    (
        "custom: of a built-in's name",
        {**custom(Ready="False"), "kind": "Job"},
        "its condition Ready is False (why: because)",
    ),
]


@pytest.mark.parametrize(("live", "reason"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_each_kind_waits_by_its_own_rule(live: Object, reason: str) -> None:
    assert waits(live) == reason


def test_the_table_has_every_watched_kind() -> None:
    assert {row[1]["kind"] for row in WAITS} >= set(WATCHED)


def test_an_object_that_is_not_there_is_waited_for() -> None:
    missing = Identity("Deployment", SHOP, "api", "apps")
    assert assess(RolloutFacts((missing,), {})).waiting == ("Deployment shop/api: not created yet",)


@pytest.mark.parametrize(
    ("live", "held"),
    [
        (stateful(updated=1, rollingUpdate={"partition": 2}), "partition 2 keeps 2 of 3 pods at an older revision"),
        (stateful(updated=0, type="OnDelete"), "strategy OnDelete keeps 3 of 3 pods at an older revision"),
        (daemon(updated=0, type="OnDelete"), "strategy OnDelete keeps 2 of 2 pods at an older revision"),
        (stateful(rollingUpdate={"partition": 2}), ""),
        (stateful(updated=0), ""),  # it waits, and holds nothing back
        (deployment(2), ""),
    ],
)
def test_what_a_strategy_holds_back_is_told(live: Object, held: str) -> None:
    assert [text.partition(": ")[2] for text in assess(facts(live)).held] == ([held] if held else [])


@pytest.mark.parametrize(
    ("live", "idle"),
    [
        (deployment(0), True),
        (stateful(0, 0, 0), True),
        (daemon(0, 0, 0), True),
        (deployment(1), False),
        (pod(), False),
        (obj("DaemonSet", "agent", {}, {}), False),
    ],
)
def test_what_wants_no_pod_is_told(live: Object, idle: bool) -> None:
    assert assess(facts(live)).idle == ((str(identity(live)),) if idle else ())


# ---------------------------------------------------------------------- causes

API = deployment(1, 0)
NEW = replica_set(API, 2)
JOB = obj("Job", "migrate", {}, {})
CLAIM = obj("PersistentVolumeClaim", "data", {}, {"phase": "Pending"})
DB = stateful(ready=0)


def of_api(*statuses: Object, **more: Any) -> RolloutFacts:
    """A Deployment that waits, with one pod in the state given."""
    return facts(API, replica_sets=(NEW,), pods=(pod(NEW, ready=False, containerStatuses=list(statuses), **more),))


def of_event(reason: str, message: str, **status: Any) -> RolloutFacts:
    one = pod(NEW, ready=False, **status)
    return facts(API, replica_sets=(NEW,), pods=(one,), events=(event(one, reason, message),))


MISSING = 'secret "db" not found'
ENDED = {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
FAILED_JOB = {**JOB, "status": {"conditions": conditions(("Failed", "True"), reason="BackoffLimitExceeded")}}
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


# ---------------------------------------------------------------------- when a sign is certain

SIGN = Signal("unschedulable", Identity("Pod", SHOP, "a"), "Unschedulable", "0/1 nodes")


def certain_at(certainty: Certainty, *looks: tuple[float, bool]) -> list[float]:
    """The moments at which the sign is certain, of looks at moments at which it is seen or not."""
    return [now for now, seen in looks if certainty.certain([SIGN] if seen else [], now)]


def test_a_sign_is_certain_after_its_grace() -> None:
    assert certain_at(Certainty(), (100, True), (130, True)) == []
    steady = [(float(second), True) for second in range(0, 70, 5)]
    assert certain_at(Certainty(), *steady) == [60.0, 65.0]


def test_grace_is_an_input() -> None:
    assert certain_at(Certainty({"unschedulable": 0}), (7, True)) == [7]
    steady = [(float(second), True) for second in range(0, 300, 5)]
    assert certain_at(Certainty({"unschedulable": 300}), *steady) == []


def test_a_sign_without_grace_is_certain_at_once() -> None:
    crash = Signal("crash_loop", Identity("Pod", SHOP, "a"), "CrashLoopBackOff", "exit code 1")
    assert Certainty().certain([crash], 0.0) == [crash]


def test_a_sign_that_flickers_keeps_its_age() -> None:
    """The kubelet alternates between ErrImagePull and ImagePullBackOff."""
    flickers = [(float(second), second % 4 < 2) for second in range(64)]
    assert certain_at(Certainty(), *flickers)[0] == 60.0


def test_a_sign_that_was_away_begins_anew() -> None:
    looks = [*((float(second), True) for second in range(50)), *((float(second), True) for second in range(60, 115))]
    assert certain_at(Certainty(), *looks) == []
    assert certain_at(Certainty(), *looks, *((float(second), True) for second in range(115, 122)))[0] == 120.0


def test_signs_of_two_pods_have_their_own_age() -> None:
    certainty = Certainty({"unschedulable": 3})
    other = Signal("unschedulable", Identity("Pod", SHOP, "b"), "Unschedulable", "0/1 nodes")
    certainty.certain([SIGN], 0.0)
    certainty.certain([SIGN, other], 2.0)
    assert certainty.certain([SIGN, other], 4.0) == [SIGN]


@pytest.mark.parametrize(
    ("grace", "sentence"),
    [
        ({"typo": 1}, "typo is no known cause"),
        ({"paused": "soon"}, "number of seconds"),
        ({"paused": None}, "number of seconds"),
        ({"paused": "nan"}, "0 seconds or more"),
        ({"paused": -1}, "0 seconds or more"),
    ],
)
def test_wrong_graces_are_refused(grace: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Patience.checked(10, 3, grace)


@pytest.mark.parametrize(("timeout", "restarts"), [(0, 3), (-1, 3), (10, 0)])
def test_wrong_patience_is_refused(timeout: int, restarts: int) -> None:
    with pytest.raises(InputError, match="above 0"):
        Patience.checked(timeout, restarts, {})


def test_patience_takes_texts_from_variables() -> None:
    assert Patience.checked(10, 3, {"paused": "2.5", "deadline": 0}).grace == {"paused": 2.5, "deadline": 0.0}


# ---------------------------------------------------------------------- watching

WANTED = [identity(API)]
AT_ONCE = Patience(60.0, 3, dict.fromkeys(CAUSES, 0.0))


def no_pause(_seconds: float) -> None:
    return


def broken_cluster(**more: Any) -> HeldCluster:
    one = pod(NEW, ready=False, containerStatuses=[waiting("CrashLoopBackOff", "back-off", 3, **ENDED)])
    return HeldCluster(API, NEW, one, *more.values())


def test_a_watch_ends_with_the_cause_the_log_and_the_events() -> None:
    cluster = broken_cluster()
    cluster.objects.append(event(cluster.objects[2], "BackOff", "Back-off restarting"))
    cluster.log_text = "\n".join(f"line {number}" for number in range(40))
    with pytest.raises(RolloutFailed, match=r"Pod shop/api-1-x container app: container keeps crashing") as failed:
        RolloutWatch(cluster, SHOP, AT_ONCE).wait(WANTED, no_pause)  # type: ignore[arg-type]
    assert "causes in all" not in failed.value.sentence
    cause = failed.value.details["causes"][0]
    assert cause["log"][-1] == "line 39"
    assert len(cause["log"]) == 15
    assert cause["events"] == ["BackOff: Back-off restarting"]
    assert cause["remedy"] == CAUSES["crash_loop"].remedy
    assert cluster.log_requests == [(SHOP, "api-1-x", "app", True)]
    assert failed.value.details["waiting"] == ["Deployment shop/api: 0 of 1 replicas are available"]


def test_a_watch_returns_when_all_is_complete() -> None:
    cluster = HeldCluster(API)
    pauses: list[float] = []

    def becomes_ready(seconds: float) -> None:
        pauses.append(seconds)
        cluster.objects = [deployment(1)]

    RolloutWatch(cluster, SHOP, AT_ONCE).wait(WANTED, becomes_ready)  # type: ignore[arg-type]
    assert len(pauses) == 1


def test_a_watch_that_is_out_of_time_says_what_it_waits_for() -> None:
    one = pod(NEW, ready=False)
    cluster = HeldCluster(API, NEW, one, event(one, "Unhealthy", "Readiness probe failed"))
    with pytest.raises(
        TimedOut, match=r"still waiting: Deployment shop/api: 0 of 1 .*Unhealthy .*Readiness probe failed"
    ):
        RolloutWatch(cluster, SHOP, Patience(-1.0)).wait(WANTED, no_pause)  # type: ignore[arg-type]


def test_what_was_there_before_the_change_is_not_its_trouble() -> None:
    cluster = broken_cluster(job=FAILED_JOB)
    cluster.objects.append(event(DB, "FailedCreate", "exceeded quota"))
    cluster.objects.append(DB)
    watch = RolloutWatch(cluster, SHOP, AT_ONCE, replaced=WANTED)  # type: ignore[arg-type]
    wanted = [*WANTED, identity(FAILED_JOB), identity(DB)]
    assert watch.look(wanted) == []
    assert len(watch.waiting) == 3
    cluster.objects[-2] = event(DB, "FailedCreate", "exceeded quota", version="2")  # it happened again
    assert [signal.cause for signal in watch.look(wanted)] == ["create_refused"]
    cluster.objects.append(pod(NEW, "api-2-y", containerStatuses=[waiting("ErrImagePull", "not found")]))
    assert {signal.cause for signal in watch.look(wanted)} == {"create_refused", "image_missing"}


def test_events_of_before_are_old_though_all_was_well() -> None:
    calm, quota = deployment(1), event(DB, "FailedCreate", "exceeded quota")
    cluster = HeldCluster(calm, quota)
    watch = RolloutWatch(cluster, SHOP, AT_ONCE, replaced=WANTED)  # type: ignore[arg-type]
    cluster.objects.append(DB)
    assert watch.look([identity(DB)]) == []


def test_many_pods_of_one_workload_are_one_cause_and_two_workloads_are_two() -> None:
    web = {**deployment(1, 0), "metadata": {**API["metadata"], "name": "web", "uid": "uid-web"}}
    web_set = {
        **replica_set(web, 1),
        "metadata": {**replica_set(web, 1)["metadata"], "name": "web-1", "uid": "uid-web-1"},
    }
    bad = [waiting("ErrImagePull", "not found")]
    pods = [pod(NEW, f"api-{number}", containerStatuses=bad) for number in range(20)] + [
        pod(web_set, "web-0", containerStatuses=bad)
    ]
    cluster = HeldCluster(API, NEW, web, web_set, *pods)
    with pytest.raises(RolloutFailed, match=r"\(2 causes in all\)") as failed:
        RolloutWatch(cluster, SHOP, AT_ONCE).wait([*WANTED, identity(web)], no_pause)  # type: ignore[arg-type]
    assert len(failed.value.details["causes"]) == 2


def test_objects_in_another_namespace_are_looked_for_there() -> None:
    away = {**deployment(1), "metadata": {**API["metadata"], "namespace": "elsewhere"}}
    RolloutWatch(HeldCluster(away), SHOP, AT_ONCE).wait([identity(away)], no_pause)  # type: ignore[arg-type]
    with pytest.raises(TimedOut):
        RolloutWatch(HeldCluster(away), SHOP, Patience(-1.0)).wait(WANTED, no_pause)  # type: ignore[arg-type]


def test_an_api_server_that_is_away_for_a_moment_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = HeldCluster(deployment(1))
    cluster.fails = [Unreachable("away"), Unreachable("away")]
    pauses: list[float] = []
    RolloutWatch(cluster, SHOP, AT_ONCE).wait(WANTED, pauses.append)  # type: ignore[arg-type]
    assert len(pauses) == 2  # and nothing that was not observed counts as complete
    monkeypatch.setattr("ansible_collections.bytebot.production.plugins.module_utils.rollout.UNREACHABLE_S", -1.0)
    cluster.fails = [Unreachable("away for long")]
    with pytest.raises(Unreachable, match="away for long"):
        RolloutWatch(cluster, SHOP, AT_ONCE).wait(WANTED, no_pause)  # type: ignore[arg-type]


def test_other_errors_end_a_watch_at_once() -> None:
    cluster = HeldCluster(deployment(1))
    cluster.fails = [NotPermitted("cannot list pods")]
    with pytest.raises(NotPermitted):
        RolloutWatch(cluster, SHOP, AT_ONCE).wait(WANTED, no_pause)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- whatever the API leaves out

MAYBE_TEXT = st.one_of(
    st.none(), st.sampled_from(["", "x", "uid-Deployment-api", "2026-01-01T00:00:00Z", "True", "False"])
)
MAYBE_INT = st.one_of(st.none(), st.integers(-2, 5))


def fields(**options: Any) -> st.SearchStrategy[Any]:
    """A mapping any of whose fields may be absent, and which may be null."""
    return st.one_of(st.none(), st.fixed_dictionaries({}, optional=options))


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.lists(items.filter(lambda item: item is not None), max_size=2))


REASONS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "ErrImagePull",
            "CrashLoopBackOff",
            "CreateContainerConfigError",
            "FailedMount",
            "FailedCreate",
            "Unschedulable",
            "odd",
        ]
    ),
)
ENDS = fields(terminated=fields(exitCode=st.integers(0, 255), reason=MAYBE_TEXT))
CONTAINERS = fields(
    name=MAYBE_TEXT,
    restartCount=MAYBE_INT,
    lastState=ENDS,
    state=fields(waiting=fields(reason=REASONS, message=MAYBE_TEXT), running=fields(startedAt=MAYBE_TEXT)),
)
CONDITIONS = fields(
    type=st.sampled_from(["Ready", "PodScheduled", "Progressing", "ReplicaFailure", "Failed", "Complete", "odd"]),
    status=MAYBE_TEXT,
    reason=REASONS,
    message=MAYBE_TEXT,
)
STATUS = fields(
    phase=MAYBE_TEXT,
    reason=MAYBE_TEXT,
    message=MAYBE_TEXT,
    conditions=lists(CONDITIONS),
    containerStatuses=lists(CONTAINERS),
    initContainerStatuses=lists(CONTAINERS),
    observedGeneration=MAYBE_INT,
    replicas=MAYBE_INT,
    updatedReplicas=MAYBE_INT,
    availableReplicas=MAYBE_INT,
    readyReplicas=MAYBE_INT,
    desiredNumberScheduled=MAYBE_INT,
    updatedNumberScheduled=MAYBE_INT,
    numberAvailable=MAYBE_INT,
    succeeded=MAYBE_INT,
)
SPEC = fields(
    replicas=MAYBE_INT,
    completions=MAYBE_INT,
    paused=st.booleans(),
    suspend=st.booleans(),
    updateStrategy=fields(type=MAYBE_TEXT, rollingUpdate=fields(partition=MAYBE_INT)),
    containers=lists(fields(name=MAYBE_TEXT)),
)
METADATA = fields(
    name=MAYBE_TEXT,
    namespace=MAYBE_TEXT,
    uid=MAYBE_TEXT,
    generation=MAYBE_INT,
    creationTimestamp=MAYBE_TEXT,
    deletionTimestamp=MAYBE_TEXT,
    annotations=fields(**{"deployment.kubernetes.io/revision": MAYBE_TEXT}),
    ownerReferences=lists(fields(uid=MAYBE_TEXT, controller=st.one_of(st.none(), st.booleans()))),
)
OBJECTS = st.fixed_dictionaries(
    {"kind": st.sampled_from([*WATCHED, "Widget"])}, optional={"metadata": METADATA, "spec": SPEC, "status": STATUS}
)
EVENTS = st.fixed_dictionaries(
    {}, optional={"reason": REASONS, "message": MAYBE_TEXT, "involvedObject": fields(uid=MAYBE_TEXT, name=MAYBE_TEXT)}
)


@settings(deadline=None, max_examples=300)
@given(
    live=OBJECTS,
    pods=st.lists(OBJECTS, max_size=3),
    sets=st.lists(OBJECTS, max_size=3),
    events=st.lists(EVENTS, max_size=3),
)
def test_no_object_of_the_api_breaks_the_judgement(
    live: Object, pods: list[Object], sets: list[Object], events: list[Object]
) -> None:
    wanted = Identity(live["kind"], SHOP, "x")
    status = assess(RolloutFacts((wanted,), {wanted: live}, tuple(pods), tuple(sets), tuple(events)))
    for signal in status.signals:
        assert signal.sentence
    assert status.complete == (status.waiting == ())


# ---------------------------------------------------------------------- what is no workload


def test_what_is_waited_for() -> None:
    ingress = {**obj("Ingress", "web"), "apiVersion": "networking.k8s.io/v1"}
    objects = [deployment(), BALANCED, custom(), obj("Service", "inside", {"type": "ClusterIP"}), obj("ConfigMap", "c")]
    assert watchable([*objects, ingress], SHOP) == [identity(one) for one in objects[:3]]
    assert apis_of(objects) == {("", "Service"): "v1", ("cert-manager.io", "Certificate"): "cert-manager.io/v1"}


def test_a_watch_waits_for_a_custom_resource_and_a_load_balancer() -> None:
    cluster = HeldCluster(custom(Ready="False"), BALANCED)
    objects = [custom(), BALANCED]

    def becomes_ready(_seconds: float) -> None:
        cluster.objects = [
            custom(Ready="True"),
            {**BALANCED, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}},
        ]

    watch = RolloutWatch(cluster, SHOP, AT_ONCE, apis=apis_of(objects))  # type: ignore[arg-type]
    watch.wait(watchable(objects, SHOP), becomes_ready)
    assert watch.status.complete


def test_a_custom_resource_that_is_not_there_is_waited_for() -> None:
    watch = RolloutWatch(HeldCluster(), SHOP, AT_ONCE, apis=apis_of([custom()]))  # type: ignore[arg-type]
    watch.look(watchable([custom()], SHOP))
    assert watch.waiting == ["Certificate shop/tls: not created yet"]


# ---------------------------------------------------------------------- trouble of before


def troubled(reason: str, restarts: int = 0, message: str = "registry/api:1: not found") -> list[Object]:
    """A Deployment whose only pod waits, and stays when the same is deployed again."""
    api = deployment(1, 0)
    newest = replica_set(api, 1)
    states = [waiting(reason, message, restarts)]
    return [api, newest, pod(newest, "api-1-x", ready=False, containerStatuses=states)]


@pytest.mark.parametrize(
    ("before", "after", "certain"),
    [
        (("ImagePullBackOff",), ("ImagePullBackOff",), False),  # not tried again: the image may be there by now
        (("ImagePullBackOff",), ("ErrImagePull",), True),  # tried again
        (("ErrImagePull",), ("ImagePullBackOff",), False),
        (("ImagePullBackOff",), ("InvalidImageName",), True),
        (("CrashLoopBackOff", 7), ("CrashLoopBackOff", 7), False),
        (("CrashLoopBackOff", 7), ("CrashLoopBackOff", 8), True),
        (("CreateContainerConfigError",), ("CreateContainerConfigError",), False),
        (("ContainerCreating",), ("ErrImagePull",), True),
    ],
)
def test_what_a_pod_suffered_before_counts_when_it_was_tried_again(
    before: tuple[Any, ...], after: tuple[Any, ...], certain: bool
) -> None:
    cluster = HeldCluster(*troubled(*before))
    watch = RolloutWatch(cluster, SHOP, AT_ONCE, replaced=())  # type: ignore[arg-type]
    cluster.objects = troubled(*after)
    assert bool(watch.look(WANTED)) == certain


@pytest.mark.parametrize(("reason", "bound"), [("ImagePullBackOff", 310.0), ("CreateContainerConfigError", 20.0)])
def test_what_lasts_longer_than_any_back_off_counts_in_any_case(
    monkeypatch: pytest.MonkeyPatch, reason: str, bound: float
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    watch = RolloutWatch(HeldCluster(*troubled(reason)), SHOP, AT_ONCE, replaced=())  # type: ignore[arg-type]
    now[0] += bound - 0.1
    assert watch.look(WANTED) == []
    now[0] += 0.2
    assert watch.look(WANTED) != []


def test_without_a_change_the_trouble_of_now_is_certain() -> None:
    watch = RolloutWatch(HeldCluster(*troubled("ImagePullBackOff")), SHOP, AT_ONCE)  # type: ignore[arg-type]
    assert watch.look(WANTED) != []


@pytest.mark.parametrize(
    ("cause", "kind", "status", "updated", "certain"),
    [
        ("ProgressDeadlineExceeded", "Progressing", "False", "2026-01-02T03:59:59Z", False),
        ("ProgressDeadlineExceeded", "Progressing", "False", "2026-01-02T04:00:00Z", True),
        ("FailedCreate", "ReplicaFailure", "True", "2026-01-02T03:00:00Z", False),
        ("FailedCreate", "ReplicaFailure", "True", "2026-01-02T04:00:01Z", True),
    ],
)
def test_a_condition_of_before_says_nothing_of_a_change(
    cause: str, kind: str, status: str, updated: str, certain: bool
) -> None:
    """A Deployment keeps it until it makes progress; the fake's clock stands at 04:00:00."""
    condition = {"type": kind, "status": status, "reason": cause, "message": "", "lastUpdateTime": updated}
    cluster = HeldCluster(deployment(1, 0, conditions=[condition]))
    assert bool(RolloutWatch(cluster, SHOP, AT_ONCE, replaced=()).look(WANTED)) == certain  # type: ignore[arg-type]
    assert RolloutWatch(cluster, SHOP, AT_ONCE).look(WANTED) != []  # type: ignore[arg-type]
