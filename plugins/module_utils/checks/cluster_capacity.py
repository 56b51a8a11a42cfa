# Counts what nodes have, what pods ask, and what a rendered release will ask.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_version import conditions_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec, pod_template

Object = dict[str, Any]
Amounts = dict[str, Decimal]

COUNTED = ("cpu", "memory", "pods")
NOTHING: Amounts = dict.fromkeys(COUNTED, Decimal(0))
KEEPS_AWAY = ("NoSchedule", "NoExecute")
DEFAULT_SURGE = "25%"  # Kubernetes API reference, RollingUpdateDeployment.maxSurge
_SCALED = ("Deployment", "StatefulSet")


@dataclass(frozen=True, slots=True)
class Demand:
    """What one workload of a release asks: one pod's requests, how many replicas, how many more during an update."""

    workload: str
    pod: Amounts
    spec: Object
    replicas: int
    surge: int = 0
    hook: bool = False

    @property
    def total(self) -> Amounts:
        return {name: amount * (self.replicas + self.surge) for name, amount in self.pod.items()}


def add(*amounts: Mapping[str, Decimal]) -> Amounts:
    """The sum of amounts."""
    return {name: sum((one.get(name, Decimal(0)) for one in amounts), Decimal(0)) for name in COUNTED}


def less(whole: Amounts, part: Amounts) -> Amounts:
    """What is left of a whole."""
    return {name: whole[name] - part[name] for name in COUNTED}


def short_of(have: Amounts, want: Amounts) -> list[str]:
    """The names of what does not suffice."""
    return [name for name in COUNTED if have[name] < want[name]]


# ---------------------------------------------------------------------------- nodes


def unusable(node: Object, specs: Iterable[Object]) -> str:
    """Why new pods of the release do not go to a node; empty where they do.

    A taint keeps them away unless every pod of the release tolerates it; without a release, any taint does.
    """
    spec = node.get("spec") or {}
    if conditions_of(node).get("Ready") != "True":
        return "not Ready"
    if spec.get("unschedulable"):
        return "cordoned"
    wanted = list(specs)
    for taint in spec.get("taints") or []:
        if taint.get("effect") in KEEPS_AWAY and not (wanted and all(tolerates(one, taint) for one in wanted)):
            return f"taint {taint.get('key')}:{taint.get('effect')}"
    return ""


def tolerates(spec: Object, taint: Mapping[str, Any]) -> bool:
    """Whether a pod tolerates a taint (Kubernetes, "Taints and Tolerations")."""
    return any(
        one.get("effect") in (None, "", taint.get("effect"))
        and (
            (one.get("operator") == "Exists" and one.get("key") in (None, "", taint.get("key")))
            or (
                one.get("operator", "Equal") == "Equal"
                and one.get("key") == taint.get("key")
                and (one.get("value") or "") == (taint.get("value") or "")
            )
        )
        for one in spec.get("tolerations") or []
    )


def allocatable(node: Object) -> Amounts:
    """What a node offers to pods."""
    told = (node.get("status") or {}).get("allocatable") or {}
    return {name: quantity(told.get(name)) or Decimal(0) for name in COUNTED}


def free(nodes: Iterable[Object], pods: Iterable[Object]) -> dict[str, Amounts]:
    """What is left on each node after the requests of the pods that it holds."""
    left = {node["metadata"]["name"]: allocatable(node) for node in nodes}
    for pod in pods:
        name = (pod.get("spec") or {}).get("nodeName")
        if name in left and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            left[name] = less(left[name], pod_amounts(pod.get("spec") or {}))
    return left


# ---------------------------------------------------------------------------- pods


def pod_amounts(spec: Object) -> Amounts:
    """What the scheduler reserves for a pod (Kubernetes, "Init Containers", "Sidecar Containers", "Pod Overhead").

    Init containers run one after the other beside the sidecars started before them; the greater need counts.
    """
    running, peak = NOTHING, NOTHING
    for container in spec.get("initContainers") or []:
        own = _requests(container)
        if container.get("restartPolicy") == "Always":
            running = add(running, own)
            peak = _greater(peak, running)
        else:
            peak = _greater(peak, add(running, own))
    for container in spec.get("containers") or []:
        running = add(running, _requests(container))
    overhead = {name: quantity(text) or Decimal(0) for name, text in (spec.get("overhead") or {}).items()}
    whole = {**_greater(peak, running), **_requests(spec)}  # what is said for the pod as a whole has the last word
    return {**add(whole, overhead), "pods": Decimal(1)}


def _requests(described: Object) -> Amounts:
    """Requests of a container; a limit without request is the request."""
    resources = described.get("resources") or {}
    told = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: quantity(told[name]) or Decimal(0) for name in ("cpu", "memory") if told.get(name) is not None}


def _greater(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> Amounts:
    return {name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0))) for name in COUNTED}


# ---------------------------------------------------------------------------- the release


def demands(objects: Iterable[Object], hooks: Iterable[Object], namespace: str, nodes: int) -> list[Demand]:
    """What a rendered release asks: a demand per workload and per hook."""
    everything = list(objects)
    floors = _autoscaled(everything)
    return [
        *(found for obj in everything if (found := _demand(obj, namespace, nodes, floors))),
        *(found for obj in hooks if (found := _demand(obj, namespace, nodes, {}, hook=True))),
    ]


def _demand(
    obj: Object, namespace: str, nodes: int, floors: Mapping[tuple[str, str], int], *, hook: bool = False
) -> Demand | None:
    spec = pod_spec(obj)
    if spec is None:
        return None
    replicas = _replicas(obj, nodes)
    if obj["kind"] in _SCALED and replicas:  # an autoscaler leaves a workload of no replicas alone
        replicas = max(replicas, floors.get((obj["kind"], obj["metadata"]["name"]), 0))
    name = identity(obj, namespace)
    return Demand(f"{name.kind} {name.name}", pod_amounts(spec), spec, replicas, _surge(obj, replicas), hook)


def _replicas(obj: Object, nodes: int) -> int:
    spec = obj.get("spec") or {}
    if obj["kind"] == "DaemonSet":
        return nodes
    if obj["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    told = spec.get("parallelism" if obj["kind"] in ("Job", "CronJob") else "replicas")
    return 1 if told is None or obj["kind"] == "Pod" else int(told)


def _surge(obj: Object, replicas: int) -> int:
    strategy = (obj.get("spec") or {}).get("strategy") or {}
    if obj["kind"] != "Deployment" or strategy.get("type") == "Recreate":
        return 0
    told = (strategy.get("rollingUpdate") or {}).get("maxSurge")
    text = str(DEFAULT_SURGE if told is None else told)
    if not re.fullmatch(r"\d+%?", text):
        return 0  # the API refuses it, and the chart's own control says so
    if not text.endswith("%"):
        return int(text)
    return int((Decimal(text[:-1]) * replicas / 100).to_integral_value(ROUND_CEILING))


def _autoscaled(objects: Iterable[Object]) -> dict[tuple[str, str], int]:
    """The least replicas that autoscalers keep, by kind and name of what they scale."""
    found = {}
    for obj in objects:
        if obj["kind"] == "HorizontalPodAutoscaler":
            target = (obj.get("spec") or {}).get("scaleTargetRef") or {}
            found[str(target.get("kind")), str(target.get("name"))] = int(obj["spec"].get("minReplicas") or 1)
    return found


def others(pods: Iterable[Object], objects: Iterable[Object], namespace: str) -> Iterator[Object]:
    """The pods that are not this release's: those that no workload of it selects."""
    own = [
        (identity(obj, namespace).namespace, labels) for obj in objects if (labels := _selected(obj)) and pod_spec(obj)
    ]
    for pod in pods:
        place, labels = pod["metadata"].get("namespace"), pod["metadata"].get("labels") or {}
        if not any(place == one and wanted.items() <= labels.items() for one, wanted in own):
            yield pod


def _selected(obj: Object) -> Mapping[str, str]:
    selector = ((obj.get("spec") or {}).get("selector") or {}) if obj["kind"] not in ("Pod", "CronJob", "Job") else {}
    template = (pod_template(obj) or {}).get("metadata") or {}
    return selector.get("matchLabels") or template.get("labels") or {}
