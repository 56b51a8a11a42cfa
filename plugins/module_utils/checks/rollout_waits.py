# What a rollout waits for: the rule of each kind, and what its own strategy holds back.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_others import (
    balancer_waits,
    custom_waits,
    is_balanced,
    is_custom,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity

Object = dict[str, Any]

OBSERVED = ("Deployment", "StatefulSet", "DaemonSet")  # these say which generation their status is about


def number(fields: Mapping[str, Any], name: str, default: int = 0) -> int:
    """A number that the API leaves out, or null, where it is the default."""
    value = fields.get(name)
    return default if value is None else int(value)


def wanted_pods(kind: str, live: Object) -> int:
    """How many pods a workload wants."""
    if kind == "DaemonSet":
        return number(live.get("status") or {}, "desiredNumberScheduled")
    return number(live.get("spec") or {}, "replicas", 1)


def _strategy(live: Object) -> tuple[str, int]:
    """The type of the update strategy of a StatefulSet or DaemonSet, and its partition."""
    strategy = (live.get("spec") or {}).get("updateStrategy") or {}
    return strategy.get("type") or "RollingUpdate", number(strategy.get("rollingUpdate") or {}, "partition")


def held_back(kind: str, live: Object) -> str:
    """Why pods of an older revision stay although nothing is left to wait for."""
    updated = {"StatefulSet": "updatedReplicas", "DaemonSet": "updatedNumberScheduled"}.get(kind)
    if updated is None:
        return ""
    wanted, have = wanted_pods(kind, live), number(live.get("status") or {}, updated)
    strategy, partition = _strategy(live)
    why = f"partition {partition}" if strategy == "RollingUpdate" else f"strategy {strategy}"
    return f"{why} keeps {wanted - have} of {wanted} pods at an older revision" if have < wanted else ""


def _deployment_waits(live: Object) -> str:
    """The rule of ``kubectl rollout status deployment``."""
    status = live.get("status") or {}
    wanted = wanted_pods("Deployment", live)
    updated, total = number(status, "updatedReplicas"), number(status, "replicas")
    available = number(status, "availableReplicas")
    if not_observed(live):
        return "its new specification is not observed yet"
    if updated < wanted:
        return f"{updated} of {wanted} replicas are updated"
    if total > updated:
        return f"{total - updated} old replicas still run"
    return f"{available} of {wanted} replicas are available" if available < wanted else ""


def _statefulset_waits(live: Object) -> str:
    status = live.get("status") or {}
    wanted = wanted_pods("StatefulSet", live)
    strategy, partition = _strategy(live)
    if not_observed(live):
        return "its new specification is not observed yet"
    if (ready := number(status, "readyReplicas")) < wanted:
        return f"{ready} of {wanted} replicas are ready"
    if strategy == "OnDelete":
        return ""
    updated = number(status, "updatedReplicas")
    return f"{updated} of {wanted - partition} replicas are updated" if updated < wanted - partition else ""


def _daemonset_waits(live: Object) -> str:
    status = live.get("status") or {}
    wanted = wanted_pods("DaemonSet", live)
    if not_observed(live):
        return "its new specification is not observed yet"
    updated = number(status, "updatedNumberScheduled")
    if updated < wanted and _strategy(live)[0] != "OnDelete":
        return f"{updated} of {wanted} pods are updated"
    available = number(status, "numberAvailable")
    return f"{available} of {wanted} pods are available" if available < wanted else ""


def _job_waits(live: Object) -> str:
    if condition(live, "Complete", "True"):
        return ""
    spec, status = live.get("spec") or {}, live.get("status") or {}
    return f"{number(status, 'succeeded')} of {number(spec, 'completions', 1)} runs succeeded"


def _claim_waits(live: Object) -> str:
    phase = (live.get("status") or {}).get("phase") or "Pending"
    return "" if phase == "Bound" else f"the claim is {phase}"


def _pod_waits(live: Object) -> str:
    phase = (live.get("status") or {}).get("phase") or "Pending"
    return "" if phase == "Succeeded" or condition(live, "Ready", "True") else f"the pod is {phase}"


_WAITING = {
    "Deployment": _deployment_waits,
    "StatefulSet": _statefulset_waits,
    "DaemonSet": _daemonset_waits,
    "Job": _job_waits,
    "PersistentVolumeClaim": _claim_waits,
    "Pod": _pod_waits,
}
WATCHED = tuple(_WAITING)


def waited_for(obj: Object) -> bool:
    """Whether a roll-out waits for a rendered object.

    Not for the address of an Ingress: its controller need not tell one, and the public way is judged by going it.
    """
    group = str(obj.get("apiVersion") or "").rpartition("/")[0]
    return is_custom(group) or obj.get("kind") in WATCHED or is_balanced(obj)


def waits(wanted: Identity, live: Object) -> str:
    """Why an object is waited for; empty where it is complete."""
    if is_custom(wanted.group):
        return custom_waits(live)
    rule = _WAITING.get(wanted.kind, balancer_waits)
    return rule(live)


def counts_pods(wanted: Identity) -> bool:
    """Whether an object says how many pods it wants."""
    return wanted.kind in OBSERVED and not is_custom(wanted.group)


def not_observed(live: Object) -> bool:
    """Whether its status is still about the specification before."""
    generation = number(live.get("metadata") or {}, "generation")
    return number(live.get("status") or {}, "observedGeneration") < generation


def condition(live: Object, kind: str, status: str) -> Object | None:
    """The condition of a kind that has a status; None where it has another one, or is not there."""
    for one in (live.get("status") or {}).get("conditions") or []:
        if one.get("type") == kind and one.get("status") == status:
            found: Object = one
            return found
    return None
