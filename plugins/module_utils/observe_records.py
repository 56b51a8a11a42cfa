# Reads what is kept beside a release, for checks/release_records.py: helm's history, rollbacks, drills, and what runs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup import records
from ansible_collections.bytebot.production.plugins.module_utils.checks.release_records import (
    DrillSeen,
    Ran,
    RecordFacts,
    RevisionSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.helm import rollback_record
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, history
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback_record import Rollback, Side
from ansible_collections.bytebot.production.plugins.module_utils.pod_owners import owner_of
from ansible_collections.bytebot.production.plugins.module_utils.podspec import images, pod_spec

Object = dict[str, Any]
DATABASE = "database"
_OWNER = "meta.helm.sh/release-name"
_WORKLOADS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "CronJob"))
_ENDED = ("Succeeded", "Failed")
_ONCE = ("Job",)  # what ends by itself need not be there any more


def observe(
    cluster: Cluster,
    namespace: str,
    release: str,
    *,
    stage: Mapping[str, Any],
    within_s: float,
    rollback_within_s: float,
) -> RecordFacts:
    """Read all once. :param stage: ``since``, ``outcome`` and ``digests`` of the stage that deploys."""
    revisions, live, gap = _of_helm(cluster, namespace, release)
    pods, no_pods = _pods(cluster, namespace, live)
    drills, no_drills = _drills(cluster, namespace)
    rollbacks, no_rollbacks = _rollbacks(cluster, namespace, release)
    return RecordFacts(
        namespace,
        release,
        revisions,
        gap,
        drills,
        no_drills,
        within_s,
        str(stage.get("since") or ""),
        str(stage.get("outcome") or ""),
        tuple(images(live)),
        dict(stage.get("digests") or {}),
        time.time(),
        rollbacks,
        no_rollbacks,
        rollback_within_s,
        pods,
        no_pods,
    )


def _of_helm(cluster: Cluster, namespace: str, release: str) -> tuple[tuple[RevisionSeen, ...], list[Object], str]:
    """Its revisions, its live workloads, and why they could not be read."""
    try:
        known = history(cluster, release, namespace, os.environ.get("HELM_DRIVER", ""))
        live = [
            {"apiVersion": api_version, "kind": kind, **one}
            for api_version, kind in _WORKLOADS
            for one in cluster.list(api_version, kind, namespace)
            if (one["metadata"].get("annotations") or {}).get(_OWNER) == release
        ]
    except CollectionError as exc:
        return (), [], exc.sentence.rstrip(".")
    return tuple(_seen(one) for one in known), live, ""


def _pods(cluster: Cluster, namespace: str, live: list[Object]) -> tuple[tuple[Ran, ...], str]:
    """The containers of the pods of some workloads; those of jobs end, and may be of the revision before."""
    lasting = [one for one in live if one["kind"] != "CronJob"]
    wanted = {(one["kind"], str(one["metadata"]["name"])): _images(pod_spec(one) or {}) for one in lasting}
    try:
        pods = list(cluster.list("v1", "Pod", namespace)) if wanted else []
    except CollectionError as exc:
        return (), exc.sentence.rstrip(".")
    there = [one for one in pods if not one["metadata"].get("deletionTimestamp") and _phase(one) not in _ENDED]
    return tuple(ran for one in there for ran in _ran(one, wanted.get(owner_of(one, {}) or ("", ""), {}))), ""


def _ran(pod: Object, wanted: Mapping[str, str]) -> Iterator[Ran]:
    """What its containers run that its workload names too; others were injected."""
    status = pod.get("status") or {}
    told = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    digests = {str(one["name"]): str(one.get("imageID") or "").rpartition("@")[2] for one in told}
    for name, image in _images(pod.get("spec") or {}).items():
        if name in wanted:
            digest = digests.get(name, "")
            known = digest if digest.startswith("sha256:") else ""
            yield Ran(str(pod["metadata"]["name"]), name, image, wanted[name], known)


def _images(spec: Mapping[str, Any]) -> dict[str, str]:
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return {str(one["name"]): str(one.get("image") or "") for one in containers}


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def _seen(one: Release) -> RevisionSeen:
    lasting = [obj for obj in one.objects if obj.get("kind") not in _ONCE]
    return RevisionSeen(
        one.revision,
        one.status,
        one.good,
        one.description,
        _unix(one.updated),
        one.app_version,
        one.values_digest,
        tuple(images(lasting)),
        Side(one.revision, one.chart_version, one.app_version, tuple(images(one.objects))),
    )


def _drills(cluster: Cluster, namespace: str) -> tuple[tuple[DrillSeen, ...], str]:
    try:
        kept = records.read(cluster, namespace)
    except CollectionError as exc:
        return (), exc.sentence.rstrip(".")
    return (
        tuple(DrillSeen(one.source, one.at, one.made, one.passed, one.why) for one in kept if one.kind == DATABASE),
        "",
    )


def _rollbacks(cluster: Cluster, namespace: str, release: str) -> tuple[tuple[Rollback, ...], str]:
    try:
        kept = rollback_record.read(cluster, namespace)
    except CollectionError as exc:
        return (), exc.sentence.rstrip(".")
    return tuple(one for one in kept if one.release == release), ""


def _unix(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
