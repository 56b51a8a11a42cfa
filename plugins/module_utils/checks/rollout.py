# Judges a rollout from observed objects: what is complete, what waits, and what can never succeed (with its cause).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a rollout cannot succeed: the signal, when it is certain, and what to do.

    :param grace_s: seconds that the signal must last before it is certain; callers may set it per cause.
    """

    code: str
    title: str
    signal: str
    grace_s: float
    remedy: str
    source: str


_KUBELET = "Kubernetes, pkg/kubelet/images and kuberuntime: waiting reasons of a container state"
CAUSES: dict[str, Cause] = {
    cause.code: cause
    for cause in (
        Cause("image_missing", "image not found", "ErrImagePull or ImagePullBackOff; the registry says not found", 3,
              "Check the image name, tag and registry; push the image or correct the values.", _KUBELET),
        Cause("image_denied", "image pull not authorised", "ErrImagePull; the registry says unauthorized or denied", 3,
              "Check imagePullSecrets and the registry's permissions.", _KUBELET),
        Cause("image_pull", "image cannot be pulled", "ErrImagePull for any other reason", 60,
              "Check that the nodes reach the registry.", _KUBELET),
        Cause("image_name", "image name is invalid", "InvalidImageName or ErrImageNeverPull", 0,
              "Correct the image reference in the values.", _KUBELET),
        Cause("config_missing", "configuration missing", "CreateContainerConfigError", 5,
              "Create the Secret, ConfigMap or key that the message names.", _KUBELET),
        Cause("container_start", "container cannot start", "CreateContainerError or RunContainerError", 10,
              "Check the command, the user and the mounts of the container.", _KUBELET),
        Cause("crash_loop", "container keeps crashing", "CrashLoopBackOff after the given number of restarts", 0,
              "Read the last log lines: the process ends by itself soon after its start.",
              "Kubernetes docs, Pod lifecycle, container restarts: back-off from 10 s, doubling to 5 min"),
        Cause("init_failed", "init container keeps failing", "CrashLoopBackOff of an init container", 0,
              "Read the init container's last log lines.", "Kubernetes docs, Init containers"),
        Cause("volume_missing", "volume cannot be mounted", "event FailedMount that names a missing object", 10,
              "Create the Secret, ConfigMap or claim that the message names.", "Kubernetes, event FailedMount"),
        Cause("unschedulable", "pod cannot be scheduled", "condition PodScheduled is False, reason Unschedulable", 60,
              "Free or add capacity, or correct selectors, affinity, tolerations or claims.",
              "Kubernetes docs, Pod conditions; the grace leaves time for a cluster autoscaler"),
        Cause("create_refused", "pods are refused", "condition ReplicaFailure or event FailedCreate", 5,
              "The message names the quota, the limit range or the admission rule: change it or the workload.",
              "Kubernetes docs, Deployment status: ReplicaFailure"),
        Cause("deadline", "progress deadline exceeded", "condition Progressing is False, ProgressDeadlineExceeded", 0,
              "Look at the pods' events and logs below.", "Kubernetes docs, Deployment: progressDeadlineSeconds"),
        Cause("job_failed", "job failed", "condition Failed of a Job", 0,
              "Read the job's last log lines.", "Kubernetes docs, Job termination and cleanup"),
        Cause("claim_failed", "volume claim cannot be provisioned", "event ProvisioningFailed of a claim", 10,
              "Check the storage class that the claim names and its provisioner.",
              "Kubernetes, event ProvisioningFailed"),
    )
}  # fmt: skip

_NOT_FOUND = re.compile(r"not found|manifest unknown|does not exist|no such image", re.IGNORECASE)
_DENIED = re.compile(r"unauthorized|denied|forbidden|no basic auth|authentication required", re.IGNORECASE)
_MISSING_OBJECT = re.compile(
    r"(secret|configmap|persistentvolumeclaim)s? .*not found|references non-existent", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Signal:
    """One sign that a rollout cannot succeed; it becomes certain when it lasts as long as its cause's grace."""

    cause: str
    object: Identity
    reason: str
    message: str
    pod: str = ""
    container: str = ""

    @property
    def sentence(self) -> str:
        where = f"{self.object}" + (f" container {self.container}" if self.container else "")
        return f"{where}: {CAUSES[self.cause].title} ({self.reason}: {self.message})"


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """What was observed in one look.

    :param wanted: the identities that must become ready (workloads, jobs, claims).
    :param live: the live objects of those identities that exist.
    :param pods: all pods of the namespace; :param replica_sets: all ReplicaSets; :param events: recent events.
    :param ignored_uids: pods and jobs that were there before the rollout began; their troubles are not this rollout's.
    """

    wanted: tuple[Identity, ...]
    live: Mapping[Identity, Object]
    pods: tuple[Object, ...] = ()
    replica_sets: tuple[Object, ...] = ()
    events: tuple[Object, ...] = ()
    ignored_uids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Status:
    """What one look says: what still waits (empty means complete), and signs of failure."""

    waiting: tuple[str, ...]
    signals: tuple[Signal, ...]

    @property
    def complete(self) -> bool:
        return not self.waiting


def assess(facts: RolloutFacts, *, crash_restarts: int = 3) -> Status:
    """Judge one look at a rollout.

    :param crash_restarts: how many restarts make a crash loop certain.
    """
    waiting: list[str] = []
    signals: list[Signal] = []
    for wanted in facts.wanted:
        live = facts.live.get(wanted)
        if live is None:
            waiting.append(f"{wanted}: not created yet")
            continue
        reason = _WAITING.get(wanted.kind, _never_waits)(live)
        if reason:
            waiting.append(f"{wanted}: {reason}")
            if (live.get("metadata") or {}).get("uid") in facts.ignored_uids:
                continue
            signals.extend(_object_signals(wanted, live, facts))
            signals.extend(_pod_signals(wanted, live, facts, crash_restarts))
    return Status(tuple(waiting), tuple(signals))


@dataclass
class Certainty:
    """Remembers since when each signal is seen, and says which have become certain.

    A signal that vanishes for less than ``memory_s`` keeps its age: the kubelet alternates between reasons.
    """

    grace: Mapping[str, float] = field(default_factory=dict)
    memory_s: float = 5.0
    _seen: dict[tuple[str, Identity, str], tuple[float, float]] = field(default_factory=dict)

    def certain(self, signals: Iterable[Signal], now: float) -> list[Signal]:
        """The signals that are certain at ``now`` (seconds of any steady clock)."""
        certain = []
        for signal in signals:
            key = (signal.cause, signal.object, signal.container)
            first, last = self._seen.get(key, (now, now))
            if now - last > self.memory_s:
                first = now
            self._seen[key] = (first, now)
            if now - first >= self.grace.get(signal.cause, CAUSES[signal.cause].grace_s):
                certain.append(signal)
        return certain


# ---------------------------------------------------------------------------- what each kind waits for


def _deployment_waits(live: Object) -> str:
    """The rule of ``kubectl rollout status deployment``."""
    spec, status = live.get("spec") or {}, live.get("status") or {}
    wanted = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if _not_observed(live):
        return "its new specification is not observed yet"
    if updated < wanted:
        return f"{updated} of {wanted} replicas are updated"
    if total > updated:
        return f"{total - updated} old replicas still run"
    return f"{available} of {wanted} replicas are available" if available < wanted else ""


def _statefulset_waits(live: Object) -> str:
    spec, status = live.get("spec") or {}, live.get("status") or {}
    wanted = spec.get("replicas", 1)
    partition = (((spec.get("updateStrategy") or {}).get("rollingUpdate")) or {}).get("partition", 0)
    if _not_observed(live):
        return "its new specification is not observed yet"
    if status.get("readyReplicas", 0) < wanted:
        return f"{status.get('readyReplicas', 0)} of {wanted} replicas are ready"
    if (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "OnDelete":
        return ""
    updated = status.get("updatedReplicas", 0)
    return f"{updated} of {wanted - partition} replicas are updated" if updated < wanted - partition else ""


def _daemonset_waits(live: Object) -> str:
    status = live.get("status") or {}
    wanted = status.get("desiredNumberScheduled", 0)
    if _not_observed(live):
        return "its new specification is not observed yet"
    if status.get("updatedNumberScheduled", 0) < wanted:
        return f"{status.get('updatedNumberScheduled', 0)} of {wanted} pods are updated"
    available = status.get("numberAvailable", 0)
    return f"{available} of {wanted} pods are available" if available < wanted else ""


def _job_waits(live: Object) -> str:
    if _condition(live, "Complete", "True"):
        return ""
    status = live.get("status") or {}
    return f"{status.get('succeeded', 0)} of {(live.get('spec') or {}).get('completions', 1)} runs succeeded"


def _claim_waits(live: Object) -> str:
    phase = (live.get("status") or {}).get("phase", "Pending")
    return "" if phase == "Bound" else f"the claim is {phase}"


def _pod_waits(live: Object) -> str:
    phase = (live.get("status") or {}).get("phase", "Pending")
    return "" if phase == "Succeeded" or _condition(live, "Ready", "True") else f"the pod is {phase}"


def _never_waits(_live: Object) -> str:
    return ""


_WAITING = {
    "Deployment": _deployment_waits,
    "StatefulSet": _statefulset_waits,
    "DaemonSet": _daemonset_waits,
    "Job": _job_waits,
    "PersistentVolumeClaim": _claim_waits,
    "Pod": _pod_waits,
}
WATCHED = tuple(_WAITING)


# ---------------------------------------------------------------------------- signs of failure


def _object_signals(wanted: Identity, live: Object, facts: RolloutFacts) -> Iterator[Signal]:
    if wanted.kind == "Deployment" and not _not_observed(live):
        if found := _condition(live, "Progressing", "False"):
            yield Signal("deadline", wanted, found.get("reason", ""), found.get("message", ""))
        if found := _condition(live, "ReplicaFailure", "True"):
            yield Signal("create_refused", wanted, found.get("reason", ""), found.get("message", ""))
    if wanted.kind == "Job" and (found := _condition(live, "Failed", "True")):
        yield Signal("job_failed", wanted, found.get("reason", ""), found.get("message", ""), *_newest_pod(live, facts))
    uid = (live.get("metadata") or {}).get("uid", "")
    for event in _events_of(uid, facts):
        if event.get("reason") == "FailedCreate" and wanted.kind != "Deployment":
            yield Signal("create_refused", wanted, "FailedCreate", event.get("message", ""))
        if event.get("reason") == "ProvisioningFailed":
            yield Signal("claim_failed", wanted, "ProvisioningFailed", event.get("message", ""))


def _pod_signals(wanted: Identity, live: Object, facts: RolloutFacts, crash_restarts: int) -> Iterator[Signal]:
    for pod in pods_of(live, facts):
        metadata = pod.get("metadata") or {}
        if metadata.get("uid") in facts.ignored_uids or metadata.get("deletionTimestamp"):
            continue
        name = metadata.get("name", "")
        who = Identity("Pod", metadata.get("namespace", wanted.namespace), name)
        scheduled = _condition(pod, "PodScheduled", "False")
        if scheduled and scheduled.get("reason") == "Unschedulable":
            yield Signal("unschedulable", who, "Unschedulable", scheduled.get("message", ""), name)
        status = pod.get("status") or {}
        for group, init in (("initContainerStatuses", True), ("containerStatuses", False)):
            for container in status.get(group) or []:
                yield from _container_signals(who, container, init, crash_restarts)
        for event in _events_of(metadata.get("uid", ""), facts):
            message = event.get("message", "")
            if event.get("reason") == "FailedMount" and _MISSING_OBJECT.search(message):
                yield Signal("volume_missing", who, "FailedMount", message, name)


def _container_signals(pod: Identity, container: Object, init: bool, crash_restarts: int) -> Iterator[Signal]:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    cause = _container_cause(reason, message)
    if reason == "CrashLoopBackOff":
        if container.get("restartCount", 0) < crash_restarts:
            return
        cause, message = ("init_failed" if init else "crash_loop"), _last_end(container)
    if cause:
        yield Signal(cause, pod, reason, message, pod.name, container.get("name", ""))


def _container_cause(reason: str, message: str) -> str:
    if reason in ("ErrImagePull", "ImagePullBackOff"):
        return (
            "image_missing"
            if _NOT_FOUND.search(message)
            else "image_denied"
            if _DENIED.search(message)
            else "image_pull"
        )
    return {
        "InvalidImageName": "image_name",
        "ErrImageNeverPull": "image_name",
        "CreateContainerConfigError": "config_missing",
        "CreateContainerError": "container_start",
        "RunContainerError": "container_start",
    }.get(reason, "")


def _last_end(container: Object) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    why = f"exit code {ended['exitCode']}" if "exitCode" in ended else "ended"
    return f"{why}{', ' + ended['reason'] if ended.get('reason') else ''}, {container.get('restartCount', 0)} restarts"


def pods_of(live: Object, facts: RolloutFacts) -> list[Object]:
    """The pods that belong to the newest revision of a workload."""
    if live.get("kind") == "Pod":
        return [live]
    uid = (live.get("metadata") or {}).get("uid")
    if live.get("kind") == "Deployment":
        uid = _newest_replica_set(uid, facts)
    return [pod for pod in facts.pods if uid and _owner_uid(pod) == uid]


def _newest_replica_set(deployment_uid: str | None, facts: RolloutFacts) -> str | None:
    owned = [item for item in facts.replica_sets if deployment_uid and _owner_uid(item) == deployment_uid]
    newest = max(owned, key=_revision, default=None)
    return None if newest is None else newest["metadata"].get("uid")


def _revision(replica_set: Object) -> int:
    annotations = (replica_set.get("metadata") or {}).get("annotations") or {}
    return int(annotations.get("deployment.kubernetes.io/revision", 0))


def _newest_pod(live: Object, facts: RolloutFacts) -> tuple[str, str]:
    pods = sorted(pods_of(live, facts), key=lambda pod: pod["metadata"].get("creationTimestamp", ""))
    if not pods:
        return "", ""
    containers = (pods[-1].get("spec") or {}).get("containers") or [{}]
    return pods[-1]["metadata"]["name"], containers[0].get("name", "")


def _owner_uid(obj: Object) -> str:
    for owner in (obj.get("metadata") or {}).get("ownerReferences") or []:
        if owner.get("controller"):
            return str(owner.get("uid"))
    return ""


def _events_of(uid: str, facts: RolloutFacts) -> Iterator[Object]:
    return (event for event in facts.events if uid and (event.get("involvedObject") or {}).get("uid") == uid)


def _not_observed(live: Object) -> bool:
    generation = (live.get("metadata") or {}).get("generation", 0)
    return bool((live.get("status") or {}).get("observedGeneration", 0) < generation)


def _condition(live: Object, kind: str, status: str) -> Object | None:
    for condition in (live.get("status") or {}).get("conditions") or []:
        if condition.get("type") == kind and condition.get("status") == status:
            found: Object = condition
            return found
    return None
