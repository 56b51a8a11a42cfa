# What a roll-out waits for beside workloads: a load balancer's address, and custom resources by their conditions.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]
# The groups of Kubernetes itself (API reference of 1.36); objects of all others are custom resources.
BUILT_IN = frozenset({"", "apps", "autoscaling", "batch", "extensions", "policy"} | {
    f"{name}.k8s.io"
    for name in ("admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization",
                 "certificates", "coordination", "discovery", "events", "flowcontrol.apiserver", "internal.apiserver",
                 "networking", "node", "rbac.authorization", "resource", "scheduling", "storage", "storagemigration")
})  # fmt: skip


def is_custom(group: str) -> bool:
    """Whether objects of an API group are custom resources."""
    return group not in BUILT_IN


def is_balanced(obj: Object) -> bool:
    """Whether an object is a Service that asks for a load balancer."""
    api_version, spec = obj.get("apiVersion"), obj.get("spec") or {}
    return (api_version, obj.get("kind")) == ("v1", "Service") and spec.get("type") == "LoadBalancer"


def balancer_waits(live: Object) -> str:
    """The rule of ``helm --wait``: an address, unless external addresses are given by hand."""
    if not is_balanced(live) or (live.get("spec") or {}).get("externalIPs"):
        return ""
    given = ((live.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    return "" if given else "no load balancer has given it an address"


def custom_waits(live: Object) -> str:
    """The conventions of conditions: Ready must be true where it is told, about the specification of now."""
    status = _status(live)
    observed, wanted = status.get("observedGeneration"), (live.get("metadata") or {}).get("generation")
    if isinstance(observed, int) and isinstance(wanted, int) and observed < wanted:
        return "its new specification is not observed yet"
    if condition(live, "Reconciling") == "True":
        return "its controller still works on it (Reconciling)"
    ready = condition(live, "Ready")
    return "" if ready in ("", "True") else f"its condition Ready is {ready}{_because(live, 'Ready')}"


def stalled(live: Object) -> tuple[str, str] | None:
    """Reason and message of a custom resource whose controller says that it cannot go on."""
    found = _condition(live, "Stalled")
    if found is None or found.get("status") != "True":
        return None
    return str(found.get("reason") or "Stalled"), str(found.get("message") or "")


def condition(live: Object, kind: str) -> str:
    """The status of a condition; empty where it is not told."""
    found = _condition(live, kind)
    return "" if found is None else str(found.get("status") or "")


def _because(live: Object, kind: str) -> str:
    found = _condition(live, kind) or {}
    words = ": ".join(str(found[name]) for name in ("reason", "message") if found.get(name))
    return f" ({words})" if words else ""


def _condition(live: Object, kind: str) -> Object | None:
    conditions = _status(live).get("conditions")
    for one in conditions if isinstance(conditions, list) else []:
        if isinstance(one, Mapping) and one.get("type") == kind:
            return one
    return None


def _status(live: Object) -> Object:
    status = live.get("status")  # of a custom resource it may be anything
    return status if isinstance(status, Mapping) else {}
