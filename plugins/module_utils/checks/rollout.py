# Judges a rollout from observed objects: what is complete, what waits, and what can never succeed (with its cause).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_others import is_custom, stalled
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_stateful import blocks, of_its_revision
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_waits import (
    OBSERVED,
    condition,
    counts_pods,
    held_back,
    not_observed,
    number,
    waits,
    wanted_pods,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity

Object = dict[str, Any]


_NOT_FOUND = re.compile(r"not found|manifest unknown|does not exist|no such image", re.IGNORECASE)
_DENIED = re.compile(r"unauthorized|denied|forbidden|no basic auth|authentication required", re.IGNORECASE)
_RUNS_AS_ROOT = re.compile(r"runAsNonRoot|will run as root|non-numeric user", re.IGNORECASE)
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
    workload: str = ""

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
    :param ignored_uids: pods and jobs that were there before the rollout began; their troubles are not this rollout's,
        unless a StatefulSet leaves the pod as it is.
    """

    wanted: tuple[Identity, ...]
    live: Mapping[Identity, Object]
    pods: tuple[Object, ...] = ()
    replica_sets: tuple[Object, ...] = ()
    events: tuple[Object, ...] = ()
    ignored_uids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Status:
    """What one look says: what still waits (empty means complete), and signs of failure.

    :param held: what is as complete as its own strategy lets it be, with pods of an older revision that stay.
    :param idle: workloads that want no pod at all.
    """

    waiting: tuple[str, ...]
    signals: tuple[Signal, ...]
    held: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.waiting


def assess(facts: RolloutFacts, *, crash_restarts: int = 3) -> Status:
    """Judge one look at a rollout.

    :param crash_restarts: how many restarts make a crash loop certain.
    """
    waiting: list[str] = []
    signals: list[Signal] = []
    held: list[str] = []
    idle: list[str] = []
    for wanted in facts.wanted:
        live = facts.live.get(wanted)
        if live is None:
            waiting.append(f"{wanted}: not created yet")
            continue
        reason = waits(wanted, live)
        if reason:
            waiting.append(f"{wanted}: {reason}")
            found = _signals(wanted, live, facts, crash_restarts)
            signals.extend(replace(signal, workload=str(wanted)) for signal in found)
        elif kept := "" if is_custom(wanted.group) else held_back(wanted.kind, live):
            held.append(f"{wanted}: {kept}")
        if counts_pods(wanted) and not not_observed(live) and not wanted_pods(wanted.kind, live):
            idle.append(str(wanted))
    return Status(tuple(waiting), tuple(signals), tuple(held), tuple(idle))


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


# ---------------------------------------------------------------------------- signs of failure


def _signals(wanted: Identity, live: Object, facts: RolloutFacts, crash_restarts: int) -> Iterator[Signal]:
    if (live.get("metadata") or {}).get("uid") in facts.ignored_uids:
        return
    if is_custom(wanted.group):
        if why := stalled(live):
            yield Signal("stalled", wanted, *why)
        return
    if wanted.kind in OBSERVED and not_observed(live):
        return  # what can be seen is still the trouble of the specification before
    yield from _object_signals(wanted, live, facts)
    yield from _pod_signals(wanted, live, facts, crash_restarts)


def _object_signals(wanted: Identity, live: Object, facts: RolloutFacts) -> Iterator[Signal]:
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if wanted.kind == "Deployment":
        yield from _deployment_signals(wanted, live)
    if wanted.kind == "Job":
        if found := condition(live, "Failed", "True"):
            yield Signal("job_failed", wanted, *_why(found), *_newest_pod(live, facts))
        elif spec.get("suspend"):
            yield Signal("paused", wanted, "suspend", "it starts no pod")
    if wanted.kind == "Pod" and status.get("phase") == "Failed":
        reason = status.get("reason") or "Failed"
        yield Signal("pod_failed", wanted, reason, _pod_end(live), wanted.name, _first_container(live))
    if wanted.kind == "PersistentVolumeClaim" and status.get("phase") == "Lost":
        yield Signal("claim_failed", wanted, "Lost", "its volume is gone")
    for event in _events_of((live.get("metadata") or {}).get("uid"), facts):
        if event.get("reason") == "FailedCreate" and wanted.kind != "Deployment":
            yield Signal("create_refused", wanted, *_why(event))
        if event.get("reason") == "SyncLoadBalancerFailed":
            yield Signal("load_balancer", wanted, *_why(event))
        if event.get("reason") == "ProvisioningFailed":
            yield Signal("claim_failed", wanted, *_why(event))


def _deployment_signals(wanted: Identity, live: Object) -> Iterator[Signal]:
    if (live.get("spec") or {}).get("paused"):
        yield Signal("paused", wanted, "paused", "it makes no pod of the new revision")
    if found := condition(live, "Progressing", "False"):
        late = found.get("reason") == "ProgressDeadlineExceeded"
        yield Signal("deadline" if late else "create_refused", wanted, *_why(found))
    if found := condition(live, "ReplicaFailure", "True"):
        yield Signal("create_refused", wanted, *_why(found))


def _why(told: Object) -> tuple[str, str]:
    """Reason and message of a condition or an event."""
    return told.get("reason") or "", told.get("message") or ""


def _pod_signals(wanted: Identity, live: Object, facts: RolloutFacts, crash_restarts: int) -> Iterator[Signal]:
    for pod in pods_of(live, facts):
        metadata = pod.get("metadata") or {}
        found = () if metadata.get("deletionTimestamp") else _signs_of(pod, wanted, facts, crash_restarts)
        if metadata.get("uid") not in facts.ignored_uids or of_its_revision(live, pod):
            yield from found
        elif blocks(live, pod):
            for one in found:
                message = f"{CAUSES[one.cause].title}: {one.message}; its StatefulSet leaves it as it is"
                yield replace(one, cause="blocked", message=message)


def _signs_of(pod: Object, wanted: Identity, facts: RolloutFacts, crash_restarts: int) -> Iterator[Signal]:
    """What ails one pod."""
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    name = metadata.get("name") or ""
    who = Identity("Pod", metadata.get("namespace") or wanted.namespace, name)
    scheduled = condition(pod, "PodScheduled", "False")
    if scheduled and scheduled.get("reason") == "Unschedulable":
        yield Signal("unschedulable", who, *_why(scheduled), name)
    for group, init in (("initContainerStatuses", True), ("containerStatuses", False)):
        for container in status.get(group) or []:
            yield from _container_signals(who, container, init, crash_restarts)
    for event in () if _mounted(status) else _events_of(metadata.get("uid"), facts):
        if event.get("reason") == "FailedMount" and _MISSING_OBJECT.search(event.get("message") or ""):
            yield Signal("volume_missing", who, *_why(event), name)


def _mounted(status: Object) -> bool:
    """Whether a pod's volumes are there by now: events stay for an hour, and tell of what may be mended."""
    if any(
        one.get("type") == "PodReadyToStartContainers" and one.get("status") == "True"
        for one in status.get("conditions") or []
    ):
        return True
    containers = (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or []))
    return any({"running", "terminated"} & set(one.get("state") or {}) or one.get("restartCount") for one in containers)


def _container_signals(pod: Identity, container: Object, init: bool, crash_restarts: int) -> Iterator[Signal]:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = _why(waiting)
    cause = _container_cause(reason, message)
    if reason == "CrashLoopBackOff":
        if number(container, "restartCount") < crash_restarts:
            return
        cause, message = ("init_failed" if init else "crash_loop"), _last_end(container)
    if cause:
        yield Signal(cause, pod, reason, message, pod.name, container.get("name") or "")


def _container_cause(reason: str, message: str) -> str:
    if reason in ("ErrImagePull", "ImagePullBackOff"):
        return (
            "image_missing"
            if _NOT_FOUND.search(message)
            else "image_denied"
            if _DENIED.search(message)
            else "image_pull"
        )
    if reason == "CreateContainerConfigError" and _RUNS_AS_ROOT.search(message):
        return "container_start"
    return {
        "InvalidImageName": "image_name",
        "ErrImageNeverPull": "image_name",
        "RegistryUnavailable": "image_pull",
        "ImageInspectError": "image_pull",
        "PostStartHookError": "container_start",
        "CreateContainerConfigError": "config_missing",
        "CreateContainerError": "container_start",
        "RunContainerError": "container_start",
    }.get(reason, "")


def _last_end(container: Object) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    why = f"exit code {ended['exitCode']}" if "exitCode" in ended else "ended"
    reason = f", {ended['reason']}" if ended.get("reason") else ""
    return f"{why}{reason}, {number(container, 'restartCount')} restarts"


def _pod_end(pod: Object) -> str:
    """How a failed pod ended, in the kubelet's words or by the exit codes of its containers."""
    status = pod.get("status") or {}
    ends = [(one, (one.get("state") or {}).get("terminated") or {}) for one in status.get("containerStatuses") or []]
    codes = [f"{one.get('name')} exit code {ended['exitCode']}" for one, ended in ends if ended.get("exitCode")]
    return status.get("message") or ", ".join(codes) or "it gives no reason"


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
    return None if newest is None else (newest.get("metadata") or {}).get("uid")


def _revision(replica_set: Object) -> int:
    annotations = (replica_set.get("metadata") or {}).get("annotations") or {}
    text = str(annotations.get("deployment.kubernetes.io/revision") or "")
    return int(text) if text.isdecimal() else 0  # anybody may write an annotation


def _newest_pod(live: Object, facts: RolloutFacts) -> tuple[str, str]:
    pods = pods_of(live, facts)
    newest = max(pods, key=lambda pod: str((pod.get("metadata") or {}).get("creationTimestamp") or ""), default=None)
    if newest is None:
        return "", ""
    return (newest.get("metadata") or {}).get("name") or "", _first_container(newest)


def _first_container(pod: Object) -> str:
    containers = (pod.get("spec") or {}).get("containers") or [{}]
    return containers[0].get("name") or ""


def _owner_uid(obj: Object) -> str:
    for owner in (obj.get("metadata") or {}).get("ownerReferences") or []:
        if owner.get("controller"):
            return str(owner.get("uid"))
    return ""


def _events_of(uid: str | None, facts: RolloutFacts) -> Iterator[Object]:
    return (event for event in facts.events if uid and (event.get("involvedObject") or {}).get("uid") == uid)
