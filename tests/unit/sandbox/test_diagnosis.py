# When a workload is ready, and when it is certain that it never will be.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from sandbox.diagnosis import REVISION, certain_failure, of_now, rolled_out, running_since

STARTED = 1_700_000_000.7  # 2023-11-14T22:13:20.7Z
MADE = "2023-11-14T22:13:20Z"


def workload(**status: int) -> dict[str, Any]:
    good = {"observedGeneration": 2, "updatedReplicas": 1, "readyReplicas": 1, "replicas": 1}
    return {"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": {**good, **status}}


def pod(state: dict[str, Any], *, ready: bool = True, restarts: int = 0, made: str = MADE) -> dict[str, Any]:
    container = {"name": "main", "state": state, "ready": ready, "restartCount": restarts}
    meta = {"name": "web-1", "creationTimestamp": made}
    return {"metadata": meta, "status": {"containerStatuses": [container]}}


def running(at: str) -> dict[str, Any]:
    return {"running": {"startedAt": at}}


def waiting(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": f"because of {reason}"}}


def test_a_whole_rollout() -> None:
    assert rolled_out(workload())


@pytest.mark.parametrize(
    "status", [{"observedGeneration": 1}, {"updatedReplicas": 0}, {"readyReplicas": 0}, {"replicas": 2}]
)
def test_a_rollout_that_is_not_yet_whole(status: dict[str, int]) -> None:
    assert not rolled_out(workload(**status))


def test_a_workload_that_nobody_has_looked_at_yet() -> None:
    assert not rolled_out({"metadata": {"generation": 1}, "spec": {}})


def test_containers_of_this_start_count_to_the_whole_second() -> None:
    assert running_since([pod(running("2023-11-14T22:13:20Z"))], STARTED)


@pytest.mark.parametrize(
    "old",
    [
        pod(running("2023-11-14T22:13:19Z")),
        pod(running("2023-11-14T22:14:00Z"), ready=False),
        pod(waiting("ContainerCreating")),
        {"metadata": {"name": "web-1"}, "status": {}},
    ],
)
def test_what_a_restart_left_in_the_store_does_not_count(old: dict[str, Any]) -> None:
    assert not running_since([pod(running("2023-11-14T22:14:00Z")), old], STARTED)


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"])
def test_certain_failures_are_told_with_their_cause(reason: str) -> None:
    failure = certain_failure([pod(running("2023-11-14T22:14:00Z")), pod(waiting(reason))], STARTED)
    assert failure is not None
    assert (failure.pod, failure.container, failure.reason) == ("web-1", "main", reason)
    assert failure.message == f"because of {reason}"
    assert failure.remedy


def test_init_containers_fail_too() -> None:
    statuses = {"initContainerStatuses": [{"name": "init", "state": waiting("ImagePullBackOff")}]}
    init = {"metadata": {"name": "web-1", "creationTimestamp": MADE}, "status": statuses}
    failure = certain_failure([init], STARTED)
    assert failure is not None
    assert failure.container == "init"


@pytest.mark.parametrize(("restarts", "certain"), [(1, False), (2, False), (3, True)])
def test_a_crash_is_certain_only_as_a_pattern(restarts: int, certain: bool) -> None:
    found = certain_failure([pod(waiting("CrashLoopBackOff"), ready=False, restarts=restarts)], STARTED)
    assert (found is not None) == certain


def test_crashes_of_a_pod_from_before_a_restart_are_no_pattern() -> None:
    old = pod(waiting("CrashLoopBackOff"), ready=False, restarts=7, made="2023-11-14T22:13:19Z")
    assert certain_failure([old], STARTED) is None
    assert certain_failure([pod(waiting("ImagePullBackOff"), made="2023-11-14T22:13:19Z")], STARTED) is not None


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "ErrImagePull"])
def test_what_may_still_turn_out_well_is_waited_for(reason: str) -> None:
    assert certain_failure([pod(waiting(reason), ready=False)], STARTED) is None


@pytest.mark.parametrize(
    ("told", "whole"),
    [
        ({}, True),
        ({"numberReady": 0}, False),
        ({"updatedNumberScheduled": 0}, False),
        ({"observedGeneration": 1}, False),
        (
            {"desiredNumberScheduled": 0, "currentNumberScheduled": 0, "numberReady": 0, "updatedNumberScheduled": 0},
            False,
        ),
    ],
)
def test_a_daemon_set_is_whole_with_a_ready_pod_for_each_of_its_nodes(told: dict[str, int], whole: bool) -> None:
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady")
    status = {"observedGeneration": 2, **dict.fromkeys(counts, 1), **told}
    assert rolled_out({"metadata": {"generation": 2}, "spec": {}, "status": status}) is whole


def test_only_pods_of_a_deployments_newest_template_are_of_now() -> None:
    def made(kind: str, number: str) -> dict[str, Any]:
        return {"metadata": {"name": kind, "labels": {"pod-template-hash": kind}, "annotations": {REVISION: number}}}

    sets, pods = [made("old", "1"), made("new", "2")], [made("old", ""), made("new", "")]
    meta = {"generation": 2, "annotations": {REVISION: "2"}}
    seen = {"metadata": meta, "status": {"observedGeneration": 2}}
    assert of_now(seen, sets, pods) == [pods[1]]
    assert of_now({"metadata": meta, "status": {"observedGeneration": 1}}, sets, pods) == []
