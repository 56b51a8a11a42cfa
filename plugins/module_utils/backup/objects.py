# Every object of a namespace, in a form that can be kept, made again elsewhere, and compared.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted, NotThere, Unreachable
from ansible_collections.bytebot.production.plugins.module_utils.manifest import LAST_APPLIED, Identity, identity
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import SCRATCH

Object = dict[str, Any]
RECORD = "bytebot.production/drill-record"
# What the cluster makes by itself of other objects, or what only tells of a moment.
DERIVED = frozenset({
    "Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision", "PodMetrics", "NodeMetrics", "IPAddress",
    "CSIStorageCapacity", "ResourceClaim", "PodTemplate", "PodGroup",
})  # fmt: skip
_ITS_OWN = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "ownerReferences",
            "deletionTimestamp", "deletionGracePeriodSeconds", "namespace", "generateName", "finalizers")  # fmt: skip
_NOTES = (
    LAST_APPLIED,
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/",
    "autoscaling.alpha.kubernetes.io/",
)
_JOB_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")


@dataclass(frozen=True, slots=True)
class Exported:
    """What a namespace holds.

    :param objects: as the API gave them; :param denied: kinds that this account may not list.
    """

    objects: tuple[Object, ...] = ()
    denied: tuple[str, ...] = ()
    broken: tuple[str, ...] = field(default=())


def export(cluster: Cluster, namespace: str) -> Exported:
    """All objects of all kinds that the cluster serves there and lets one list, but what is derived from others."""
    objects: dict[Identity, Object] = {}
    denied: list[str] = []
    resources, broken = _resources(cluster)
    for api_version, kind, plural in resources:
        root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        try:
            found = _listed(cluster, f"{root}/namespaces/{namespace}/{plural}")
        except NotPermitted:
            denied.append(kind)
            continue
        except NotThere:
            continue  # it is served, and not to be listed
        for one in found:
            whole = {"apiVersion": api_version, "kind": kind, **one}
            if not is_derived(whole):
                objects[identity(whole)] = whole
    return Exported(tuple(objects[key] for key in sorted(objects)), tuple(sorted(set(denied))), tuple(broken))


def _listed(cluster: Cluster, path: str) -> list[Object]:
    found: list[Object] = []
    query = {"limit": "500"}
    while True:
        page = cluster.raw("GET", path, query=query)
        found += page.get("items") or []
        if not (more := (page.get("metadata") or {}).get("continue")):
            return found
        query["continue"] = more


def _resources(cluster: Cluster) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Version, kind and plural of what can be listed in a namespace, each group in the version that it prefers."""
    groups = cluster.raw("GET", "/apis").get("groups") or []
    versions = ["v1", *(one["preferredVersion"]["groupVersion"] for one in groups)]
    found: list[tuple[str, str, str]] = []
    broken: list[str] = []
    for version in versions:
        try:
            told = cluster.raw("GET", f"/api/{version}" if version == "v1" else f"/apis/{version}")
        except (Unreachable, NotThere, NotPermitted):
            broken.append(version)  # an aggregated API whose server is down
            continue
        for one in told.get("resources") or []:
            listable = "list" in (one.get("verbs") or []) and "create" in one["verbs"] and "/" not in one["name"]
            if one.get("namespaced") and listable and one["kind"] not in DERIVED:
                found.append((version, one["kind"], one["name"]))
    return found, broken


def is_derived(one: Mapping[str, Any]) -> bool:
    """Whether a controller or the cluster makes it again by itself, or a check made it and takes it away."""
    meta = one.get("metadata") or {}
    if any(owner.get("controller") for owner in meta.get("ownerReferences") or []):
        return True
    labels = meta.get("labels") or {}
    if SCRATCH in labels or RECORD in labels:
        return True
    if one["kind"] == "Secret" and one.get("type") == "kubernetes.io/service-account-token":
        return True
    return one["kind"] == "ConfigMap" and meta.get("name") in ("kube-root-ca.crt", "openshift-service-ca.crt")


def normal(one: Mapping[str, Any]) -> Object:
    """Without what the cluster gives each object anew, and without its namespace."""
    kept = copy.deepcopy({key: value for key, value in one.items() if key != "status"})
    meta = {key: value for key, value in (kept.get("metadata") or {}).items() if key not in _ITS_OWN}
    notes = {k: v for k, v in (meta.pop("annotations", None) or {}).items() if not k.startswith(_NOTES)}
    kept["metadata"] = {**meta, **({"annotations": notes} if notes else {})}
    if trim := _TRIM.get(one["kind"]):
        trim(kept)
    return kept


def _service(one: Object) -> None:
    spec = one.get("spec") or {}
    for key in ("clusterIP", "clusterIPs", "healthCheckNodePort", "ipFamilies", "ipFamilyPolicy"):
        if key not in ("clusterIP", "clusterIPs") or spec.get("clusterIP") != "None":
            spec.pop(key, None)
    for port in spec.get("ports") or []:
        port.pop("nodePort", None)


def _claim(one: Object) -> None:
    (one.get("spec") or {}).pop("volumeName", None)


def _job(one: Object) -> None:
    spec = one.get("spec") or {}
    spec.pop("selector", None)
    for place in (one, spec.get("template") or {}):
        labels = (place.get("metadata") or {}).get("labels") or {}
        for key in _JOB_LABELS:
            labels.pop(key, None)
        if not labels:
            (place.get("metadata") or {}).pop("labels", None)


def _pod(one: Object) -> None:
    """What the API server adds for the account's token, and where the scheduler put it."""
    spec = one.get("spec") or {}
    spec.pop("nodeName", None)
    spec["volumes"] = [v for v in spec.get("volumes") or [] if not v.get("name", "").startswith("kube-api-access-")]
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        mounts = [m for m in container.get("volumeMounts") or [] if not m["name"].startswith("kube-api-access-")]
        container["volumeMounts"] = mounts


def _account(one: Object) -> None:
    one.pop("secrets", None)


_TRIM = {
    "Service": _service,
    "PersistentVolumeClaim": _claim,
    "Job": _job,
    "Pod": _pod,
    "ServiceAccount": _account,
}


def helm_records(objects: Iterable[Mapping[str, Any]], release: str) -> list[str]:
    """Names of the Secrets or ConfigMaps in which Helm keeps a release with its values."""
    wanted = {"owner": "helm", "name": release}
    return [
        str(one["metadata"]["name"])
        for one in objects
        if one["kind"] in ("Secret", "ConfigMap") and wanted.items() <= ((one["metadata"].get("labels") or {}).items())
    ]
