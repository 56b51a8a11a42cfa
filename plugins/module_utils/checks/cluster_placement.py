# Places a release's pods on nodes, as far as the scheduler would: by room, taints, node selectors and node affinity.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import cluster_capacity as capacity
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_capacity import Amounts, Demand

Object = dict[str, Any]
_ORDERS = (("memory", "cpu"), ("cpu", "memory"))  # largest first packs well; by which is tried in turn


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A workload some of whose pods find no node: how many do, and how many nodes may take them at all."""

    demand: Demand
    placed: int
    wanted: int
    nodes: int


def may_take(node: Object, spec: Object) -> bool:
    """Whether a node takes a pod, were there room: it is Ready, and selector, affinity and taints let it."""
    labels = node["metadata"].get("labels") or {}
    selector = spec.get("nodeSelector") or {}
    return not capacity.unusable(node, [spec]) and selector.items() <= labels.items() and _near(node, labels, spec)


def _near(node: Object, labels: Mapping[str, str], spec: Object) -> bool:
    """Kubernetes API reference, NodeAffinity and NodeSelectorTerm: one term must hold, and all that it says."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        (term.get("matchExpressions") or term.get("matchFields"))
        and all(_holds(one, labels) for one in term.get("matchExpressions") or [])
        and all(_holds(one, fields) for one in term.get("matchFields") or [])
        for term in required.get("nodeSelectorTerms") or []
    )


def _holds(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    how, values = one.get("operator"), [str(value) for value in one.get("values") or []]
    told = labels.get(str(one.get("key")))
    if how in ("NotIn", "DoesNotExist"):
        return told is None or (how == "NotIn" and told not in values)
    if told is None:
        return False
    if how in ("Gt", "Lt"):
        try:
            less, more = (int(values[0]), int(told)) if how == "Gt" else (int(told), int(values[0]))
        except (ValueError, IndexError):
            return False
        return less < more
    return how == "Exists" or told in values


def unplaced(demands: Iterable[Demand], nodes: Iterable[Object], left: Mapping[str, Amounts]) -> Unplaced | None:
    """The first workload that has no room beside the others, its surge included; None where all have.

    Sums do not tell: a pod needs all its room on one node. Each goes to the node that it fills most, the largest first.
    """
    wanted, there = [one for one in demands if one.replicas and not one.hook], list(nodes)
    found = None
    for order in _ORDERS:
        found = _packed(sorted(wanted, key=lambda one: [one.pod[name] for name in order], reverse=True), there, left)
        if found is None:
            return None
    return found


def _packed(demands: Iterable[Demand], nodes: list[Object], left: Mapping[str, Amounts]) -> Unplaced | None:
    room = dict(left)
    for demand in demands:
        names = [node["metadata"]["name"] for node in nodes if may_take(node, demand.spec)]
        each = demand.workload.startswith("DaemonSet ")
        count = len(names) if each else demand.replicas + demand.surge
        for placed in range(count):
            fitting = [
                name for name in ([names[placed]] if each else names) if not capacity.short_of(room[name], demand.pod)
            ]
            if not fitting:
                return Unplaced(demand, placed, count, len(names))
            best = min(fitting, key=lambda name: (room[name]["memory"], room[name]["cpu"], name))
            room[best] = capacity.less(room[best], demand.pod)
    return None
