# The first backup of a young release: one Job of the CronJob that makes the regular ones, begun as kubectl would.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import os
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup import claim
from ansible_collections.bytebot.production.plugins.module_utils.backup.drill import Drill, Regular
from ansible_collections.bytebot.production.plugins.module_utils.backup.tools_pod import reading
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import BackupFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.first_backup import First, is_older, none_since
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    NotPermitted,
    RecordUnreadable,
    Refused,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import history

Object = dict[str, Any]
MADE_FOR = {"bytebot.production/made-for": "restore-drill"}
POLL_S = 1.0
_LONGEST = 63  # characters of a Job's name, which its pods bear as a label


def made_first(
    drill: Drill, regular: Regular, facts: BackupFacts, within_s: float, pause: Callable[[float], None] = time.sleep
) -> First | None:
    """Let the CronJob run once where no backup of this release can be there yet; None where none is wanted.

    :param within_s: seconds to wait for it; 0 begins none.
    """
    if not within_s:
        return None
    deployed = _first_deployed(drill)
    if not none_since(facts, deployed):
        return None
    try:
        with reading(drill.cluster, regular.cron, regular.claim, drill.tools.life_s) as reader:
            newest = claim.newest(reader, regular.files)
    except InputError:
        raise
    except CollectionError:
        return None  # the drill meets the same, and tells it
    if not is_older(facts, deployed, newest.made if newest else None):
        return None
    return _ran(drill, job_of(regular.cron, f"first-{secrets.token_hex(3)}"), within_s, pause)


def job_of(cron: Mapping[str, Any], suffix: str) -> Object:
    """What ``kubectl create job --from=cronjob/…`` makes, and a mark of what it was made for."""
    meta, template = cron["metadata"], copy.deepcopy(cron["spec"]["jobTemplate"])
    given = template.get("metadata") or {}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": meta["name"], "uid": meta["uid"], "controller": True}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{meta['name'][: _LONGEST - len(suffix) - 1].rstrip('-.')}-{suffix}",
            "namespace": meta["namespace"],
            "labels": dict(given.get("labels") or {}),
            "annotations": {
                **(given.get("annotations") or {}),
                "cronjob.kubernetes.io/instantiate": "manual",
                **MADE_FOR,
            },
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }


def _ran(drill: Drill, job: Object, within_s: float, pause: Callable[[float], None]) -> First:
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    cron = job["metadata"]["ownerReferences"][0]["name"]
    by_hand = f"kubectl create job --namespace {namespace} --from=cronjob/{cron} {cron[:50]}-first"
    try:
        drill.cluster.create(job)
    except (NotPermitted, Refused) as exc:
        grant = "or let the account create Jobs there, as roles/backup/files/drill-rbac.yaml does"
        remedy = f"Run the backup once, and this again when it has ended: {by_hand} ({grant})."
        return First(trouble=exc.sentence.rstrip("."), remedy=remedy)
    drill.tell(f"no backup is younger than the release's first deployment: Job {namespace}/{name} makes one")
    began = time.monotonic()
    try:
        end = _awaited(drill.cluster, job, began + within_s, pause)
    except NotPermitted as exc:
        end = exc.sentence.rstrip(".")
    seconds = round(time.monotonic() - began, 1)
    drill.tell(f"Job {namespace}/{name}: {end or 'still running'} after {seconds:g} s")
    if end == "Complete":
        return First(name, seconds)
    why = f"Job {name} has failed" if end == "Failed" else f"Job {name} has not ended in {within_s:g} s"
    remedy = (
        f"Look at the events and the log of its pods (kubectl logs --namespace {namespace} job/{name}), and run this "
        "again when the backup is made; first_backup_timeout is how long it is waited for."
    )
    return First(name, seconds, why if end in ("Failed", "") else end, remedy)


def _awaited(cluster: Cluster, job: Object, until: float, pause: Callable[[float], None]) -> str:
    """How the Job ended, ``Complete`` or ``Failed``; empty where it still runs."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    while True:
        found = cluster.get("batch/v1", "Job", name, namespace) or {}
        told = (found.get("status") or {}).get("conditions") or []
        ends = [str(one["type"]) for one in told if one.get("status") == "True"]
        if end := next((one for one in ends if one in ("Complete", "Failed")), ""):
            return end
        if time.monotonic() >= until:
            return ""
        pause(POLL_S)


def _first_deployed(drill: Drill) -> float:
    """When the release was first deployed (Unix time); 0 where nothing tells."""
    try:
        known = history(drill.cluster, drill.release, drill.namespace, os.environ.get("HELM_DRIVER", ""))
        times = [datetime.fromisoformat(one.first_deployed.replace("Z", "+00:00")) for one in known]
    except (NotPermitted, RecordUnreadable, InputError, ValueError):
        return 0.0
    return min((one.timestamp() for one in times), default=0.0)
