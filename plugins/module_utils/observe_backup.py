# Reads what makes the backups of a database, and what it has made, for the check in checks/backup.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import CRON_JOB, VELERO, BackupSeen
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted, NotThere

_KINDS = {"volume_snapshot": ("snapshot.storage.k8s.io/v1", "VolumeSnapshot"), VELERO: ("velero.io/v1", "Backup")}


def look_at_backup(cluster: Cluster, kind: str, namespace: str, name: str) -> BackupSeen:
    """Look once.

    :param name: of the CronJob; for the other kinds the label selector of what belongs to this database.
    """
    where = f"CronJob {namespace}/{name}" if kind == CRON_JOB else f"{_KINDS[kind][1]}s {name} in namespace {namespace}"
    try:
        if kind != CRON_JOB:
            return BackupSeen(kind, where, None, tuple(cluster.list(*_KINDS[kind], namespace, labels=name)))
        maker = cluster.get("batch/v1", "CronJob", name, namespace)
        jobs = cluster.list("batch/v1", "Job", namespace) if maker else []
    except (NotPermitted, NotThere) as exc:
        return BackupSeen(kind, where, denied=exc.sentence.rstrip("."))
    uid = ((maker or {}).get("metadata") or {}).get("uid")
    return BackupSeen(kind, where, maker, tuple(one for one in jobs if _of(one, uid)))


def _of(one: Mapping[str, Any], uid: Any) -> bool:
    return any(owner.get("uid") == uid for owner in (one.get("metadata") or {}).get("ownerReferences") or [])
