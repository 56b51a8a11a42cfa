# Watching a roll-out: how it ends, what it tells, custom resources beside workloads, and trouble of before.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    NotPermitted,
    RolloutFailed,
    TimedOut,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity
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
from tests.unit.collection.rollout_objects import API, BALANCED, DB, ENDED, FAILED_JOB, NEW, custom

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
