# Which workload a live pod belongs to, and the pod in the form of that workload; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Object = dict[str, Any]


def owner_of(pod: Object, jobs: Mapping[str, Object]) -> tuple[str, str] | None:
    """The workload that a pod belongs to, past ReplicaSet and Job; None where it stands alone, or is another kind's."""
    references = pod["metadata"].get("ownerReferences") or []
    owner = next((one for one in references if one.get("controller")), None)
    if owner is None:
        return None
    kind, name = str(owner.get("kind")), str(owner.get("name"))
    suffix = (pod["metadata"].get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and suffix and name.endswith(f"-{suffix}"):
        return "Deployment", name.removesuffix(f"-{suffix}")
    if kind == "Job" and (cron := made_by_cron(jobs.get(name) or {})):
        return "CronJob", cron
    return (kind, name) if kind in ("ReplicaSet", "StatefulSet", "DaemonSet", "Job") else None


def made_by_cron(job: Object) -> str:
    """The CronJob that has made a Job; empty where none has."""
    references = (job.get("metadata") or {}).get("ownerReferences") or []
    owners = [str(one.get("name")) for one in references if one.get("kind") == "CronJob" and job.get("kind") == "Job"]
    return owners[0] if owners else ""


def as_workload(pod: Object, jobs: Mapping[str, Object]) -> Object:
    """A live pod in the form of its owner, so that what both have wrong is one finding under one name."""
    owner = owner_of(pod, jobs)
    if owner is None:
        return pod
    kind, name = owner
    template = {"template": {"metadata": pod["metadata"], "spec": pod.get("spec") or {}}}
    spec = {"jobTemplate": {"spec": template}} if kind == "CronJob" else template
    place = pod["metadata"].get("namespace", "")
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": place},
        "spec": spec,
        "status": pod.get("status") or {},
    }


def named(jobs: Mapping[str, Object]) -> Callable[[Object], str]:
    """How findings call the workload of a pod: its kind and name."""

    def name(pod: Object) -> str:
        kind, own = owner_of(pod, jobs) or ("Pod", str(pod["metadata"]["name"]))
        return f"{kind} {own}"

    return name
