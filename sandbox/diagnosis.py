# Reads pods and workloads: is it ready, and if not, is it already certain that it never will be?
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CERTAIN = {
    "ImagePullBackOff": "is there an image of this name in the registry? `python -m sandbox up` pushes what is missing",
    "InvalidImageName": "correct the image's name in the manifest",
    "ErrImageNeverPull": "correct imagePullPolicy in the manifest",
    "CreateContainerConfigError": "a Secret, ConfigMap or user that the pod names is missing or wrong",
    "CreateContainerError": "read .sandbox/log/containerd.log",
    "RunContainerError": "read .sandbox/log/containerd.log",
}
# One crash may be a dependency that came late; the third is a pattern.
CRASHES = 3


REVISION, TEMPLATE_HASH = "deployment.kubernetes.io/revision", "pod-template-hash"


@dataclass(frozen=True)
class Failure:
    """Why waiting longer is of no use."""

    pod: str
    container: str
    reason: str
    message: str
    remedy: str


def rolled_out(workload: Mapping[str, Any]) -> bool:
    """All replicas are of the current template and ready."""
    status = workload.get("status", {})
    if "desiredNumberScheduled" in status:  # a DaemonSet: one for each node that it is for
        wanted = status["desiredNumberScheduled"]
        counts = [status.get(name, 0) for name in ("currentNumberScheduled", "updatedNumberScheduled", "numberReady")]
        seen = status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
        return bool(seen and wanted and counts == [wanted] * len(counts))
    wanted = workload["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("readyReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
    )


def running_since(pods: Iterable[Mapping[str, Any]], start: float) -> bool:
    """All containers were started by the sandbox of now; stored conditions outlive a restart."""
    for pod in pods:
        statuses = pod.get("status", {}).get("containerStatuses") or []
        if not statuses:
            return False
        for status in statuses:
            began = status.get("state", {}).get("running", {}).get("startedAt")
            if not status.get("ready") or not began or _seconds(began) < int(start):
                return False
    return True


def of_now(
    deployment: Mapping[str, Any], sets: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The pods that a Deployment's newest template made; what fails of an earlier one is on its way out."""
    meta = deployment["metadata"]
    if deployment.get("status", {}).get("observedGeneration", 0) < meta["generation"]:
        return []
    revision = (meta.get("annotations") or {}).get(REVISION)
    newest = {
        one["metadata"]["labels"][TEMPLATE_HASH]
        for one in sets
        if (one["metadata"].get("annotations") or {}).get(REVISION) == revision
    }
    return [pod for pod in pods if pod["metadata"]["labels"].get(TEMPLATE_HASH) in newest]


def certain_failure(pods: Iterable[Mapping[str, Any]], start: float) -> Failure | None:
    """The first of the pods that never will be ready.

    :param start: of the sandbox, in seconds since 1970. Crashes of a pod from before are no pattern: they are counted
        over its whole life, and what it asks for may only come now, in whatever order the kubelet takes.
    """
    for pod in pods:
        status = pod.get("status", {})
        # The API keeps whole seconds.
        of_this_start = _seconds(pod["metadata"]["creationTimestamp"]) >= int(start)
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            waiting = container.get("state", {}).get("waiting") or {}
            reason, message = waiting.get("reason", ""), waiting.get("message", "")
            name = pod["metadata"]["name"]
            if reason in CERTAIN:
                return Failure(name, container["name"], reason, message, CERTAIN[reason])
            if reason == "CrashLoopBackOff" and of_this_start and container.get("restartCount", 0) >= CRASHES:
                return Failure(name, container["name"], reason, message, "read the container's last lines above")
    return None


def _seconds(stamp: str) -> float:
    return datetime.datetime.fromisoformat(stamp).timestamp()
