# Where the pods of a workload are described, whatever its kind.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]
_ENDED = ("Succeeded", "Failed")
_LATE = timedelta(minutes=1)  # what a kubelet may take beyond the grace period, of which deletionTimestamp is the end
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")


def images(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """The images that workloads name, sorted, each once."""
    found: set[str] = set()
    for obj in objects:
        spec = pod_spec(obj)
        for group in ("initContainers", "containers"):
            found |= {str(container.get("image", "")) for container in (spec or {}).get(group) or []}
    return sorted(found - {""})


def pod_spec(obj: Mapping[str, Any]) -> Object | None:
    """The pod spec inside a workload of any kind, or None."""
    template = pod_template(obj)
    return None if template is None else template.get("spec") or {}


def pod_template(obj: Mapping[str, Any]) -> Object | None:
    """The pod template (metadata and spec) inside a workload of any kind, or None."""
    spec = obj.get("spec") or {}
    kind = obj.get("kind")
    if kind == "Pod":
        return {"metadata": obj.get("metadata") or {}, "spec": spec}
    if kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "ReplicationController"):
        return spec.get("template") or {}
    if kind == "CronJob":
        return ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}
    return None


def is_over(pod: Mapping[str, Any], now: datetime | None = None) -> bool:
    """Whether a pod has ended, or is about to, as one of the revision before is right after a roll-out.

    One that should long be gone and is not still counts: whatever it may, it may.
    """
    if (pod.get("status") or {}).get("phase") in _ENDED:
        return True
    until = (pod.get("metadata") or {}).get("deletionTimestamp")
    if not until:
        return False
    try:
        end = datetime.fromisoformat(str(until).replace("Z", "+00:00"))
        return (now or datetime.now(UTC)) < end + _LATE
    except (TypeError, ValueError):
        return False
