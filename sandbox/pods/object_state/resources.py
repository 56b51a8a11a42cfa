# Series of pods, nodes, claims and quotas.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.pods.object_state.text import Family, Series
from sandbox.pods.object_state.values import quantity

Object = Mapping[str, Any]
POD_PHASES = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
CLAIM_PHASES = ("Lost", "Bound", "Pending")
STATUSES = ("True", "False", "Unknown")
BYTES = re.compile(r"memory|storage|ephemeral-storage|hugepages-.*|attachable-volumes-.*")

FAMILIES = {
    "kube_pod_info": Family("Information about pod."),
    "kube_pod_status_phase": Family("The pods current phase."),
    "kube_pod_container_status_restarts_total": Family("The number of container restarts per container.", "counter"),
    "kube_pod_container_status_last_terminated_reason": Family(
        "Describes the last reason the container was in terminated state."
    ),
    "kube_pod_container_resource_requests": Family("The number of requested request resource by a container."),
    "kube_pod_container_resource_limits": Family("The number of requested limit resource by a container."),
    "kube_node_status_condition": Family("The condition of a cluster node."),
    "kube_persistentvolumeclaim_info": Family("Information about persistent volume claim."),
    "kube_persistentvolumeclaim_status_phase": Family("The phase the persistent volume claim is currently in."),
    "kube_persistentvolumeclaim_resource_requests_storage_bytes": Family(
        "The capacity of storage requested by the persistent volume claim."
    ),
    "kube_resourcequota": Family("Information about resource quota."),
}


def pod(found: Object) -> Iterator[Series]:
    meta, spec, status = found["metadata"], found["spec"], found.get("status") or {}
    labels = {"namespace": meta["namespace"], "pod": meta["name"], "uid": meta.get("uid", "")}
    yield Series("kube_pod_info", {**labels, **_about(found)}, 1)
    phase = status.get("phase")
    if meta.get("deletionTimestamp") and status.get("reason") == "NodeLost":
        phase = "Unknown"
    if phase:
        for one in POD_PHASES:
            yield Series("kube_pod_status_phase", {**labels, "phase": one}, one == phase)
    for one in status.get("containerStatuses") or []:
        where = {**labels, "container": one["name"]}
        yield Series("kube_pod_container_status_restarts_total", where, one.get("restartCount", 0))
        ended = (one.get("lastState") or {}).get("terminated")
        if ended:
            reason = {"reason": ended.get("reason", "")}
            yield Series("kube_pod_container_status_last_terminated_reason", {**where, **reason}, 1)
    for container in spec["containers"]:
        where = {**labels, "container": container["name"], "node": spec.get("nodeName", "")}
        for kind in ("requests", "limits"):
            for resource, text in sorted(((container.get("resources") or {}).get(kind) or {}).items()):
                named = {**where, "resource": sanitized(resource), "unit": unit(resource)}
                yield Series(f"kube_pod_container_resource_{kind}", named, quantity(text))


def _about(found: Object) -> dict[str, str]:
    spec, status = found["spec"], found.get("status") or {}
    owners = [one for one in found["metadata"].get("ownerReferences") or [] if one.get("controller")]
    owner = owners[0] if owners else {}
    return {
        "host_ip": status.get("hostIP", ""),
        "pod_ip": status.get("podIP", ""),
        "node": spec.get("nodeName", ""),
        "created_by_kind": owner.get("kind", ""),
        "created_by_name": owner.get("name", ""),
        "priority_class": spec.get("priorityClassName", ""),
        "host_network": str(bool(spec.get("hostNetwork"))).lower(),
    }


def node(found: Object) -> Iterator[Series]:
    for condition in (found.get("status") or {}).get("conditions") or []:
        labels = {"node": found["metadata"]["name"], "condition": condition["type"]}
        for status in STATUSES:
            named = {**labels, "status": status.lower()}
            yield Series("kube_node_status_condition", named, condition["status"] == status)


def claim(found: Object) -> Iterator[Series]:
    meta, spec, status = found["metadata"], found["spec"], found.get("status") or {}
    labels = {"namespace": meta["namespace"], "persistentvolumeclaim": meta["name"]}
    about = {
        "storageclass": spec.get("storageClassName", ""),
        "volumename": spec.get("volumeName", ""),
        "volumemode": spec.get("volumeMode", ""),
    }
    yield Series("kube_persistentvolumeclaim_info", {**labels, **about}, 1)
    for phase in CLAIM_PHASES if status.get("phase") else ():
        yield Series("kube_persistentvolumeclaim_status_phase", {**labels, "phase": phase}, phase == status["phase"])
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked:
        yield Series("kube_persistentvolumeclaim_resource_requests_storage_bytes", labels, quantity(asked))


def quota(found: Object) -> Iterator[Series]:
    meta, status = found["metadata"], found.get("status") or {}
    labels = {"namespace": meta["namespace"], "resourcequota": meta["name"]}
    for kind in ("hard", "used"):
        for resource, text in sorted((status.get(kind) or {}).items()):
            yield Series("kube_resourcequota", {**labels, "resource": resource, "type": kind}, quantity(text))


def sanitized(resource: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", resource)


def unit(resource: str) -> str:
    if resource == "cpu":
        return "core"
    return "byte" if BYTES.fullmatch(resource) else "integer"
