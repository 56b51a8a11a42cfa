# Backups of the application's database: a CronJob dumps it, encrypts the dump, and keeps the newest ones on a claim.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import datetime
import json
import secrets
from collections.abc import Mapping
from typing import Any

from sandbox.component import Context, Reach, Workload, only_full
from sandbox.components.postgres import COMPONENT as POSTGRES
from sandbox.components.postgres import USER
from sandbox.files import put
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS

NAME = "postgres-backup"
CRON = f"/apis/batch/v1/namespaces/database/cronjobs/{NAME}"
JOBS = "/apis/batch/v1/namespaces/database/jobs"
OURS = f"{JOBS}?labelSelector=app%3D{NAME}"
KEEP = 7


def prepare(ctx: Context) -> None:
    """The key that opens the backups is handed over, and is nowhere in the cluster."""
    s, pki = ctx.settings, ctx.pki
    put(s.handover / "backup.key", pki.text("backup.key"))
    put(s.handover / "backup.crt", pki.text("backup.crt"))


def values(_: Context) -> Mapping[str, str]:
    return {"name": NAME, "version": VERSIONS.postgres, "user": str(USER), "keep": str(KEEP)}


def run(ctx: Reach, labels: Mapping[str, str] | None = None) -> str:
    """Begin a backup now, as the CronJob would; the Job's path.

    :raises ApiError: there is no such CronJob, or the API refuses.
    """
    cron = json.loads(ctx.cluster.call("GET", CRON))
    meta = {
        "name": f"{NAME}-{secrets.token_hex(4)}",
        "namespace": "database",
        "labels": {"app": NAME, **(labels or {})},
        "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
        "ownerReferences": [
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "name": NAME,
                "uid": cron["metadata"]["uid"],
                "controller": True,
            }
        ],
    }
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": cron["spec"]["jobTemplate"]["spec"]}
    ctx.cluster.call("POST", JOBS, json.dumps(body))
    return f"{JOBS}/{meta['name']}"


def ended(job: Mapping[str, Any]) -> str:
    """How a Job ended, `Complete` or `Failed`; empty as long as it runs."""
    conditions = job.get("status", {}).get("conditions") or []
    return next((str(one["type"]) for one in conditions if one["type"] in {"Complete", "Failed"}), "")


def _fresh(job: Mapping[str, Any]) -> bool:
    made = datetime.datetime.fromisoformat(job["status"]["completionTime"])
    return datetime.datetime.now(datetime.UTC) - made < datetime.timedelta(days=1)


def answers(ctx: Context) -> bool:
    """A backup of the last day is there; where none is, as after some days without the sandbox, one is begun."""
    jobs = ctx.cluster.items(OURS)
    if any(ended(job) == "Complete" and _fresh(job) for job in jobs):
        return True
    if all(ended(job) for job in jobs):
        run(ctx)
    return False


COMPONENT = Workload(
    needs=("postgres",),
    version=VERSIONS.postgres,
    images=POSTGRES.images,
    certificates=(Certificate("backup", "database-ca", "backup"),),
    prepare=prepare,
    values=values,
    answers=answers,
    wanted=only_full,
)
