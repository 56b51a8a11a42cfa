# Reads what is kept beside a release, for checks/release_records.py: helm's history, rollbacks, drills, and what runs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup import records
from ansible_collections.bytebot.production.plugins.module_utils.checks.release_records import (
    DrillSeen,
    RecordFacts,
    RevisionSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.helm import rollback_record
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, history
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback_record import Rollback, Side
from ansible_collections.bytebot.production.plugins.module_utils.podspec import images

DATABASE = "database"
_OWNER = "meta.helm.sh/release-name"
_WORKLOADS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "CronJob"))
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
    revisions, running, gap = _of_helm(cluster, namespace, release)
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
        running,
        dict(stage.get("digests") or {}),
        time.time(),
        rollbacks,
        no_rollbacks,
        rollback_within_s,
    )


def _of_helm(cluster: Cluster, namespace: str, release: str) -> tuple[tuple[RevisionSeen, ...], tuple[str, ...], str]:
    try:
        known = history(cluster, release, namespace, os.environ.get("HELM_DRIVER", ""))
        live = [
            {"apiVersion": api_version, "kind": kind, **one}
            for api_version, kind in _WORKLOADS
            for one in cluster.list(api_version, kind, namespace)
            if (one["metadata"].get("annotations") or {}).get(_OWNER) == release
        ]
    except CollectionError as exc:
        return (), (), exc.sentence.rstrip(".")
    return tuple(_seen(one) for one in known), tuple(images(live)), ""


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
