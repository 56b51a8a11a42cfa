# Judges the agents that collect logs: one that is ready on each node on which something can run.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found

Object = Mapping[str, Any]
_SHOWN = 3
_SPREAD = (
    "Let the agent's DaemonSet tolerate the node's taints and select it, and look at its pods' events; or leave nodes "
    "out that need no agent (in the inventory: bytebot_log_agents.nodes)."
)
_NAME = "Name the agent's DaemonSet (in the inventory: bytebot_log_agents)."
_ALLOW = "Let this account list DaemonSets, pods and nodes in the cluster."
# The DaemonSet controller lets its pods tolerate these by itself (Kubernetes documentation, DaemonSet).
_TOLERATED = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """The DaemonSet of the agent, its pods and the nodes.

    :param daemonset: the object; None where there is none of that name. :param denied: what may not be read, and why.
    :param pods: its pods; :param nodes: the nodes that need an agent.
    """

    namespace: str
    name: str
    daemonset: Object | None = None
    pods: tuple[Object, ...] = ()
    nodes: tuple[Object, ...] = ()
    selector: str = ""
    denied: str = ""

    @property
    def where(self) -> str:
        return f"DaemonSet {self.namespace}/{self.name}"

    def told(self) -> dict[str, Any]:
        """For evidence."""
        status = (self.daemonset or {}).get("status") or {}
        names = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
        return {
            **{name: status.get(name, 0) for name in names},
            "nodes": [_name(one) for one in self.nodes],
            "nodes_asked": self.selector or "all",
            "ready_on": sorted(ready_nodes(self.pods)),
            **({"denied": self.denied} if self.denied else {}),
        }


def judge_agents(found: Found, seen: AgentSeen | None) -> str:
    """What is wrong goes to ``found``; what is right is returned in words."""
    if seen is None:
        found.unknown("Needs input agents: no DaemonSet is named, so whether nodes are covered is not known", _NAME)
        return ""
    if seen.denied:
        found.unknown(seen.denied, _ALLOW)
        return ""
    if seen.daemonset is None:
        found.wrong(f"there is no {seen.where}", _NAME)
        return ""
    status = seen.daemonset.get("status") or {}
    wanted, ready = int(status.get("desiredNumberScheduled") or 0), int(status.get("numberReady") or 0)
    if ready < wanted:
        found.wrong(f"{ready} of {wanted} pods of {seen.where} are ready", "Look at the events and logs of its pods.")
    covered, alive = ready_nodes(seen.pods), [one for one in seen.nodes if is_ready(one)]
    bare = [one for one in alive if _name(one) not in covered]
    if bare:
        told = ", ".join(f"{_name(one)} ({_why(seen.daemonset, one)})" for one in bare[:_SHOWN])
        more = f" and {len(bare) - _SHOWN} more" if len(bare) > _SHOWN else ""
        found.wrong(f"no ready agent stands on node {told}{more}", _SPREAD)
    if not alive:
        found.unknown("there is no node that is ready and needs an agent", _SPREAD)
    count = len(alive)
    return f"an agent of {seen.where} is ready on {'the node' if count == 1 else f'all {count} nodes'}"


def ready_nodes(pods: Iterable[Object]) -> set[str]:
    """The nodes on which a pod is ready."""
    return {
        str((one.get("spec") or {}).get("nodeName"))
        for one in pods
        if not (one.get("metadata") or {}).get("deletionTimestamp") and is_ready(one)
    }


def is_ready(one: Object) -> bool:
    """Whether a pod or a node says that it is ready."""
    conditions = (one.get("status") or {}).get("conditions") or []
    return any(told.get("type") == "Ready" and told.get("status") == "True" for told in conditions)


def _why(daemonset: Object, node: Object) -> str:
    """The plainest reason why a DaemonSet has no pod there."""
    pod = ((daemonset.get("spec") or {}).get("template") or {}).get("spec") or {}
    tolerations = pod.get("tolerations") or []
    for taint in (node.get("spec") or {}).get("taints") or []:
        own = str(taint.get("key") or "").startswith(_TOLERATED)
        if taint.get("effect") != "PreferNoSchedule" and not own and not tolerates(tolerations, taint):
            return f"its taint {taint.get('key')}:{taint.get('effect')} is not tolerated"
    labels = (node.get("metadata") or {}).get("labels") or {}
    for key, value in (pod.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return f"nodeSelector wants {key}={value}"
    if ((pod.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution"):
        return "its pod is not ready, or its node affinity leaves the node out"
    return "its pod is not ready, or is not there"


def tolerates(tolerations: Iterable[Object], taint: Object) -> bool:
    """Whether one of the tolerations fits a taint (Kubernetes documentation, Taints and Tolerations)."""
    return any(_fits(one, taint) for one in tolerations)


def _fits(toleration: Object, taint: Object) -> bool:
    key, effect = toleration.get("key") or "", toleration.get("effect") or ""
    if effect and effect != taint.get("effect"):
        return False
    if toleration.get("operator") == "Exists":
        return not key or key == taint.get("key")
    return key == taint.get("key") and (toleration.get("value") or "") == (taint.get("value") or "")


def _name(one: Object) -> str:
    return str((one.get("metadata") or {}).get("name"))
